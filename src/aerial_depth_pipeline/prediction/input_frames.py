"""Frames to predict: of a video, an image, a folder of images or a scene's folder."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from aerial_depth_pipeline.capture.camera_lookup import resize_camera
from aerial_depth_pipeline.capture.footage import Footage
from aerial_depth_pipeline.capture.sources import Source, SourceFrame, open_source
from aerial_depth_pipeline.capture.sources.focal_length import camera_from_35mm
from aerial_depth_pipeline.capture.sources.leftovers import advice_for
from aerial_depth_pipeline.capture.sources.photographs import PhotographSource
from aerial_depth_pipeline.capture.sources.source import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from aerial_depth_pipeline.capture.sources.video import VideoSource
from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.files import evenly
from aerial_depth_pipeline.formats.images import fit_width

_USUAL_FOCAL_35MM = 24.0
_FEW_KEYFRAMES = 4


def open_footage(path: Path, max_width: int, focal_35mm: float | None = None) -> Footage:
    """Open what the user names; its camera is always known, by assumption in the end.

    Args:
        path: a video, an image, a folder of images or a scene's folder.
        max_width: largest width of the frames that are read.
        focal_35mm: 35 mm equivalent focal length in mm where neither a camera.yaml nor EXIF tells.

    Returns:
        Footage with an even size, since H.264 stores colour at half of it. Its `camera_origin` may
        also be `setting`, `telemetry`, `drone_model` or `assumed`.

    Raises:
        UserError: where it is not there, not footage, damaged, or its `camera.yaml` does not fit.
    """
    path = Path(path)
    source = _open(path)
    width, height = fit_width(source.width, source.height, max_width)
    width, height = width - width % 2, height - height % 2
    if min(width, height) < 16:
        raise UserError(
            f"{path} is {source.width}x{source.height}, too small to see anything in; at least"
            " 16x16 is needed."
        )
    footage = Footage.open(path, source, (width, height), "auto", videos_only=True)
    source.warnings += footage.warnings
    if footage.telemetry is not None:
        source.warnings += footage.telemetry.warnings
    if footage.known_camera is None:
        focal, origin = _USUAL_FOCAL_35MM, "assumed"
        if focal_35mm is not None:
            focal, origin = focal_35mm, "setting"
        elif (stated := footage.stated_focal_35mm()) is not None:
            focal, _, origin = stated
        camera = camera_from_35mm(focal, source.width, source.height)
        footage.known_camera, footage.camera_origin = resize_camera(camera, width, height), origin
    return footage


def _open(path: Path) -> Source:
    if not path.exists():
        raise UserError(
            f"{path} is not there (looked for {path.absolute()}); name a video, an image or a"
            " folder of images."
        )
    suffix = path.suffix.lower()
    if path.is_dir():
        return open_source(path)
    if suffix in VIDEO_SUFFIXES:
        return VideoSource(path)
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(s.lstrip(".") for s in VIDEO_SUFFIXES | IMAGE_SUFFIXES))
        if (advice := advice_for(path)) is not None:
            raise UserError(f"{path} cannot be predicted: {advice}.")
        raise UserError(f"{path} is neither a video nor an image by its ending; known are {known}.")
    try:
        return PhotographSource(path.parent, [path])
    except SceneError as error:
        advice = advice_for(path) or "it is damaged or no image at all: copy it again"
        raise UserError(f"{path} cannot be read as an image; {advice}.") from error


def sample_frames(footage: Footage, count: int) -> list[SourceFrame]:
    """About `count` usable frames, evenly spread over the whole source, without keeping more than
    twice as many in memory.

    Raises:
        UserError: where no frame can be used.
    """
    size, source = (footage.width, footage.height), footage.source
    samples: list[SourceFrame] = []
    if footage.is_video:
        samples = _spread(lambda wanted: source.keyframes(*size, wanted), count)
    if len(samples) < min(_FEW_KEYFRAMES, count):
        samples = _spread(lambda wanted: source.frames(*size, wanted), count)
    if not samples:
        reasons = " ".join(source.warnings) or "they do not decode."
        raise UserError(f"No frame of {footage.path} can be used; {reasons}")
    return samples


def _spread(
    read: Callable[[Callable[[int], bool]], Iterable[SourceFrame]], count: int
) -> list[SourceFrame]:
    """Every n-th frame, n doubling whenever twice `count` have come together: how many there will
    be is not known in advance."""
    step, kept = 1, []
    for frame in read(lambda index: index % step == 0):
        if frame.image is None:
            continue
        kept.append(frame)
        if len(kept) == 2 * count:
            step *= 2
            kept = [f for f in kept if f.index % step == 0]
    return evenly(kept, count)


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
