"""What a scene's folder holds: a video, photographs, an archive; each read as a stream of
frames."""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.geometry.cameras import Camera

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = {
    *(
        ".mp4",
        ".mov",
        ".mkv",
        ".avi",
        ".m4v",
        ".webm",
        ".ts",
        ".mts",
        ".m2ts",
        ".mpg",
        ".mpeg",
        ".wmv",
        ".flv",
        ".3gp",
        ".ogv",
        ".h264",
        ".hevc",
    )
}
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source.

    Attributes:
        index: its number in the source, from 0.
        time: seconds since the first frame; NaN where the source has no times.
        image: [H, W, 3] uint8 RGB at the size asked for, or None where the frame cannot be used;
            `reason` then says why.
        reason: why the frame cannot be used, '' where it can.
        name: the file's name where every frame is a file.
    """

    index: int
    time: float
    image: np.ndarray | None
    reason: str = ""
    name: str = ""


@dataclass(frozen=True)
class Fix:
    """A position: WGS 84 degrees, metres above the ellipsoid or the sea, as the device says."""

    latitude: float
    longitude: float
    altitude: float


class Source(Protocol):
    """A scene's pictures.

    Attributes:
        path: the file or folder, for messages.
        kind: `video`, `photographs`, `prepared`, `gta` or `dump`.
        width, height: size of the upright source image in pixels.
        fps: frames per second, or None.
        continuous: whether neighbours follow each other closely enough in time to be tracked.
        turned: whether the pictures were turned upright, so that the gimbal's angles are not those
            of the pictures.
        warnings: sentences for the report; complete once `frames` has been read to its end.
    """

    path: Path
    kind: str
    width: int
    height: int
    fps: float | None
    continuous: bool
    turned: bool
    warnings: list[str]

    def frames(
        self, width: int, height: int, wanted: Callable[[int], bool]
    ) -> Iterator[SourceFrame]:
        """Read the frames for whose index `wanted` says yes, scaled to width x height."""
        ...

    def own_camera(self) -> tuple[Camera, str] | None:
        """The camera that the source itself knows, at the source's size, and where it comes
        from."""
        ...

    def fixes(self) -> dict[int, Fix]:
        """Positions that the source itself knows, by frame."""
        ...

    def angles(self) -> dict[int, tuple[float, float]]:
        """Pitch and roll of the gimbal in degrees that the source itself knows, by frame."""
        ...

    def stated_focal_35mm(self) -> float | None:
        """The 35 mm equivalent focal length of the drone that the source names, in millimetres:
        right to about a tenth."""
        ...

    def depth_frames(self) -> set[int]:
        """The frames whose depth the source itself knows."""
        ...

    def read_depth(self, index: int) -> np.ndarray | None:
        """The z-depth of a frame, [H, W] float32 metres, 0 where there is none; None where it
        cannot be read."""
        ...

    def hand_on(self, folder: Path) -> None:
        """Put into a scene's extracted frames what later steps need beyond them."""
        ...


@dataclass
class SourceBase:
    """What sources have in common: nothing known beyond the pictures."""

    path: Path
    kind: str = ""
    width: int = 0
    height: int = 0
    fps: float | None = None
    continuous: bool = True
    turned: bool = False
    warnings: list[str] = field(default_factory=list)

    def warn(self, sentence: str) -> None:
        """Add to the warnings, once however often the footage is read."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def own_camera(self) -> tuple[Camera, str] | None:
        return None

    def fixes(self) -> dict[int, Fix]:
        return {}

    def angles(self) -> dict[int, tuple[float, float]]:
        return {}

    def stated_focal_35mm(self) -> float | None:
        return None

    def depth_frames(self) -> set[int]:
        return set()

    def read_depth(self, index: int) -> np.ndarray | None:
        raise KeyError(index)

    def hand_on(self, folder: Path) -> None:
        pass


def natural_order(name: str) -> list:
    """A sorting key in which 2 comes before 10."""
    return [
        (0, int(part), part) if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
    ]


def visible_files(folder: Path, suffixes: set[str]) -> list[Path]:
    """The files of a folder with one of the suffixes (any case), in natural order, hidden ones left
    out."""
    if not folder.is_dir():
        return []
    found = [
        p
        for p in folder.iterdir()
        if p.is_file() and p.suffix.lower() in suffixes and not p.name.startswith(".")
    ]
    return sorted(found, key=lambda p: natural_order(p.name))


def open_source(raw: Path) -> Source:
    """Find and open what a scene's folder holds.

    Raises:
        SceneError: where there is nothing to read, more than one thing to choose from, or it cannot
            be opened.
    """
    # The readers need what is above.
    from aerial_depth_pipeline.capture.sources.gta import GtaExport
    from aerial_depth_pipeline.capture.sources.kitti_folder import CALIBRATION, PreparedFolder
    from aerial_depth_pipeline.capture.sources.photographs import PhotographSource
    from aerial_depth_pipeline.capture.sources.sfmlearner import CALIBRATION_SUFFIX, SfmLearnerDump
    from aerial_depth_pipeline.capture.sources.video import VideoSource

    if not raw.is_dir():
        raise SceneError(
            f"{raw} is not a folder; a scene is a folder with a video or a folder images/ in it."
        )
    videos = visible_files(raw, VIDEO_SUFFIXES)
    named = [p for p in videos if p.stem.lower() == "video"]
    videos = named or videos
    if len(videos) > 1:
        names = ", ".join(p.name for p in videos)
        raise SceneError(
            f"{raw} holds {len(videos)} videos ({names}); a scene is one capture, so give each a"
            " folder of its own."
        )
    if videos:
        return VideoSource(videos[0])
    archives = visible_files(raw, {".zip"})
    if len(archives) > 1:
        raise SceneError(
            f"{raw} holds {len(archives)} archives; a scene is one capture, so give each a folder"
            " of its own."
        )
    if archives:
        return GtaExport(archives[0])
    if (raw / CALIBRATION).is_file():
        return PreparedFolder(raw)
    if any(p.name.endswith(CALIBRATION_SUFFIX) for p in visible_files(raw, {".txt"})):
        return SfmLearnerDump(raw)
    for folder in (raw / "images", raw):
        photographs = visible_files(folder, IMAGE_SUFFIXES)
        if photographs:
            return PhotographSource(folder, photographs)
    raise SceneError(
        f"{raw} holds no footage; put a video (video.mp4) or a folder images/ with photographs"
        " there."
    )
