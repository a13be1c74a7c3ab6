"""The batches of a training, in an order that depends on the seed and the step alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from aerial_depth_pipeline.files import bounded_map
from aerial_depth_pipeline.training.batch import RANDOM_NUMBERS, Batch
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.store import TripletStore

_AHEAD = 4  # batches decoded in the background where images are not kept in memory


class TripletBatches:
    """The batches from `first_step` on, each in `accumulate` parts.

    Every pass over the triplets has its own order, unless it is given; a batch may span two passes,
    so that none is ragged. With several ranks each takes its share of every batch.
    """

    def __init__(
        self,
        store: TripletStore,
        settings: TrainSettings,
        first_step: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.store, self.settings, self.first_step = store, settings, first_step
        self.rank, self.ranks = rank, ranks

    def __len__(self) -> int:
        return (self.settings.steps - self.first_step) * self.settings.accumulate

    def indices(self, step: int) -> list[int]:
        """Which triplets a step sees, over all ranks."""
        count, size = len(self.store), self.settings.batch_size
        positions = range(step * size, (step + 1) * size)
        if self.settings.order == "given":
            return [p % count for p in positions]
        orders = {
            turn: torch.randperm(count, generator=self._generator(1, turn)).tolist()
            for turn in dict.fromkeys(p // count for p in positions)
        }
        return [orders[p // count][p % count] for p in positions]

    def _generator(self, use: int, number: int) -> torch.Generator:
        # A seed from several numbers, without the collisions of a sum.
        sequence = np.random.SeedSequence([self.settings.seed, use, number])
        return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))

    def _part(self, step: int, part: int) -> Batch:
        size, parts = self.settings.batch_size, self.settings.accumulate * self.ranks
        indices = self.indices(step)
        random = torch.rand(size, RANDOM_NUMBERS, generator=self._generator(2, step))
        chosen = list(range(size))[part * self.ranks + self.rank :: parts]
        return self.store.batch([indices[i] for i in chosen]) | {"random": random[chosen]}

    def __iter__(self) -> Iterator[Batch]:
        steps = range(self.first_step, self.settings.steps)
        wanted = [(step, part) for step in steps for part in range(self.settings.accumulate)]
        if self.store.cache is not None:
            for step, part in wanted:
                yield self._part(step, part)
            return
        with ThreadPoolExecutor(_AHEAD) as pool:
            yield from bounded_map(pool, lambda w: self._part(*w), wanted, _AHEAD)
