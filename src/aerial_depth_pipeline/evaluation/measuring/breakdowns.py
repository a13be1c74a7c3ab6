"""Errors by distance, image row, height above ground, at depth edges, without texture: sums over
pixels, gathered frame by frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.measuring.depth_alignment import median
from aerial_depth_pipeline.evaluation.method_table import DENSE_CONVENTIONAL, METHOD
from aerial_depth_pipeline.evaluation.methods.method import Frame

COLUMNS = [METHOD, "domain", "alignment", "breakdown", "bin", "start", "end"]
COLUMNS += ["pixels", "abs_rel", "l1_abs", "delta_1.25"]
_PIXELS = 20_000

_EDGE_STEP = 0.05
_EDGE_REACH = 1
_TEXTURE_WINDOW = 15
_TEXTURE_CONTRAST = 3.0
_GROUND_CELL = 12.0
_GROUND_WINDOW = 5
_HEIGHT_EDGES = np.array([1.0, 3.0, 6.0, 10.0, 20.0, 40.0])
_ROWS = 16
_LOG_RATIO_LIMIT, _LOG_RATIO_BINS = 1.0, 100
_NEIGHBOURS = (  # along rows, along columns
    (np.s_[:, :-2], np.s_[:, 1:-1], np.s_[:, 2:]),
    (np.s_[:-2], np.s_[1:-1], np.s_[2:]),
)

Sums = dict[tuple[str, str], np.ndarray]
"""(method, breakdown) → [bins, 4]: pixels, sum of relative errors, sum of errors in metres, pixels
with δ<1.25."""


@dataclass(frozen=True)
class Breakdown:
    """One way to divide pixels: `label(i)` gives a bin's name, `bounds(i)` its limits (NaN where it
    has none)."""

    bins: int
    label: Callable[[int], str]
    bounds: Callable[[int], tuple[float, float]]


def _log_bounds(per_octave: int, lowest: int) -> Callable[[int], tuple[float, float]]:
    return lambda i: (2 ** ((i + lowest) / per_octave), 2 ** ((i + 1 + lowest) / per_octave))


def _log_breakdown(per_octave: int, low: int, high: int, unit: str) -> Breakdown:
    """Bins of equal ratio between 2^low and 2^high."""
    bounds = _log_bounds(per_octave, low * per_octave)
    return Breakdown(
        (high - low) * per_octave,
        lambda i: f"{_short(bounds(i)[0])}–{_short(bounds(i)[1])}{unit}",
        bounds,
    )


def _short(length: float) -> str:
    return f"{length:.0f}" if length >= 10 else f"{length:.2g}"


def _height_bounds(i: int) -> tuple[float, float]:
    edges = [-np.inf, *_HEIGHT_EDGES, np.inf]
    return float(edges[i]), float(edges[i + 1])


def _height_label(i: int) -> str:
    low, high = _height_bounds(i)
    return (
        f"below {high:g} m"
        if i == 0
        else f"above {low:g} m"
        if np.isinf(high)
        else f"{low:g}–{high:g} m"
    )


def _named(*names: str) -> Breakdown:
    return Breakdown(len(names), lambda i: names[i], lambda i: (float("nan"), float("nan")))


def _log_ratio_bounds(i: int) -> tuple[float, float]:
    width = 2 * _LOG_RATIO_LIMIT / _LOG_RATIO_BINS
    return -_LOG_RATIO_LIMIT + i * width, -_LOG_RATIO_LIMIT + (i + 1) * width


BREAKDOWNS: Mapping[str, Breakdown] = {
    "distance": _log_breakdown(2, -3, 14, " m"),
    "relative_distance": _log_breakdown(4, -3, 3, " × median"),
    "image_row": Breakdown(
        _ROWS,
        lambda i: f"{i / _ROWS:.2f}–{(i + 1) / _ROWS:.2f}",
        lambda i: (i / _ROWS, (i + 1) / _ROWS),
    ),
    "height_above_ground": Breakdown(len(_HEIGHT_EDGES) + 1, _height_label, _height_bounds),
    "surface": _named("continuous", "depth edge"),
    "texture": _named("textured", "textureless"),
    **{
        f"matching_{name}": _named(f"{name} has depth", f"{name} has none")
        for name in DENSE_CONVENTIONAL
    },
    "log_ratio": Breakdown(
        _LOG_RATIO_BINS, lambda i: f"{_log_ratio_bounds(i)[0]:+.2f}", _log_ratio_bounds
    ),
}


def pixel_groups(
    frame: Frame,
    K_33: np.ndarray | None = None,
    cam_from_world: np.ndarray | None = None,
    matched: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """The bin of each looked-at pixel in every breakdown that the frame allows: name → int16 [h,
    w], -1 outside.

    Args:
        frame: image and reference.
        K_33: intrinsics at the frame's size, for heights.
        cam_from_world: pose in a level world in metres (z up), for heights.
        matched: where conventional methods have depth [H, W], by their names.
    """
    depth_HW = frame.depth
    stride = stride_of(depth_HW.shape)
    part_hw = np.ascontiguousarray(looked_at(depth_HW))
    known_hw = part_hw > 0
    log_hw = np.log2(np.where(known_hw, part_hw, 1))
    groups = {
        "relative_distance": _log_bins(
            log_hw - np.float32(np.log2(median(part_hw[known_hw]))), 4, "relative_distance", -3
        ),
        "image_row": np.broadcast_to(_rows(part_hw.shape[0])[:, None], part_hw.shape),
        "surface": looked_at(depth_edges(depth_HW)).astype(np.int16),
    }
    if frame.reference.metric:
        groups["distance"] = _log_bins(log_hw, 2, "distance", -3)
        if K_33 is not None and cam_from_world is not None:
            height_hw = height_above_ground(part_hw, K_33, cam_from_world, stride)
            groups["height_above_ground"] = np.where(
                np.isfinite(height_hw), np.digitize(np.nan_to_num(height_hw), _HEIGHT_EDGES), -1
            ).astype(np.int16)
    image = frame.image
    if image.shape[:2] == depth_HW.shape:
        groups["texture"] = looked_at(textureless(image)).astype(np.int16)
    for name, matched_HW in (matched or {}).items():
        groups[f"matching_{name}"] = np.where(looked_at(matched_HW), 0, 1).astype(np.int16)
    return groups


def sums_of(
    groups: Mapping[str, np.ndarray],
    reference_hw: np.ndarray,
    prediction_hw: np.ndarray,
    metric: bool,
) -> dict[str, np.ndarray]:
    """Sums of one prediction in every breakdown: name → [bins, 4].

    Args:
        groups: of `pixel_groups`.
        reference_hw: reference depth of the pixels that are `looked_at`, 0 where there is none.
        prediction_hw: aligned depth of the same pixels, NaN where there is nothing to measure.
        metric: whether errors have a length.
    """
    common_hw = np.isfinite(prediction_hw) & (reference_hw > 0)
    reference_N, prediction_N = reference_hw[common_hw], prediction_hw[common_hw]
    error_N = np.abs(prediction_N - reference_N)
    log_N = np.log(prediction_N / reference_N)
    within_N = (np.abs(log_N) < np.log(1.25)).astype(float)
    relative_N = (error_N / reference_N).astype(
        float
    )  # bincount would convert weights for every breakdown
    width = 2 * _LOG_RATIO_LIMIT / _LOG_RATIO_BINS
    ratio_N = np.clip(np.floor((log_N + _LOG_RATIO_LIMIT) / width), 0, _LOG_RATIO_BINS - 1).astype(
        np.int16
    )
    if not metric:
        error_N = np.full_like(error_N, np.nan)
    error_N = error_N.astype(float)
    result = {}
    for name, bins_N in [
        *((name, group_hw[common_hw]) for name, group_hw in groups.items()),
        ("log_ratio", ratio_N),
    ]:
        shifted_N = bins_N.astype(np.intp) + 1  # bin 0 takes what belongs nowhere
        count = BREAKDOWNS[name].bins + 1
        columns = [
            np.bincount(shifted_N, weights, count)
            for weights in (None, relative_N, error_N, within_N)
        ]
        result[name] = np.stack(columns, 1)[1:].astype(float)
    return result


def add_sums(total: Sums, more: Sums) -> None:
    """Add one frame's sums to the total, in place."""
    for key, sums in more.items():
        total[key] = total[key] + sums if key in total else sums


