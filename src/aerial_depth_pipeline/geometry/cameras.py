"""Cameras with COLMAP's model names and parameter order, and what resizing, cropping and flipping
do to them."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Matrix = TypeVar("Matrix", np.ndarray, "torch.Tensor")

# Positions of fx, fy, cx, cy in COLMAP's parameter order; distortion parameters follow.
_INTRINSICS_OF_MODEL = {
    "SIMPLE_PINHOLE": (0, 0, 1, 2, 3),
    "PINHOLE": (0, 1, 2, 3, 4),
    "SIMPLE_RADIAL": (0, 0, 1, 2, 4),
    "RADIAL": (0, 0, 1, 2, 5),
    "OPENCV": (0, 1, 2, 3, 8),
    "FULL_OPENCV": (0, 1, 2, 3, 12),
    "OPENCV_FISHEYE": (0, 1, 2, 3, 8),
    "SIMPLE_RADIAL_FISHEYE": (0, 0, 1, 2, 4),
    "RADIAL_FISHEYE": (0, 0, 1, 2, 5),
}


@dataclass(frozen=True)
class Camera:
    """A camera in COLMAP's terms.

    Raises:
        ValueError: for an unknown model, a wrong number of parameters, or a size or focal length
            that is not positive.
    """

    model: str  # COLMAP's name, e.g. `PINHOLE`, `SIMPLE_RADIAL`, `OPENCV`
    width: int  # pixels
    height: int
    params: tuple[float, ...]  # in COLMAP's order, focal lengths and principal point in pixels

    def __post_init__(self) -> None:
        if self.model not in _INTRINSICS_OF_MODEL:
            models = ", ".join(_INTRINSICS_OF_MODEL)
            raise ValueError(f"unknown camera model '{self.model}'; known are {models}")
        object.__setattr__(self, "params", tuple(float(p) for p in self.params))
        fx, fy, _, _, count = _INTRINSICS_OF_MODEL[self.model]
        if len(self.params) != count:
            raise ValueError(
                f"camera model {self.model} takes {count} parameters, not {len(self.params)}"
            )
        if self.width <= 0 or self.height <= 0 or not (self.params[fx] > 0 and self.params[fy] > 0):
            raise ValueError("camera size and focal length must be positive")
        if not np.all(np.isfinite(self.params)):
            raise ValueError("camera parameters must be finite numbers")

    @classmethod
    def pinhole(cls, width: int, height: int, fx: float, fy: float, cx: float, cy: float) -> Self:
        """An undistorted camera."""
        return cls("PINHOLE", int(width), int(height), (fx, fy, cx, cy))

    @classmethod
    def from_K(cls, K_33: np.ndarray, width: int, height: int) -> Self:
        """An undistorted camera from its calibration matrix."""
        return cls.pinhole(width, height, K_33[0, 0], K_33[1, 1], K_33[0, 2], K_33[1, 2])

    @property
    def K(self) -> np.ndarray:
        """The 3x3 calibration matrix, in pixels, float64. Distortion is not in it."""
        fx, fy, cx, cy, _ = _INTRINSICS_OF_MODEL[self.model]
        p = self.params
        return np.array([[p[fx], 0.0, p[cx]], [0.0, p[fy], p[cy]], [0.0, 0.0, 1.0]])

    @property
    def is_distorted(self) -> bool:
        """Whether a distortion parameter is other than zero."""
        *_, cy, _ = _INTRINSICS_OF_MODEL[self.model]
        return self.model.endswith("FISHEYE") or any(p != 0 for p in self.params[cy + 1 :])

    def resized(self, width: int, height: int) -> Self:
        """The camera of the image resized to `width` x `height`.

        Raises:
            ValueError: where a model with one focal length would need two.
        """
        K = scale_K(self.K, width / self.width, height / self.height)
        fx, fy, cx, cy, _ = _INTRINSICS_OF_MODEL[self.model]
        if fx == fy and not np.isclose(K[0, 0], K[1, 1], rtol=1e-9):
            message = f"{self.model} has one focal length; x and y cannot be scaled differently"
            raise ValueError(message)
        params = list(self.params)
        params[fy], params[fx], params[cx], params[cy] = K[1, 1], K[0, 0], K[0, 2], K[1, 2]
        return replace(self, width=int(width), height=int(height), params=tuple(params))


def scale_K(K: Matrix, sx: float, sy: float) -> Matrix:
    """K [..., 3, 3] after resizing the image by (sx, sy)."""
    scaled = _copy(K)
    scaled[..., 0, :] *= sx
    scaled[..., 1, :] *= sy
    return scaled


def flip_K(K: Matrix, width: float) -> Matrix:
    """K [..., 3, 3] of the horizontally flipped image: cx becomes width - cx."""
    flipped = _copy(K)
    flipped[..., 0, 2] = width - flipped[..., 0, 2]
    return flipped


def _copy(K: Matrix) -> Matrix:
    return K.copy() if isinstance(K, np.ndarray) else K.clone()
