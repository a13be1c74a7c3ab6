"""What is predicted: a video, a picture or a folder, with its camera and telemetry where they are
known."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aerial_depth_pipeline.capture.camera_lookup import known_camera, resize_camera
from aerial_depth_pipeline.capture.sources import open_source
from aerial_depth_pipeline.capture.sources.exif import camera_from_35mm
from aerial_depth_pipeline.capture.sources.photographs import PhotographSource
from aerial_depth_pipeline.capture.sources.source import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    Source,
    SourceFrame,
    visible_files,
)
from aerial_depth_pipeline.capture.sources.video import VideoSource
from aerial_depth_pipeline.capture.telemetry.telemetry import Telemetry
from aerial_depth_pipeline.capture.telemetry.telemetry_files import find_telemetry
from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.formats.images import fit_width
from aerial_depth_pipeline.geometry.cameras import Camera

USUAL_FPS = 25.0
_USUAL_FOCAL_35MM = 24.0
_FEW_KEYFRAMES = 4
# The names under which DJI's subtitles and the tables of flight logs give the barometer's height
# above the start.
_RELATIVE_HEIGHT = re.compile(
    r"\brel_?alt|\bBAROMETER\b|\bH\s+-?\d+(?:\.\d+)?\s*m\b|relative_?\s*altitude|above\s*_?take_?\s*off",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Footage:
    """An opened source and what is known of it.

    Attributes:
        path: what the user named.
        source: its frames.
        width, height: size of the output in pixels, even numbers.
        camera: of frames of that size.
        camera_origin: `camera.yaml`, `exif`, `telemetry`, `drone_model`, `setting` or `assumed`.
        telemetry: positions beside a video, or None.
        relative_height: whether the telemetry's altitude counts from the place of departure.
    """

    path: Path
    source: Source
    width: int
    height: int
    camera: Camera
    camera_origin: str
    telemetry: Telemetry | None
    relative_height: bool

    @property
    def is_video(self) -> bool:
        """Whether frames follow each other as a film."""
        return self.source.kind == "video"


def open_footage(path: Path, max_width: int, focal_35mm: float | None = None) -> Footage:
    """Open a video, a picture, a folder of pictures or a scene's folder.

    Raises:
        UserError: where it is not there, not footage, damaged, or its `camera.yaml` does not fit.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(
            f"{path} is not there (looked for {path.absolute()}); name a video, a picture or a"
            " folder of pictures."
        )
    suffix = path.suffix.lower()
    if path.is_dir():
        source = open_source(path)
    elif suffix in IMAGE_SUFFIXES:
        try:
            source = PhotographSource(path.parent, [path])
        except SceneError as error:
            raise UserError(
                f"{path} cannot be read as a picture; it is damaged or no picture at all: copy it"
                " again."
            ) from error
    elif suffix in VIDEO_SUFFIXES:
        source = VideoSource(path)
    else:
        known = ", ".join(sorted(s.lstrip(".") for s in VIDEO_SUFFIXES | IMAGE_SUFFIXES))
        raise UserError(
            f"{path} is neither a video nor a picture by its ending; known are {known}."
        )
    width, height = fit_width(source.width, source.height, max_width)
    width, height = width - width % 2, height - height % 2  # H.264 stores colour at half the size
    if min(width, height) < 16:
        raise UserError(
            f"{path} is {source.width}x{source.height}, too small to see anything in; at least"
            " 16x16 is needed."
        )
    telemetry, relative = _telemetry(path, source)
    camera, origin = _camera(path, source, telemetry, focal_35mm)
    return Footage(
        path,
        source,
        width,
        height,
        resize_camera(camera, width, height),
        origin,
        telemetry,
        relative,
    )


def _telemetry(path: Path, source: Source) -> tuple[Telemetry | None, bool]:
    """The telemetry beside a video, and whether its altitude counts from the place of departure."""
    if source.kind != "video":
        return None, False
    folder = source.path.parent
    telemetry, told = find_telemetry(folder, source.path, source.fps)
    source.warnings += told
    if telemetry is None:
        return None, False
    named_alike = Path(telemetry.source).stem.lower() == source.path.stem.lower()
    if not named_alike and len(visible_files(folder, VIDEO_SUFFIXES)) > 1:
        return None, False  # it may be that of another flight
    source.warnings += telemetry.warnings
    return (
        telemetry,
        _RELATIVE_HEIGHT.search(
            (folder / telemetry.source).read_text(encoding="utf-8", errors="replace")
        )
        is not None,
    )


def _camera(
    path: Path, source: Source, telemetry: Telemetry | None, focal_35mm: float | None
) -> tuple[Camera, str]:
    known = known_camera(path if path.is_dir() else path.parent, source, "auto")
    if known is not None:
        return known
    equivalents = [
        (focal_35mm, "setting"),
        (telemetry.focal_35mm if telemetry is not None else None, "telemetry"),
        (source.stated_focal_35mm(), "drone_model"),
        (_USUAL_FOCAL_35MM, "assumed"),
    ]
    equivalent, origin = next((value, origin) for value, origin in equivalents if value)
    return camera_from_35mm(equivalent, source.width, source.height), origin


def sample_frames(footage: Footage, count: int) -> list[SourceFrame]:
    """About `count` usable frames, evenly spread over the whole source, without keeping more than
    twice as many in memory.

    Raises:
        UserError: where no frame can be used.
    """
    size = footage.width, footage.height
    samples: list[SourceFrame] = []
    if footage.is_video:
        samples = _spread(lambda wanted: footage.source.keyframes(*size, wanted), count)
    if len(samples) < min(_FEW_KEYFRAMES, count):
        samples = _spread(lambda wanted: footage.source.frames(*size, wanted), count)
    if not samples:
        raise UserError(
            f"No frame of {footage.path} can be used;"
            f" {' '.join(footage.source.warnings) or 'they do not decode.'}"
        )
    return samples


def _spread(
    read: Callable[[Callable[[int], bool]], Iterable[SourceFrame]], count: int
) -> list[SourceFrame]:
    """Every n-th frame, n doubling whenever twice `count` have come together: how many there will
    be is not known in advance."""
    step, kept = 1, []

    def wanted(index: int) -> bool:
        return index % step == 0

    for frame in read(wanted):
        if frame.image is None:
            continue
        kept.append(frame)
        if len(kept) == 2 * count:
            step *= 2
            kept = [f for f in kept if f.index % step == 0]
    if len(kept) <= count:
        return kept
    return [kept[round(i * (len(kept) - 1) / max(1, count - 1))] for i in range(count)]


def batches(frames: Iterable[SourceFrame], size: int) -> Iterator[list[SourceFrame]]:
    """Usable frames in groups."""
    group: list[SourceFrame] = []
    for frame in frames:
        if frame.image is None:
            continue
        group.append(frame)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
