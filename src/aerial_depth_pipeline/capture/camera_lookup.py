"""Which camera took the frames: camera.yaml, the source itself, EXIF, or self-calibration."""

import logging
from pathlib import Path

from aerial_depth_pipeline.capture.sources.source import Source
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.cameras import read_camera
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.cameras import Camera

logger = logging.getLogger(__name__)

_ASPECT_TOLERANCE = 0.01


def look_up_camera(folder: Path, source: Source, choice: str) -> tuple[Camera, str] | None:
    """The camera at the source's size and its origin; None where self-calibration has to find it.

    `folder` is where a camera.yaml may lie, `choice` `auto`, `file`, `exif` or `self_calibration`.

    Raises:
        SceneError: where camera.yaml is damaged or for an image of another shape, or where the
            camera asked for is not there.
    """
    if choice == "self_calibration":
        return None
    path = SceneFolder(folder).camera_file
    if choice in ("auto", "file") and (path.is_file() or path.is_symlink()):
        try:
            camera = read_camera(path)
        except (ValueError, OSError) as error:
            reason = " ".join(str(error).split())  # parsers draw over several lines
            raise SceneError(
                f"{reason} Mend it or remove it; without it the camera is calibrated from the"
                " frames."
            ) from error
        return _fit(camera, source, path), "camera.yaml"
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


def _fit(camera: Camera, source: Source, path: Path) -> Camera:
    """The camera rescaled to the source's size; an error for another shape, since it is not known
    what was cropped."""
    width, height = source.width, source.height
    has_two_focals = camera.K[0, 0] != camera.K[1, 1]
    if (camera.width, camera.height) == source.stored_size and has_two_focals:
        return camera.resized(width, height)
    if (camera.width, camera.height) == (width, height):
        return camera
    of_file = f"{path} is for {camera.width}x{camera.height}"
    if abs(camera.width / camera.height / (width / height) - 1) > _ASPECT_TOLERANCE:
        raise SceneError(
            f"{of_file}, but the images are {width}x{height}, another shape; write a camera for"
            " this size, or remove the file so that the camera is calibrated from the frames."
        )
    logger.info("%s and is rescaled to %dx%d.", of_file, width, height)
    return resize_camera(camera, width, height)


def resize_camera(camera: Camera, width: int, height: int) -> Camera:
    """The camera of the resized image. Models with one focal length keep it one: rounding a size to
    whole pixels is no anisotropy."""
    try:
        return camera.resized(width, height)
    except ValueError:
        scale = width / camera.width
        focal, cx, cy, *distortion = camera.params
        params = (focal * scale, cx * scale, cy * (height / camera.height), *distortion)
        return Camera(camera.model, width, height, params)
