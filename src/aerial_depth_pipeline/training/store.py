"""Triplets as tensors, and the batches of a training in an order that depends on the seed and the
step alone."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import bounded_map
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.training.batch import RANDOM_NUMBERS, Batch
from aerial_depth_pipeline.training.samples import Triplet, decode
from aerial_depth_pipeline.training.settings import TrainSettings

_AHEAD = 4  # batches decoded in the background where images are not kept in memory


class TripletStore:
    """Triplets as tensors: images decoded once and kept as uint8 where memory allows, else decoded
    when asked for.

    Args:
        factors: for every scene, by what its translations are multiplied (scene_scale.py).

    Attributes:
        size: width and height of a frame in pixels.
        target, sources: positions of the target and of its sources among the frames.
        fields: of the batches, one row a triplet; loss terms add theirs.

    Raises:
        UserError: where images differ in size or in the number of frames.
    """

    def __init__(
        self, triplets: list[Triplet], factors: dict[str, float], cache_gigabytes: float
    ) -> None:
        self.triplets, self.frames = triplets, triplets[0].frames
        self.target = self.frames // 2
        self.sources = [i for i in range(self.frames) if i != self.target]
        for triplet in triplets:
            if triplet.frames != self.frames:
                raise UserError(
                    f"{triplet.image} holds {triplet.frames} frames, others {self.frames}."
                    " All domains that are trained together need one sequence_length; make the"
                    " triplets again."
                )
        first = decode(triplets[0].image, self.frames)
        self.size = first.shape[2], first.shape[1]
        T = np.stack([t.T_S44 for t in triplets])
        T[..., :3, 3] *= np.array([factors[t.scene] for t in triplets])[:, None, None]
        self.fields: Batch = {
            "K": torch.tensor(np.stack([t.K_33 for t in triplets]), dtype=torch.float32),
            "T": torch.tensor(T, dtype=torch.float32),
            "usable": torch.tensor(np.stack([t.usable_S for t in triplets])),
            "up": torch.tensor(np.stack([t.up_3 for t in triplets]), dtype=torch.float32),
        }
        self.cache: torch.Tensor | None = None
        if first.nbytes * len(triplets) <= cache_gigabytes * 1e9:
            self.cache = torch.empty((len(triplets), *first.shape), dtype=torch.uint8)
            with ThreadPoolExecutor() as pool:
                images = pool.map(self._decode, triplets)
                bar = progress(images, "reading triplets", len(triplets), "triplet")
                for index, frames in enumerate(bar):
                    self.cache[index] = torch.from_numpy(frames)

    def __len__(self) -> int:
        return len(self.triplets)

    def batch(self, indices: list[int]) -> Batch:
        """The fields of some triplets; `images` [B, L, H, W, 3] are uint8."""
        if self.cache is not None:
            images = self.cache[indices]
        else:
            images = torch.from_numpy(np.stack([self._decode(self.triplets[i]) for i in indices]))
        return {"images": images} | {name: rows[indices] for name, rows in self.fields.items()}

    def _decode(self, triplet: Triplet) -> np.ndarray:
        frames = decode(triplet.image, self.frames)
        size, others = (frames.shape[2], frames.shape[1]), self.size
        if size != others:
            raise UserError(
                f"{triplet.image} has frames of {size[0]}x{size[1]} pixels, others"
                f" {others[0]}x{others[1]}. All domains that are trained together need triplets of"
                " one size; make them again."
            )
        return frames


class TripletBatches:
    """The batches from `first_step` on, each in `accumulate` parts.

    Every pass over the triplets has its own order, unless it is given; a batch may span two passes,
    so that none is ragged. With several ranks each takes its share of every batch.
    """

    def __init__(self, store: TripletStore, settings: TrainSettings, first_step: int = 0) -> None:
        self.store, self.settings, self.first_step = store, settings, first_step
        self.ranks = settings.devices * settings.num_nodes
        self.rank = int(os.environ.get("RANK", "0")) if self.ranks > 1 else 0

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
