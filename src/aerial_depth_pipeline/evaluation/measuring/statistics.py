"""From numbers per image to numbers per scene and domain, with bootstrap intervals over scenes and
blocks of images."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import t as students_t

_CHUNK = 4_000_000
_KEPT = 2
_BLOCKS = 10  # of neighbouring images in a scene


class Bootstrap:
    """Resamplings of images, the same ones for every method, so that differences between methods
    are paired.

    Images of one flight resemble each other, and neighbours most. So scenes are drawn first, then
    blocks of neighbouring images within each (Davison and Hinkley, Bootstrap Methods and their
    Application, 1997, 3.8); of a single scene blocks alone. Intervals are Student's for the number
    of scenes, or of blocks: with few of them the spread of the resamplings is too narrow.

    Args:
        samples: how many resamplings; 0 gives no intervals (NaN).
        seed: of the random numbers.
    """

    def __init__(self, samples: int, seed: int) -> None:
        self.samples = samples
        self.seed = seed
        self._counts: dict[bytes, np.ndarray] = {}

    def means(self, values_NM: np.ndarray, scenes_N: Sequence[object]) -> np.ndarray:
        """Means [samples, M] of resampled images, over the images whose value is a number (NaN
        where there is none).

        Args:
            values_NM: of images, those of a scene in order of time.
            scenes_N: the scene of each.
        """
        present_NM = np.isfinite(values_NM)
        filled_NM, present_NM = (
            np.where(present_NM, values_NM, 0.0).astype(np.float32),
            present_NM.astype(np.float32),
        )
        means = []
        for counts in self._draws(scenes_N):
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

    def _draws(self, scenes_N: Sequence[object]) -> Iterator[np.ndarray]:
        """How often each image is drawn, [some samples, N] at a time; kept where they are not too
        many."""
        codes_N = _codes(scenes_N)
        key, count = codes_N.tobytes(), len(codes_N)
        if key in self._counts:
            yield self._counts[key]
            return
        generator = np.random.default_rng([self.seed, count])
        chunk = max(1, _CHUNK // max(count, 1))
        scenes = codes_N.max(initial=-1) + 1
        for start in range(0, self.samples, chunk):
            size = min(chunk, self.samples - start)
            drawn_BS = generator.multinomial(scenes, np.full(scenes, 1 / scenes), size=size)
            counts = np.zeros((size, count), np.float32)
            for scene in range(scenes):
                members = np.flatnonzero(codes_N == scene)
                blocks = np.array_split(members, min(_BLOCKS, len(members)))
                # A scene that is drawn twice gives twice as many blocks.
                times_BK = generator.multinomial(
                    drawn_BS[:, scene] * len(blocks), np.full(len(blocks), 1 / len(blocks))
                )
                counts[:, members] = np.repeat(times_BK, [len(block) for block in blocks], axis=1)
            if len(counts) == self.samples:
                kept = self._counts if len(self._counts) < _KEPT else {}
                self._counts = {**kept, key: counts}
            yield counts

    def interval(
        self, values_M: np.ndarray, samples_BM: np.ndarray, scenes_N: Sequence[object]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the 95 % intervals of values [M] with these resamplings; NaN for a column
        without numbers."""
        unknown = np.full(samples_BM.shape[1], np.nan)
        codes_N = _codes(scenes_N)
        scenes = len(np.unique(codes_N))
        groups = scenes if scenes > 1 else min(_BLOCKS, len(codes_N))
        if not len(samples_BM) or groups < 2:
            return unknown, unknown
        numbers = np.isfinite(samples_BM)
        count_M = numbers.sum(0)
        mean_M = mean_of_numbers(samples_BM)
        squares_M = (np.where(numbers, samples_BM - mean_M, 0.0) ** 2).sum(0)
        spread_M = np.sqrt(np.divide(squares_M, count_M, out=unknown.copy(), where=count_M > 0))
        # The spread of resampled means is that of the groups without Bessel's correction.
        wide = students_t.ppf(0.975, groups - 1) * (groups / (groups - 1)) ** 0.5
        return values_M - wide * spread_M, values_M + wide * spread_M


def _codes(scenes_N: Sequence[object]) -> np.ndarray:
    """Scenes as numbers in the order in which they appear."""
    first = {scene: place for place, scene in enumerate(dict.fromkeys(scenes_N))}
    return np.array([first[scene] for scene in scenes_N], int)


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
