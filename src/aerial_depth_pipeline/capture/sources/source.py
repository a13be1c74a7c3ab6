"""The contract of a source of frames."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.images import scale_down
from aerial_depth_pipeline.geometry.cameras import Camera

VIDEO_SUFFIXES = frozenset(
    ".mp4 .mov .mkv .avi .m4v .webm .ts .mts .m2ts .mpg .mpeg .wmv .flv .3gp .ogv .h264"
    " .hevc .264 .265 .h265 .mxf .qt".split()
)
IMAGE_SUFFIXES = frozenset(".jpg .jpeg .jpe .jfif .mpo .png .tif .tiff .webp .bmp .jp2".split())

Wanted = Callable[[int], bool]
"""Whether the frame of an index is to be read."""


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source."""

    index: int  # its number in the source, from 0
    time: float  # seconds since the first frame; NaN where the source has no times
    image: np.ndarray | None  # [H, W, 3] uint8 RGB at the size asked for; None: cannot be used
    reason: str = ""  # why the frame cannot be used
    name: str = ""  # the file's where every frame is a file


@dataclass(frozen=True)
class Recording:
    """What a video says about its own time.

    Attributes:
        fps: frames per second.
        start: seconds since 1970 at its first frame.
        duration: seconds.
    """

    fps: float | None = None
    start: float | None = None
    duration: float | None = None


class Fix(NamedTuple):
    """A position: WGS 84 degrees, metres above the ellipsoid or the sea, as the device says,
    NaN where it does not."""

    latitude: float
    longitude: float
    altitude: float


@dataclass
class Source(ABC):
    """A reader of one kind of footage. What a reader does not know, it leaves as it stands here."""

    path: Path  # the file or folder, for messages
    kind: str = ""  # `video`, `photographs`, `prepared`, `gta` or `dump`
    width: int = 0  # pixels of the upright source image
    height: int = 0
    stored_size: tuple[int, int] | None = None  # where pixels are not square, before they are
    fps: float | None = None
    continuous: bool = True  # whether neighbours are close enough in time to be tracked
    # Whether the images were rotated upright: the gimbal's angles are not theirs then
    rotated: bool = False
    # Sentences for the report; complete once `frames` has been read to its end
    warnings: list[str] = field(default_factory=list)

    @property
    def recording(self) -> Recording:
        """When and how long the footage was recorded, as far as it says."""
        return Recording(self.fps)

    @classmethod
    @abstractmethod
    def find(cls, raw: Path) -> "Source | None":
        """The footage of this kind in a scene's folder; None where it holds none.

        Raises:
            SceneError: where there is more than one to choose from, or it cannot be opened.
        """

    @classmethod
    def of_only_file(cls, raw: Path, files: list[Path], kind: str) -> Self | None:
        """The footage in the only one of the files, if there is any.

        Raises:
            SceneError: where there are several.
        """
        if len(files) > 1:
            listed = ", ".join(path.name for path in files)
            raise SceneError(
                f"{raw} holds {len(files)} {kind} ({listed}); a scene is one capture, so give each"
                " a folder of its own."
            )
        return cls(files[0]) if files else None

    @abstractmethod
    def frames(self, width: int, height: int, wanted: Wanted) -> Iterator[SourceFrame]:
        """Read the frames for whose index `wanted` says yes, scaled to width x height."""

    def keyframes(self, width: int, height: int, wanted: Wanted) -> Iterator[SourceFrame]:
        """Frames that are cheap to read, spread over the footage, numbered and chosen from 0."""
        return self.frames(width, height, wanted)

    def own_camera(self) -> tuple[Camera, str] | None:
        """The camera that the source itself knows, at the source's size, and its origin."""
        return None

    def fixes(self) -> dict[int, Fix]:
        """Positions that the source itself knows, by frame."""
        return {}

    def deviations(self) -> dict[int, float]:
        """Standard deviation of the positions along an axis in metres, by frame, where the source
        states it."""
        return {}

    def angles(self) -> dict[int, tuple[float, float]]:
        """Pitch and roll of the gimbal in degrees that the source itself knows, by frame."""
        return {}

    def heights(self) -> dict[int, float]:
        """Heights in metres above the place of departure that the source itself knows, by
        frame."""
        return {}

    def stated_focal_35mm(self) -> float | None:
        """The 35 mm equivalent in mm of the drone that the source names: right to about a tenth."""
        return None

    def depth_frames(self) -> set[int]:
        """The frames whose depth the source itself knows."""
        return set()

    def read_depth(self, index: int) -> np.ndarray | None:
        """z-depth of a frame, [H, W] float32 metres, 0 = none; None where it cannot be read."""
        raise KeyError(index)

    def hand_on(self, folder: Path) -> None:
        """Put into a scene's extracted frames what later steps need beyond them."""

    def frame_of(
        self, index: int, time: float, image: np.ndarray | None, name: str, size: tuple[int, int]
    ) -> SourceFrame:
        """A frame of an image file, scaled to `size`; unreadable where the image does not decode or
        is not of the source's size."""
        if image is None or image.shape[:2] != (self.height, self.width):
            return SourceFrame(index, time, None, "unreadable", name)
        return SourceFrame(index, time, scale_down(image, *size), "", name)

    def warn(self, sentence: str) -> None:
        """Add to the warnings, once however often the footage is read."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
