"""Colour maps of depth and errors."""

from functools import cache

import matplotlib
import numpy as np

MISSING = np.array([58, 58, 62], np.uint8)
"""Grey of pixels without a value."""


def colour_map(values: np.ndarray, low: float, high: float, name: str = "plasma") -> np.ndarray:
    """Colours [..., 3] uint8 RGB of values [...] between `low` (dark) and `high` (bright)."""
    level = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return _table(name)[np.minimum((level * 256).astype(np.intp), 255)]


def plasma(depth_HW: np.ndarray, near: float, far: float) -> np.ndarray:
    """Inverse depth in plasma colours [H, W, 3] uint8: `near` bright, `far` dark, grey where there
    is no depth."""
    usable = np.isfinite(depth_HW) & (depth_HW > 0)
    inverse_HW = np.divide(1, depth_HW, out=np.zeros(depth_HW.shape, np.float32), where=usable)
    image = colour_map(inverse_HW, 1 / far, 1 / near)
    image[~usable] = MISSING
    return image


def depth_range(
    depths: np.ndarray, percentiles: tuple[float, float] = (2, 98), least: float = 1.001
) -> tuple[float, float]:
    """Near and far end of a colour scale: percentiles of the depths that are there; a little around
    them where they are closer than a factor of `least`."""
    depths = depths[np.isfinite(depths) & (depths > 0)]
    if not len(depths):
        return 1.0, 2.0
    near, far = (float(value) for value in np.percentile(depths, percentiles))
    return (near, far) if far > near * least else (near * 0.95, far * 1.05)


@cache
def _table(name: str) -> np.ndarray:
    shares = matplotlib.colormaps[name](np.arange(256))
    return (shares[:, :3] * 255).round().astype(np.uint8)
