"""Depth maps: float32 TIFF, deflate-compressed, 0 = no depth; known depth also as 16-bit PNG."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.images import decode

_LARGEST_UINT16 = 65535
# Differences of floating-point numbers: a third faster, and smaller.
_PREDICTOR = {TiffImagePlugin.PREDICTOR: 3}


def write_depth(path: Path, depth_HW: np.ndarray) -> None:
    """Write z-depth as float32 TIFF.

    Raises:
        ValueError: if a value is negative or not finite: no such depth may reach the disk.
        OSError: where the file cannot be written.
    """
    depth = np.ascontiguousarray(depth_HW, np.float32)
    if not np.isfinite(depth).all() or (depth < 0).any():
        raise ValueError(f"{path.name}: depth must be finite and not negative")
    encoded = io.BytesIO()  # libtiff's own writing does not say that a disk is full
    image = Image.fromarray(depth)
    image.save(encoded, format="TIFF", compression="tiff_adobe_deflate", tiffinfo=_PREDICTOR)
    path.write_bytes(encoded.getvalue())


def read_depth(path: Path) -> np.ndarray:
    """A depth map [H, W] that this project wrote, float32; NaN, infinite and negative values are 0.

    Raises:
        SceneError: if the file is missing, damaged or not a depth map of one channel.
    """
    depth = decode(path, cv2.IMREAD_UNCHANGED, "Depth map", "ground_truth")
    if depth.ndim != 2:
        raise SceneError(
            f"Depth map {path} has {depth.ndim} dimensions; a depth map has one channel of float32."
        )
    return _usable(depth.astype(np.float32))


def read_known_depth(path: Path) -> np.ndarray:
    """Known depth that came with footage, [H, W] float32 metres, 0 = none: PNG in centimetres
    (uint16) or TIFF in metres (float32).

    Raises:
        SceneError: where the file is not one of the two.
    """
    data = np.fromfile(path, np.uint8)
    depth = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if depth is None or depth.ndim != 2:
        raise SceneError(
            f"{path} is not a depth map of one channel; write it as 16-bit PNG in centimetres or"
            " 32-bit float TIFF in metres."
        )
    if path.suffix.lower() != ".png":
        return _usable(depth.astype(np.float32))
    if depth.dtype != np.uint16:
        raise SceneError(
            f"{path} has {depth.dtype} pixels; depth as PNG is 16-bit, in centimetres."
        )
    return depth.astype(np.float32) / 100


def write_depth_png(path: Path, depth_HW: np.ndarray, step: float) -> None:
    """Write depth as 16-bit PNG in units of `step`; what is farther than it can hold gets its
    largest value."""
    steps = np.clip(np.rint(depth_HW / step), 1, _LARGEST_UINT16).astype(np.uint16)
    path.write_bytes(cv2.imencode(".png", steps)[1].tobytes())


def _usable(depth_HW: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(depth_HW) & (depth_HW > 0), depth_HW, np.float32(0))
