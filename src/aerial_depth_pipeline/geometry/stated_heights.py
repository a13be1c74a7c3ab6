"""Whether metres that come from positions contradict stated heights above the place of
departure."""

import numpy as np

LOWEST = 5.0  # metres; below, the barometer's error is larger than the height
_MARGIN, _LEAST_MARGIN = 0.4, 10.0  # share of the height, metres
_CLIMB, _CLIMB_SHARE = 8.0, 0.2  # metres, share of the height: what counts as one
_CLIMBS = 0.6, 1.67  # by what factor two measured climbs may differ


def ground_contradicts(ground_M: np.ndarray, height_N: np.ndarray) -> bool:
    """Whether the place of departure lies far above or below all of the ground that is seen.

    Args:
        ground_M: levels of the ground in metres above the place of departure.
        height_N: stated heights of the cameras above it, NaN where unknown.
    """
    height = _usual(height_N)
    if not height >= LOWEST or not len(ground_M):  # also for NaN
        return False
    low, high = np.percentile(ground_M, [5, 95])
    margin = max(_LEAST_MARGIN, _MARGIN * height)
    return bool(low > margin or high < -margin)


def climb_contradicts(up_N: np.ndarray, height_N: np.ndarray) -> bool:
    """Whether cameras of a model climb by another factor than the stated heights, where these
    change.

    Args:
        up_N: heights of the cameras in the model, metres.
        height_N: the stated ones, NaN where unknown.
    """
    known = np.isfinite(height_N)
    if known.sum() < 3:
        return False
    stated, up = height_N[known], up_N[known]
    range_m = float(np.subtract(*np.percentile(stated, [95, 5])))
    if range_m < max(_CLIMB, _CLIMB_SHARE * _usual(height_N)):
        return False
    offset = stated - stated.mean()
    factor = float(offset @ (up - up.mean()) / (offset @ offset))
    return not _CLIMBS[0] <= factor <= _CLIMBS[1]


def _usual(height_N: np.ndarray) -> float:
    known = height_N[np.isfinite(height_N)]
    return float(np.median(known)) if len(known) else float("nan")
