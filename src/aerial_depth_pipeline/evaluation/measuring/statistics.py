"""From numbers per image to numbers per scene and domain, with bootstrap intervals over images."""

from collections.abc import Iterator, Sequence

import numpy as np

_CHUNK = 4_000_000
_KEPT = 2


class Bootstrap:
    """Resamplings of images, the same ones for every method, so that differences between
    methods are paired.

    Images of one flight resemble their neighbours, so the intervals say how much the choice of
    images matters, not how much another flight would differ.

    Args:
        samples: how many resamplings; 0 gives no intervals (NaN).
        seed: of the random numbers.
    """

    def __init__(self, samples: int, seed: int) -> None:
        self.samples = samples
        self.seed = seed
        self._counts: dict[int, np.ndarray] = {}

    def means(self, values_NM: np.ndarray) -> np.ndarray:
        """Means [samples, M] of resampled images, over the images whose value is a number (NaN
        where there is none)."""
        count = len(values_NM)
        present_NM = np.isfinite(values_NM)
        filled_NM, present_NM = (
            np.where(present_NM, values_NM, 0.0).astype(np.float32),
            present_NM.astype(np.float32),
        )
        means = []
        for counts in self._draws(count):
            # Multiplying by how often each image is drawn replaces gathering images, and all
            # metrics share one product.
            weights = counts @ present_NM
            means.append(
                np.divide(
                    counts @ filled_NM,
                    weights,
                    out=np.full(weights.shape, np.nan),
                    where=weights > 0,
                )
            )
        return np.concatenate(means) if means else np.full((0, values_NM.shape[1]), np.nan)

    def _draws(self, count: int) -> Iterator[np.ndarray]:
        """How often each of `count` images is drawn, [some samples, count] at a time; kept where
        they are not too many."""
        if count in self._counts:
            yield self._counts[count]
            return
        generator = np.random.default_rng([self.seed, count])
        chunk = max(1, _CHUNK // max(count, 1))
        for start in range(0, self.samples, chunk):
            counts = generator.multinomial(
                count, np.full(count, 1 / count), size=min(chunk, self.samples - start)
            ).astype(np.float32)
            if len(counts) == self.samples:
                self._counts = {
                    **(self._counts if len(self._counts) < _KEPT else {}),
                    count: counts,
                }
            yield counts

    def interval(self, samples_BM: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The 2.5th and 97.5th percentile of each column, NaN for a column without numbers."""
        low, high = np.full(samples_BM.shape[1], np.nan), np.full(samples_BM.shape[1], np.nan)
        for column, samples_B in enumerate(samples_BM.T):
            numbers = samples_B[np.isfinite(samples_B)]
            if len(numbers):
                low[column], high[column] = np.percentile(numbers, [2.5, 97.5])
        return low, high


def mean_of_numbers(values_NM: np.ndarray) -> np.ndarray:
    """Mean of each column over its numbers, NaN for a column without any."""
    present = np.isfinite(values_NM)
    count = present.sum(0)
    total = np.where(present, values_NM, 0.0).sum(0)
    return np.divide(total, count, out=np.full(values_NM.shape[1], np.nan), where=count > 0)


def scale_drift(ratios_N: Sequence[float]) -> float:
    """How much the median ratio moves along a scene: the standard deviation of its logarithm (0.05
    is five per cent)."""
    ratios = np.asarray(ratios_N, float)
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    return float(np.log(ratios).std()) if len(ratios) > 1 else float("nan")
