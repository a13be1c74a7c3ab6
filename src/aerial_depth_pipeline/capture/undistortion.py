"""Taking lens distortion out of images once, with the crop that leaves no black border."""

from dataclasses import dataclass

import cv2
import numpy as np

from aerial_depth_pipeline.geometry.cameras import Camera


@dataclass(frozen=True)
class Undistortion:
    """From a distorted camera to a pinhole camera."""

    camera: Camera  # of the result
    x_HW: np.ndarray  # for each pixel of the result its place in the distorted image, in COLMAP's
    y_HW: np.ndarray  # pixels, float32
    source_width: int  # of the distorted image
    source_height: int

    @property
    def moves_pixels(self) -> bool:
        """Whether undistortion changes anything: a pinhole camera's pixels stay where they are."""
        return (
            (self.camera.width, self.camera.height) != (self.source_width, self.source_height)
            or abs(self.x_HW[0, 0] - 0.5) >= 1e-3
            or abs(self.y_HW[-1, -1] - self.source_height + 0.5) >= 1e-3
        )

    def image(self, image_HW3: np.ndarray) -> np.ndarray:
        """The undistorted image, bilinear."""
        # OpenCV's first pixel has its centre at 0, COLMAP's at 0.5. Replication fills the half
        # pixel outside of the outermost centres.
        x, y, border = self.x_HW - 0.5, self.y_HW - 0.5, cv2.BORDER_REPLICATE
        return cv2.remap(image_HW3, x, y, cv2.INTER_LINEAR, borderMode=border)

    def depth(self, depth_HW: np.ndarray) -> np.ndarray:
        """Undistorted z-depth, from the nearest pixel; `depth_HW` may have any size that covers the
        same view. 0 outside of it."""
        height, width = depth_HW.shape
        column = np.floor(self.x_HW * (width / self.source_width)).astype(np.int64)
        row = np.floor(self.y_HW * (height / self.source_height)).astype(np.int64)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        depth = depth_HW[row.clip(0, height - 1), column.clip(0, width - 1)]
        return np.where(inside, depth, 0).astype(np.float32)


def plan_undistortion(camera: Camera) -> Undistortion:
    """Find the largest pinhole image, of the same focal length and no larger than the original,
    that is filled everywhere.

    Raises:
        ValueError: where the distortion folds the image over itself or sees behind the camera.
    """
    K, bends = camera.K, camera.is_distorted
    size = camera.width, camera.height
    pinhole = _inner_pinhole(camera) if bends else Camera.from_K(K, *size)
    columns, rows = np.meshgrid(np.arange(pinhole.width) + 0.5, np.arange(pinhole.height) + 0.5)
    if bends:
        fx, fy, cx, cy = pinhole.params
        x, y = distort(camera, (columns - cx) / fx, (rows - cy) / fy)
        columns, rows = K[0, 0] * x + K[0, 2], K[1, 1] * y + K[1, 2]
    return Undistortion(pinhole, columns.astype(np.float32), rows.astype(np.float32), *size)


def _inner_pinhole(camera: Camera) -> Camera:
    left, top, right, bottom = _inner_rectangle(camera)
    fx, fy = camera.K[0, 0], camera.K[1, 1]
    # The border of the original is rarely wider than the original itself, but where it is, no
    # pixels are invented.
    fits = camera.width / ((right - left) * fx), camera.height / ((bottom - top) * fy)
    shrink = min(1.0, *fits)
    fx, fy = fx * shrink, fy * shrink
    width, height = int((right - left) * fx) // 2 * 2, int((bottom - top) * fy) // 2 * 2
    if width < 32 or height < 32:
        raise ValueError("the distortion leaves no rectangle without a black border")
    return Camera.pinhole(width, height, fx, fy, -left * fx, -top * fy)


def _inner_rectangle(camera: Camera) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, on the plane at depth 1, of a rectangle inside of the
    undistorted border."""
    K, zero = camera.K, np.zeros(200)
    along_x, along_y = (np.linspace(0, length, 200) for length in (camera.width, camera.height))

    def plane(columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return undistort(camera, (columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1])

    left, right = plane(zero, along_y)[0].max(), plane(zero + camera.width, along_y)[0].min()
    top, bottom = plane(along_x, zero)[1].max(), plane(along_x, zero + camera.height)[1].min()
    if not (left < right and top < bottom):
        raise ValueError("the distortion leaves no rectangle without a black border")
    return left, top, right, bottom


def distort(camera: Camera, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the lens puts points of the plane at depth 1, on that plane (COLMAP's models)."""
    model, p = camera.model, camera.params
    if model in ("SIMPLE_PINHOLE", "PINHOLE"):
        return x, y
    if model.endswith("FISHEYE"):
        k = p[4:8] if model == "OPENCV_FISHEYE" else p[3:]
        radius = np.hypot(x, y)
        angle = np.arctan(radius)
        square = angle**2
        powers = sum(coefficient * square ** (n + 1) for n, coefficient in enumerate(k))
        factor = np.where(radius > 1e-9, angle * (1 + powers) / np.maximum(radius, 1e-9), 1.0)
        return x * factor, y * factor
    coefficients = p[3:] if model in ("SIMPLE_RADIAL", "RADIAL") else p[4:]
    k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, *[0.0] * 8)[:8]
    square, across = x * x + y * y, x * y
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    radial = radial / (1 + square * (k4 + square * (k5 + square * k6)))
    x_bent = x * radial + 2 * p1 * across + p2 * (square + 2 * x * x)
    y_bent = y * radial + 2 * p2 * across + p1 * (square + 2 * y * y)
    return x_bent, y_bent


def undistort(camera: Camera, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `distort`, by Newton's method with numerical derivatives.

    Raises:
        ValueError: where no point of the plane at depth 1 is seen there.
    """
    u, v, step = np.array(x, float), np.array(y, float), 1e-6
    for _ in range(50):
        at_x, at_y = distort(camera, u, v)
        error_x, error_y = at_x - x, at_y - y
        du_x, du_y = distort(camera, u + step, v)
        dv_x, dv_y = distort(camera, u, v + step)
        a, c = (du_x - at_x) / step, (du_y - at_y) / step
        b, d = (dv_x - at_x) / step, (dv_y - at_y) / step
        determinant = a * d - b * c
        if not np.all(determinant > 1e-9):
            raise ValueError("the distortion folds the image over itself")
        u = u - (d * error_x - b * error_y) / determinant
        v = v - (a * error_y - c * error_x) / determinant
        if max(np.abs(error_x).max(), np.abs(error_y).max()) < 1e-10:
            return u, v
    raise ValueError("the distortion cannot be inverted up to the image's border")
