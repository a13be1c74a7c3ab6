"""Bringing a prediction to the reference's scale, and saying by how much."""

import numpy as np


def median_ratio(reference_N: np.ndarray, prediction_N: np.ndarray) -> float:
    """The factor that gives a depth prediction the reference's median (Zhou et al., CVPR 2017)."""
    return float(_median(reference_N)) / float(_median(prediction_N))


def fit_inverse_depth(reference_N: np.ndarray, inverse_prediction_N: np.ndarray) -> tuple[float, float]:
    """Scale and shift that bring a predicted inverse depth to the reference's, by least squares over pixels (Ranftl et al., PAMI 2022).

    A prediction without contrast gets scale 0 and the reference's mean inverse depth as its shift: all that least squares leaves of it.

    Args:
        reference_N: reference depth, positive.
        inverse_prediction_N: predicted inverse depth, of any sign.
    """
    target = np.reciprocal(reference_N)
    target_mean = target.mean(dtype=np.float64)
    mean = inverse_prediction_N.mean(dtype=np.float64)
    # Centred before the products, in float64 sums: the contrast of an image can be small against its mean.
    centred = inverse_prediction_N - np.float32(mean)
    variance = float(np.einsum("i,i->", centred, centred, dtype=np.float64))
    if variance <= 1e-12 * max(mean * mean, 1e-30) * len(centred):
        return 0.0, float(target_mean)
    scale = float(np.einsum("i,i->", centred, target - np.float32(target_mean), dtype=np.float64)) / variance
    # float32 centring leaves a small mean behind; the shift is taken with the exact means.
    return scale, float(target_mean - scale * mean)


def correlation_of_inverse_depth(reference_N: np.ndarray, inverse_prediction_N: np.ndarray) -> float:
    """Pearson's r of true and predicted inverse depth: negative where near and far are exchanged, NaN where either has no contrast."""
    target = np.reciprocal(reference_N)
    a = target - np.float32(target.mean(dtype=np.float64))
    mean = inverse_prediction_N.mean(dtype=np.float64)
    b = inverse_prediction_N - np.float32(mean)
    aa, bb, ab = float(a @ a), float(b @ b), float(a @ b)
    # What is left of a constant after centring in float32 is rounding, not contrast.
    if bb <= 1e-12 * mean * mean * len(b) or aa == 0 or bb == 0:
        return float("nan")
    return ab / float(np.sqrt(aa) * np.sqrt(bb))


def _median(values_N: np.ndarray) -> float:
    """numpy's median without its detours through masks and means of slices; three times as fast on an image."""
    count = len(values_N)
    middle = count // 2
    if count % 2:
        return float(np.partition(values_N, middle)[middle])
    part = np.partition(values_N, (middle - 1, middle))
    return 0.5 * (float(part[middle - 1]) + float(part[middle]))
