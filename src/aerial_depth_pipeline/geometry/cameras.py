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

    Attributes:
        model: COLMAP's model name, e.g. `PINHOLE`, `SIMPLE_RADIAL`, `OPENCV`.
        width, height: image size in pixels.
        params: parameters in COLMAP's order, focal lengths and principal point in pixels.

    Raises:
        ValueError: for an unknown model, a wrong number of parameters, or a size or focal length
            that is not positive.
    """

    model: str
    width: int
    height: int
    params: tuple[float, ...]

    def __post_init__(self) -> None:
        models = ", ".join(_INTRINSICS_OF_MODEL)
        if self.model not in _INTRINSICS_OF_MODEL:
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
        if self.model.endswith("FISHEYE"):
            return True
        *_, cy, _ = _INTRINSICS_OF_MODEL[self.model]
        return any(p != 0 for p in self.params[cy + 1 :])

    def _with_K(self, K_33: np.ndarray, width: int, height: int) -> Self:
        fx, fy, cx, cy, _ = _INTRINSICS_OF_MODEL[self.model]
        if fx == fy and not np.isclose(K_33[0, 0], K_33[1, 1], rtol=1e-9):
            message = f"{self.model} has one focal length; x and y cannot be scaled differently"
            raise ValueError(message)
        params = list(self.params)
        params[fy], params[fx] = K_33[1, 1], K_33[0, 0]
        params[cx], params[cy] = K_33[0, 2], K_33[1, 2]
        return replace(self, width=int(width), height=int(height), params=tuple(params))

    def resized(self, width: int, height: int) -> Self:
        """The camera of the image resized to `width` x `height`."""
        K = scale_K(self.K, width / self.width, height / self.height)
        return self._with_K(K, width, height)

    def cropped(self, left: float, top: float, width: int, height: int) -> Self:
        """The camera of the crop whose corner is pixel (left, top)."""
        return self._with_K(crop_K(self.K, left, top), width, height)

    def flipped(self) -> Self:
        """The camera of the horizontally flipped image."""
        return self._with_K(flip_K(self.K, self.width), self.width, self.height)


def scale_K(K: Matrix, sx: float, sy: float) -> Matrix:
    """K [..., 3, 3] after resizing the image by (sx, sy): the first row times sx, the second times
    sy."""
    scaled = _copy(K)
    scaled[..., 0, :] *= sx
    scaled[..., 1, :] *= sy
    return scaled


def crop_K(K: Matrix, left: float, top: float) -> Matrix:
    """K [..., 3, 3] of the crop whose corner is pixel (left, top)."""
    cropped = _copy(K)
    cropped[..., 0, 2] -= left
    cropped[..., 1, 2] -= top
    return cropped


def flip_K(K: Matrix, width: float) -> Matrix:
    """K [..., 3, 3] of the horizontally flipped image: cx becomes width - cx."""
    flipped = _copy(K)
    flipped[..., 0, 2] = width - flipped[..., 0, 2]
    return flipped


def _copy(K: Matrix) -> Matrix:
    return K.copy() if isinstance(K, np.ndarray) else K.clone()
