"""Depth metrics: the KITTI seven, the photogrammetric set, and what follows from both."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

_LOG = np.float32(np.log(1.25))
_SHARE = (0.0, 1.0)


@dataclass
class Errors:
    """One image's errors over the pixels that carry both a reference and a prediction.

    Attributes:
        reference_N: reference depth, positive.
        prediction_N: aligned and clipped predicted depth of the same pixels, positive, same unit.
        reference_pixels: how many pixels have a reference, with a prediction or without.
    """

    reference_N: np.ndarray
    prediction_N: np.ndarray
    reference_pixels: int

    @property
    def count(self) -> int:
        """Number of pixels."""
        return len(self.reference_N)

    @cached_property
    def absolute_N(self) -> np.ndarray:
        """|p - r|."""
        return np.abs(self.prediction_N - self.reference_N)

    @cached_property
    def relative_N(self) -> np.ndarray:
        """|p - r| / r."""
        return self.absolute_N / self.reference_N

    @cached_property
    def log_ratio_N(self) -> np.ndarray:
        """|log(p / r)|; max(p/r, r/p) < t is |log(p/r)| < log t."""
        return np.abs(np.log(self.prediction_N / self.reference_N))

    @cached_property
    def abs_rel(self) -> float:
        """Mean of |p - r| / r."""
        return float(self.relative_N.mean())

    def within(self, power: int) -> float:
        """Share of pixels with max(p/r, r/p) < 1.25^power."""
        return np.count_nonzero(self.log_ratio_N < power * _LOG) / self.count

    def accuracy(self, distance: float) -> float:
        """Share of the predictions within a distance of the reference."""
        return np.count_nonzero(self.absolute_N < distance) / self.count

    def completeness(self, distance: float) -> float:
        """Share of the reference's pixels with a prediction within a distance."""
        return np.count_nonzero(self.absolute_N < distance) / self.reference_pixels


@dataclass(frozen=True)
class Metric:
    """A row of METRICS: everything that tables, charts, comparisons and settings know of a metric.

    Attributes:
        name: in `evaluation.csv` and in configuration.
        label: for readers.
        better: whether a low or a high value is better.
        function: from an image's errors; None where it follows from the images together.
        metric_only: whether it has a unit, and is left out where the reference is not in metres.
        shown: whether it stands in the console's and the page's main table.
        latex: the label in LaTeX where it differs.
        limits: between which it can lie.
    """

    name: str
    label: str
    better: Literal["low", "high"]
    function: Callable[[Errors], float] | None = field(default=None, compare=False)
    metric_only: bool = False
    shown: bool = False
    latex: str = ""
    limits: tuple[float, float] = (0.0, math.inf)


METRICS: list[Metric] = [
    # Eigen et al., Depth Map Prediction from a Single Image, NeurIPS 2014.
    Metric("abs_rel", "abs rel", "low", lambda e: e.abs_rel, shown=True),
    Metric(
        "sq_rel",
        "sq rel",
        "low",
        lambda e: float(e.absolute_N @ e.relative_N) / e.count,
        True,
        True,
    ),
    Metric("rmse", "rmse", "low", lambda e: _root_mean_square(e.absolute_N), True, True),
    Metric("rmse_log", "rmse log", "low", lambda e: _root_mean_square(e.log_ratio_N), shown=True),
    Metric(
        "delta_1.25",
        "δ<1.25",
        "high",
        lambda e: e.within(1),
        False,
        True,
        r"$\delta<1.25$",
        _SHARE,
    ),
    Metric(
        "delta_1.25_squared",
        "δ<1.25²",
        "high",
        lambda e: e.within(2),
        False,
        True,
        r"$\delta<1.25^2$",
        _SHARE,
    ),
    Metric(
        "delta_1.25_cubed",
        "δ<1.25³",
        "high",
        lambda e: e.within(3),
        False,
        True,
        r"$\delta<1.25^3$",
        _SHARE,
    ),
    # The photogrammetric set, as in the evaluation of multi-view stereo.
    Metric("l1_abs", "L1-abs", "low", lambda e: float(e.absolute_N.mean()), metric_only=True),
    Metric("l1_rel", "L1-rel", "low", lambda e: e.abs_rel),
    # From the images together.
    Metric("skill_over_plane", "skill over plane", "high", shown=True, limits=(-math.inf, 1.0)),
    Metric("scale_drift", "scale drift", "low"),
    Metric("correlation", "correlation", "high", limits=(-1.0, 1.0)),
]
"""All metrics; one more row is one more column everywhere."""

_BY_DISTANCE = [
    Metric("accuracy", "accuracy", "high", metric_only=True, limits=_SHARE),
    Metric("completeness", "completeness", "high", metric_only=True, limits=_SHARE),
]


def metric_of(name: str) -> Metric | None:
    """The row of a metric; those by a distance (`accuracy_0.5m`) follow from the distance. None for
    other columns."""
    for metric in METRICS:
        if metric.name == name:
            return metric
    for metric in _BY_DISTANCE:
        if name.startswith(f"{metric.name}_"):
            return replace(metric, name=name, label=name.replace("_", " "))
    return None


def better_when_high(name: str) -> bool:
    """Whether a larger value of this metric is better."""
    metric = metric_of(name)
    return metric is not None and metric.better == "high"


def within_limits(name: str, low: float, high: float) -> tuple[float, float]:
    """An interval of a metric, cut to what it can be."""
    metric = metric_of(name)
    least, largest = (-math.inf, math.inf) if metric is None else metric.limits
    return max(low, least), min(high, largest)


def shown() -> tuple[str, ...]:
    """Metrics of the main tables."""
    return tuple(metric.name for metric in METRICS if metric.shown)


def metric_names(thresholds: Sequence[float]) -> list[str]:
    """All names that `image_metrics` gives, in the order of its result."""
    names = [metric.name for metric in METRICS if metric.function is not None]
    return names + [f"{m.name}_{t:g}m" for t in thresholds for m in _BY_DISTANCE]


def image_metrics(
    reference_N: np.ndarray,
    prediction_N: np.ndarray,
    reference_pixels: int,
    thresholds: Sequence[float],
    metric: bool,
) -> dict[str, float]:
    """Metrics of one image over the pixels that carry both a reference and a prediction.

    Args:
        reference_N, prediction_N, reference_pixels: see `Errors`.
        thresholds: distances in metres for accuracy and completeness.
        metric: whether the reference is in metres; where it is not, metrics with a unit are NaN.

    Raises:
        ValueError: for arrays of different lengths, or empty ones.
    """
    if reference_N.shape != prediction_N.shape or reference_N.ndim != 1 or not len(reference_N):
        raise ValueError(
            f"expected two arrays [N], N > 0, of common pixels, got {reference_N.shape} and"
            f" {prediction_N.shape}"
        )
    errors = Errors(reference_N, prediction_N, reference_pixels)
    nan, values = float("nan"), {}
    for row in METRICS:
        if row.function is not None:
            values[row.name] = nan if row.metric_only and not metric else row.function(errors)
    for threshold in thresholds:
        values[f"accuracy_{threshold:g}m"] = errors.accuracy(threshold) if metric else nan
        values[f"completeness_{threshold:g}m"] = errors.completeness(threshold) if metric else nan
    return values


def _root_mean_square(values_N: np.ndarray) -> float:
    return (float(values_N @ values_N) / len(values_N)) ** 0.5
