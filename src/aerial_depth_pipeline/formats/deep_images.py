"""Images of more than 8 bits a channel: thermal ones, single bands, floating-point numbers."""

from collections.abc import Iterable

import numpy as np

_SAMPLED_PIXELS = 40_000
_PERCENTILES = 0.1, 99.9
_NO_DATA_SHARE = 0.005  # of all pixels that have exactly the smallest or the largest value

Range = tuple[float, float]
"""The values that become black and white."""


def value_range(images: Iterable[np.ndarray]) -> Range:
    """The range that the values of a scene fill, by images [H, W] or [H, W, 3] of it. Values that
    stand for no data, far from all others, do not count."""
    parts = []
    for image in images:
        values = image[np.isfinite(image)].astype(float)
        parts.append(values[:: max(1, values.size // _SAMPLED_PIXELS)])
    values = np.sort(np.concatenate(parts)) if parts else np.zeros(0)
    for end in (0, -1):
        values = _without_no_data(values, end)
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, _PERCENTILES)
    return float(low), float(max(high, np.nextafter(low, np.inf)))


def _without_no_data(values: np.ndarray, end: int) -> np.ndarray:
    """Sorted values without those at an end that are one and the same and far from the others."""
    if values.size == 0:
        return values
    rest = values[values != values[end]]
    if rest.size == 0 or values.size - rest.size < _NO_DATA_SHARE * values.size:
        return values
    return rest if abs(rest[end] - values[end]) > rest[-1] - rest[0] else values


def stretch(image: np.ndarray, limits: Range) -> np.ndarray:
    """An image [H, W] or [H, W, 3] of any numbers as [H, W, 3] uint8, `limits` at black and
    white; what is no number is black."""
    low, high = limits
    known = np.clip(np.where(np.isnan(image), low, image), low, high)
    eight = np.rint((known - low) * (255.0 / (high - low))).astype(np.uint8)
    return np.repeat(eight[..., None], 3, axis=2) if eight.ndim == 2 else eight
