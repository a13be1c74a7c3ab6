"""A few numbers to watch a training by."""

from collections.abc import Callable, Sequence

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.measuring.depth_alignment import (
    fit_inverse_depth,
    median_ratio,
)
from aerial_depth_pipeline.evaluation.measuring.metrics import image_metrics
from aerial_depth_pipeline.evaluation.methods.method import (
    Frame,
    PredictionError,
    inverse_prediction,
    model_method,
)
from aerial_depth_pipeline.evaluation.references import Reference


def validation_metrics(
    predict: Callable[[np.ndarray], np.ndarray], references: Sequence[tuple[str, Reference]]
) -> dict[str, float]:
    """abs_rel, δ<1.25 and the correlation of inverse depth, median-aligned per image, by domain.

    Frames whose reference or prediction cannot be used are left out; a domain without any usable
    frame has no entry.

    Args:
        predict: from an image [H, W, 3] uint8 RGB to z-depth [H, W].
        references: pairs of domain and frame.

    Returns:
        `<domain>/abs_rel`, `<domain>/delta_1.25`, `<domain>/correlation`: means over images; and
        `abs_rel`, the mean over domains, by which a best model can be chosen.
    """
    method = model_method(predict, checked=False)  # what the network itself learns
    of_domain: dict[str, list[tuple[float, float, float]]] = {}
    for domain, reference in references:
        frame = Frame("validation", reference)
        try:
            inverse_HW = inverse_prediction(method, frame)
            known = (frame.depth > 0) & np.isfinite(inverse_HW) & (inverse_HW > 0)
        except (PredictionError, SceneError):
            continue
        if known.sum() < 3:
            continue
        true_N, inverse_N = frame.depth[known], inverse_HW[known]
        depth_N = np.reciprocal(inverse_N)
        metrics = image_metrics(
            true_N,
            depth_N * median_ratio(true_N, depth_N),
            int((frame.depth > 0).sum()),
            [],
            metric=False,
        )
        row = (
            metrics["abs_rel"],
            metrics["delta_1.25"],
            fit_inverse_depth(true_N, inverse_N).correlation,
        )
        of_domain.setdefault(domain, []).append(row)
    means = {domain: np.mean(rows, axis=0) for domain, rows in of_domain.items()}
    names = ("abs_rel", "delta_1.25", "correlation")
    figures = {
        f"{domain}/{name}": float(value)
        for domain, mean in means.items()
        for name, value in zip(names, mean, strict=True)
    }
    if means:
        figures["abs_rel"] = float(np.mean([mean[0] for mean in means.values()]))
    return figures
