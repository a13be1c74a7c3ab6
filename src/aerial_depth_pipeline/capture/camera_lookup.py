"""Which camera took the frames: camera.yaml, the source itself, EXIF, or self-calibration."""

import logging
from pathlib import Path

from aerial_depth_pipeline.capture.sources.source import Source
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.cameras import read_camera
from aerial_depth_pipeline.geometry.cameras import Camera

logger = logging.getLogger(__name__)

_ASPECT_TOLERANCE = 0.01


def known_camera(raw: Path, source: Source, choice: str) -> tuple[Camera, str] | None:
    """The camera at the source's size and where it comes from, or None where it has to be found by
    self-calibration.

    Args:
        raw: the scene's folder.
        source: the opened source.
        choice: `auto`, `file`, `exif` or `self_calibration`.

    Raises:
        SceneError: where camera.yaml is damaged or for an image of another shape, or where the
            camera asked for is not there.
    """
    if choice == "self_calibration":
        return None
    path = raw / "camera.yaml"
    if choice in ("auto", "file") and path.is_file():
        try:
            camera = read_camera(path)
        except (ValueError, OSError) as error:
            told = " ".join(str(error).split())  # parsers draw pictures over several lines
            raise SceneError(
                f"{told} Mend it or remove it; without it the camera is calibrated from the frames."
            ) from error
        return fit_camera(camera, source.width, source.height, path), "camera.yaml"
    if choice == "file":
        raise SceneError(
            f"{path} is not there, but the settings ask for it; add it or set camera: auto."
        )
    own = source.own_camera()
    if own is None and choice == "exif":
        raise SceneError(
            f"{source.path} has no focal length in EXIF, but the settings ask for it; set camera:"
            " auto."
        )
    return own


def fit_camera(camera: Camera, width: int, height: int, path: Path) -> Camera:
    """The camera rescaled to the source's size.

    Raises:
        SceneError: where the shape differs, since it cannot be known then what was cropped.
    """
    if (camera.width, camera.height) == (width, height):
        return camera
    aspect, wanted = camera.width / camera.height, width / height
    if abs(aspect / wanted - 1) > _ASPECT_TOLERANCE:
        raise SceneError(
            f"{path} is for {camera.width}x{camera.height}, but the images are {width}x{height},"
            " another shape; write a camera for this size, or remove the file so that the camera"
            " is calibrated from the frames."
        )
    logger.info(
        "%s is for %dx%d and is rescaled to %dx%d.",
        path,
        camera.width,
        camera.height,
        width,
        height,
    )
    return resize_camera(camera, width, height)


def resize_camera(camera: Camera, width: int, height: int) -> Camera:
    """The camera of the resized image. Models with one focal length keep it one: rounding a size to
    whole pixels is no anisotropy."""
    try:
        return camera.resized(width, height)
    except ValueError:
        scale = width / camera.width
        params = list(camera.params)
        params[0] *= scale
        params[1] *= scale
        params[2] *= height / camera.height
        return Camera(camera.model, width, height, tuple(params))
