"""Image files: any path, RGB arrays, errors that are raised and not swallowed."""

from pathlib import Path

import cv2
import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.deep_images import Range, stretch


def read_image(path: Path, limits: Range | None = None) -> np.ndarray | None:
    """Read an image of a user as [H, W, 3] uint8 RGB, turned upright by its EXIF orientation; None
    where it does not decode. Of one with more than 8 bits `limits` become black and white."""
    if limits is None:
        return _decoded(path, cv2.IMREAD_COLOR)
    image = read_deep_image(path)
    return None if image is None else stretch(image, limits)


def read_deep_image(path: Path) -> np.ndarray | None:
    """Read an image of a user with the numbers that it has, [H, W] or RGB [H, W, 3], upright; None
    where it does not decode."""
    return _decoded(path, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)


def _decoded(path: Path, flags: int) -> np.ndarray | None:
    try:
        data = np.fromfile(path, np.uint8)  # cv2.imread cannot open every name on every system
        image = cv2.imdecode(data, flags) if data.size else None
    except (OSError, cv2.error):
        return None
    return image if image is None or image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])


def read_frame(path: Path) -> np.ndarray:
    """Read an image that this project wrote as [H, W, 3] uint8 RGB.

    Raises:
        SceneError: if the file is missing or damaged.
    """
    bgr = decode(path, cv2.IMREAD_COLOR, "Frame", "frame_extraction")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def decode(path: Path, flags: int, kind: str, step: str) -> np.ndarray:
    """An image as OpenCV gives it; the `step` that makes this `kind` of file stands in the error.

    Raises:
        SceneError: if the file is missing or damaged.
    """
    try:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, flags) if data.size else None
    except (OSError, cv2.error) as error:
        raise SceneError(
            f"{kind} {path} cannot be read ({error}); run {step} for this scene again."
        ) from error
    if image is None:
        raise SceneError(
            f"{kind} {path} is damaged; delete it and run {step} for this scene again."
        )
    return np.asarray(image)


def write_jpeg(path: Path, image_HW3: np.ndarray, quality: int) -> None:
    """Write an RGB image as JPEG.

    Raises:
        OSError: where the file cannot be written (cv2.imwrite would only return False).
    """
    bgr = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGR)
    path.write_bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


def fit_width(width: int, height: int, max_width: int) -> tuple[int, int]:
    """The size after scaling down to at most `max_width`, in even numbers so that halving and
    chroma stay aligned."""
    if width <= max_width:
        return width, height
    new_width = max_width // 2 * 2
    return new_width, max(2, round(height * new_width / width / 2) * 2)


def scale_down(image_HW3: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize with area interpolation, the one that does not alias when images shrink."""
    if image_HW3.shape[:2] == (height, width):
        return image_HW3
    return cv2.resize(image_HW3, (width, height), interpolation=cv2.INTER_AREA)