def breakdown_table(total: Sums, domain: str, alignment: str) -> pd.DataFrame:
    """Means over the pixels of each bin that has any; pixels are pooled over images, so large
    images weigh more than in the main table."""
    rows = []
    for (method, name), sums in total.items():
        breakdown = BREAKDOWNS[name]
        for i in np.flatnonzero(sums[:, 0]):
            pixels, *errors = sums[i]
            key = (method, domain, alignment, name, breakdown.label(int(i)))
            means = (error / pixels for error in errors)
            rows.append((*key, *breakdown.bounds(int(i)), int(pixels), *means))
    return pd.DataFrame(rows, columns=COLUMNS)


def depth_edges(depth_HW: np.ndarray) -> np.ndarray:
    """Pixels [H, W] at, or beside, a step in depth of more than 5 %.

    A step shows in the second difference of inverse depth, which vanishes on every plane however
    steeply it is seen; differences across missing depth do not count.
    """
    inverse = np.divide(
        1, depth_HW, out=np.full(depth_HW.shape, np.nan, np.float32), where=depth_HW > 0
    )
    limit = _EDGE_STEP * inverse
    step = np.zeros(depth_HW.shape, np.uint8)
    with np.errstate(invalid="ignore"):
        for before, middle, after in _NEIGHBOURS:
            bend = inverse[before] + inverse[after]
            bend -= 2 * inverse[middle]
            step[middle] |= np.abs(bend, out=bend) > limit[middle]
    side = 2 * _EDGE_REACH + 1
    return cv2.dilate(step, np.ones((side, side), np.uint8)).astype(bool)


