"""Depth metrics of one image: the KITTI seven and the photogrammetric set."""

from collections.abc import Sequence

import numpy as np

KITTI = (
    "abs_rel",
    "sq_rel",
    "rmse",
    "rmse_log",
    "delta_1.25",
    "delta_1.25_squared",
    "delta_1.25_cubed",
)
"""Eigen et al., NeurIPS 2014."""
LENGTHS = ("sq_rel", "rmse", "l1_abs")
"""Metrics with a unit: they are left out where the reference is not in metres. So are accuracy and completeness."""

_LOG = np.float32(np.log(1.25))


def metric_names(thresholds: Sequence[float]) -> list[str]:
    """All names that `image_metrics` gives, in the order of its result."""
    names = [*KITTI, "l1_abs", "l1_rel"]
    for threshold in thresholds:
        names += [f"accuracy_{threshold:g}m", f"completeness_{threshold:g}m"]
    return names


def image_metrics(
    reference_N: np.ndarray,
    prediction_N: np.ndarray,
    reference_pixels: int,
    thresholds: Sequence[float],
    metric: bool,
) -> dict[str, float]:
    """Metrics of one image over the pixels that carry both a reference and a prediction.

    The photogrammetric set follows the evaluation of multi-view stereo: `l1_abs` is the mean
        distance in metres, `l1_rel` the mean distance
    relative to the reference (the same as `abs_rel`, under the name photogrammetrists know),
    `accuracy` the share of the *predictions* within a distance of the reference, `completeness` the
    share of the *reference's* pixels that have a prediction within it.

    Args:
        reference_N: reference depth of the N common pixels, positive.
        prediction_N: aligned and clipped predicted depth of the same pixels, positive, same unit.
        reference_pixels: how many pixels have a reference, with a prediction or without.
        thresholds: distances in metres.
        metric: whether the reference is in metres; where it is not, metrics with a unit are NaN.

    Raises:
        ValueError: for arrays of different lengths, or empty ones.
    """
    if reference_N.shape != prediction_N.shape or reference_N.ndim != 1 or not len(reference_N):
        raise ValueError(
            f"expected two arrays [N], N > 0, of common pixels, got {reference_N.shape} and"
            f" {prediction_N.shape}"
        )
    count = len(reference_N)
    error = prediction_N - reference_N
    np.abs(error, out=error)
    relative = error / reference_N
    log_ratio = prediction_N / reference_N
    np.log(log_ratio, out=log_ratio)
    np.abs(log_ratio, out=log_ratio)  # max(p/r, r/p) < t is |log(p/r)| < log t
    abs_rel = float(relative.mean())
    values = {
        "abs_rel": abs_rel,
        "sq_rel": float(error @ relative) / count,
        "rmse": (float(error @ error) / count) ** 0.5,
        "rmse_log": (float(log_ratio @ log_ratio) / count) ** 0.5,
        "delta_1.25": np.count_nonzero(log_ratio < _LOG) / count,
        "delta_1.25_squared": np.count_nonzero(log_ratio < 2 * _LOG) / count,
        "delta_1.25_cubed": np.count_nonzero(log_ratio < 3 * _LOG) / count,
        "l1_abs": float(error.mean()),
        "l1_rel": abs_rel,
    }
    for threshold in thresholds:
        within = np.count_nonzero(error < threshold)
        values[f"accuracy_{threshold:g}m"] = within / count
        values[f"completeness_{threshold:g}m"] = within / reference_pixels
    if not metric:
        for name in values:
            if name in LENGTHS or name.startswith(("accuracy_", "completeness_")):
                values[name] = float("nan")
    return values
