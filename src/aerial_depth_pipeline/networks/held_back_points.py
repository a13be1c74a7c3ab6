"""What points that are held back tell of a flight: how much of what a network adds to the surface
through the others is kept, and how wrong depth is.

A network that starts from a surface multiplies it by a factor in each pixel. On ground unlike that
of its training the factor does harm as often as good, and the flight's points tell which.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from aerial_depth_pipeline.geometry.surface import (
    FEWEST_POINTS,
    LARGEST_ERROR,
    NEAR,
    FramePoints,
    has_points,
    start_of,
)
from aerial_depth_pipeline.networks.depth_model import DepthModel

FRAMES = 12
"""So many of a flight's frames are enough."""
_WEIGHTS = np.linspace(0, 1, 5)
_COVERED = 0.68
_CERTAIN = 1.5  # standard deviations
# Of the flights of docs/training.md: where the distance to a point, in widths, doubles the square
# of the error, and the error of poses, which bends all points alike.
_DISTANCE, _BENT = 0.02, 0.015


@dataclass(frozen=True)
class HeldBackPoints:
    """What they tell.

    Attributes:
        weight: share of the logarithm of the network's factor, from 0 to 1, with the least error; 0
            unless that is certainly less than the surface's.
        error: relative error of depth at a point, which 68 % are within; None where no point tells.
    """

    weight: float = 1.0
    error: float | None = None


def look_at_points(
    model: DepthModel, frames: Iterable[tuple[FramePoints, np.ndarray, np.ndarray]]
) -> HeldBackPoints:
    """Hold a fifth of the points of some frames back, predict from the others and compare.

    Args:
        model: starts from points.
        frames: points, image [H, W, 3] and slope [2] of level ground of some frames of a flight.
    """
    errors_NW, growths_N = [], []
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
        errors_NW.append(np.abs(error_N[:, None] + residual_N[:, None] * _WEIGHTS))
        growths_N.append(_growth(start_2HW[1][place]))
    if not errors_NW:
        return HeldBackPoints()
    best = _best(np.array([np.minimum(each, LARGEST_ERROR).mean(0) for each in errors_NW]))
    error_N = np.concatenate(errors_NW)[:, best]
    within = float(np.quantile(error_N / np.concatenate(growths_N), _COVERED))
    return HeldBackPoints(float(_WEIGHTS[best]), within)


def _best(error_FW: np.ndarray) -> int:
    """Which weight has the least error over the frames, the first unless it is certainly less."""
    best = int(error_FW.mean(0).argmin())
    gain_F = error_FW[:, 0] - error_FW[:, best]
    doubt = gain_F.std(ddof=1) / len(gain_F) ** 0.5 if len(gain_F) > 1 else 0.0
    return best if gain_F.mean() > _CERTAIN * doubt else 0


def weighted(depth_BHW: np.ndarray, start_B2HW: np.ndarray, weight: float) -> np.ndarray:
    """Depth [B, H, W] with this share of what the network adds; as it is in frames without points.

    Args:
        depth_BHW: as predicted.
        start_B2HW: what the network started from (`geometry.surface.start_of`), of the same size.
    """
    if weight == 1:
        return depth_BHW
    known_B11 = has_points(start_B2HW)[:, None, None]
    surface_BHW = 1 / np.where(known_B11, start_B2HW[:, 0], 1 / depth_BHW)
    return (surface_BHW * (depth_BHW / surface_BHW) ** weight).astype(np.float32)


def expected_error(start_2HW: np.ndarray, error: float | None) -> np.ndarray | None:
    """Relative error of depth [H, W] that about 68 % of the pixels are within: that at points,
    growing with the distance to the nearest one. None for a frame without points, or where the
    error at points is not known."""
    if error is None or not has_points(start_2HW[None])[0]:
        return None
    return np.hypot(error * _growth(start_2HW[1]), _BENT).astype(np.float32)


def _growth(nearness: np.ndarray) -> np.ndarray:
    distance = -NEAR * np.log(np.maximum(nearness, 1e-6))
    return np.hypot(1, distance / _DISTANCE)
