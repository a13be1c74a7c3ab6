"""How much of what a network adds to the surface through a flight's own points is kept, told by
points that are held back from it.

A network that starts from a surface multiplies it by a factor in each pixel. On ground unlike that
of its training the factor does harm as often as good, and the flight's points tell which.
"""

from collections.abc import Iterable

import numpy as np

from aerial_depth_pipeline.geometry.surface import (
    FEWEST_POINTS,
    LARGEST_ERROR,
    FramePoints,
    start_of,
)
from aerial_depth_pipeline.networks.depth_model import DepthModel

FRAMES = 12
"""So many of a flight's frames are enough."""
_WEIGHTS = np.linspace(0, 1, 5)


def residual_weight(
    model: DepthModel, frames: Iterable[tuple[FramePoints, np.ndarray, np.ndarray]]
) -> float:
    """The share of the logarithm of the factor, from 0 to 1, with the least error at points that
    are held back; 1 without any.

    Args:
        model: starts from points.
        frames: points, image [H, W, 3] and slope [2] of level ground of some frames of a flight.
    """
    errors_N5 = [np.zeros((0, len(_WEIGHTS)))]
    for points, image_HW3, slope_2 in frames:
        shown, held = points.hold_back()
        if len(shown.inverse_N) < FEWEST_POINTS:
            continue
        start_2HW = start_of(shown, image_HW3, slope_2)
        depth_HW = model(image_HW3, slope_2, start_2HW)
        column_N, row_N = held.pixels_N2.T.astype(int)
        place = row_N.clip(0, len(depth_HW) - 1), column_N.clip(0, depth_HW.shape[1] - 1)
        surface_N = np.log(start_2HW[0][place])
        residual_N = -np.log(depth_HW[place]) - surface_N
        error_N = surface_N - np.log(held.inverse_N)
        errors_N5.append(np.abs(error_N[:, None] + residual_N[:, None] * _WEIGHTS))
    error_N5 = np.concatenate(errors_N5)
    if not len(error_N5):
        return 1.0
    return float(_WEIGHTS[np.minimum(error_N5, LARGEST_ERROR).mean(0).argmin()])


def weighted(depth_BHW: np.ndarray, start_B2HW: np.ndarray, weight: float) -> np.ndarray:
    """Depth [B, H, W] with this share of the residual; as it is in frames without points.

    Args:
        depth_BHW: as predicted.
        start_B2HW: what the network started from (`geometry.surface.start_of`), of the same size.
    """
    inverse_BHW, nearness_BHW = start_B2HW[:, 0], start_B2HW[:, 1]
    has_points_B11 = nearness_BHW.max((1, 2), keepdims=True) > 0
    surface_BHW = 1 / np.where(has_points_B11, inverse_BHW, 1 / depth_BHW)
    return (surface_BHW * (depth_BHW / surface_BHW) ** weight).astype(np.float32)