def textureless(image_HW3: np.ndarray) -> np.ndarray:
    """Pixels [H, W] around which the grey values of 15 × 15 pixels have a standard deviation below
    3 of 255: nothing to match."""
    grey = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY)
    window = (_TEXTURE_WINDOW, _TEXTURE_WINDOW)
    mean = cv2.boxFilter(grey, cv2.CV_32F, window)
    variance: Any = cv2.sqrBoxFilter(grey, cv2.CV_32F, window)
    variance -= cv2.multiply(mean, mean)
    return np.asarray(variance < _TEXTURE_CONTRAST**2)


def height_above_ground(
    depth_hw: np.ndarray, K_33: np.ndarray, cam_from_world: np.ndarray, stride: int = 1
) -> np.ndarray:
    """Height [h, w] in metres of each pixel's point above the ground around it, NaN without depth.

    The ground is what is left of the lowest points in cells of 12 m after a morphological opening
    over 5 × 5 cells: it follows slopes and passes below whatever is narrower than about 50 m.

    Args:
        depth_hw: z-depth in metres, every `stride`-th pixel of the image, starting with the first.
        K_33: intrinsics of the whole image.
        cam_from_world: pose [4, 4] in a world whose z axis points up.
        stride: distance of the given pixels in the image.
    """
    v, u = np.nonzero(depth_hw > 0)
    height_hw = np.full(depth_hw.shape, np.nan, np.float32)
    if not len(v):
        return height_hw
    z = depth_hw[v, u].astype(float)
    camera_N3 = np.stack(
        [
            (u * stride + 0.5 - K_33[0, 2]) / K_33[0, 0] * z,
            (v * stride + 0.5 - K_33[1, 2]) / K_33[1, 1] * z,
            z,
        ],
        1,
    )
    world_N3 = (camera_N3 - cam_from_world[:3, 3]) @ cam_from_world[:3, :3]
    cells = np.floor(world_N3[:, :2] / _GROUND_CELL).astype(np.int64)
    cells -= cells.min(0)
    # A horizon would need a raster without end; what lies a kilometre or more beyond the first cell
    # shares the last one.
    cells = np.minimum(cells, 4000)
    shape = cells.max(0) + 1
    flat = cells[:, 0] * shape[1] + cells[:, 1]
    lowest = np.full(int(shape.prod()), np.inf, np.float32)
    order = np.argsort(flat, kind="stable")
    starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
    lowest[flat[order][starts]] = np.minimum.reduceat(world_N3[order, 2], starts)
    raster = lowest.reshape(shape)
    window = np.ones((_GROUND_WINDOW, _GROUND_WINDOW), np.uint8)
    empty = np.float32(3e38)
    eroded = cv2.erode(np.where(np.isinf(raster), empty, raster), window, borderValue=float(empty))
    eroded[np.isinf(raster)] = -empty  # cells without points neither raise nor lower the ground
    ground = cv2.dilate(eroded, window, borderValue=-float(empty)).reshape(-1)
    height_hw[v, u] = world_N3[:, 2] - ground[flat]
    return height_hw


def stride_of(shape: tuple[int, ...]) -> int:
    """Breakdowns look at every n-th pixel of every n-th row: about 20,000 an image are enough for a
    mean and quickly counted."""
    return max(1, round((shape[0] * shape[1] / _PIXELS) ** 0.5))


def looked_at(values_HW: np.ndarray) -> np.ndarray:
    """The pixels [h, w] of an image that breakdowns look at."""
    stride = stride_of(values_HW.shape)
    return values_HW[::stride, ::stride]


def _rows(height: int) -> np.ndarray:
    return (np.arange(height) * _ROWS // height).astype(np.int16)


def _log_bins(log_hw: np.ndarray, per_octave: int, name: str, low: int) -> np.ndarray:
    bins = np.floor(log_hw * per_octave).astype(np.int16) - low * per_octave
    return np.where((bins >= 0) & (bins < BREAKDOWNS[name].bins), bins, -1).astype(np.int16)
