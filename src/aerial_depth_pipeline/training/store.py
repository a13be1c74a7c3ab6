"""Triplets as tensors: decoded once and kept in memory where it allows."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.training.batch import Batch
from aerial_depth_pipeline.training.samples import Triplet, decode
from aerial_depth_pipeline.training.scene_scale import scaled_poses


class TripletStore:
    """Triplets as tensors: images decoded once and kept as uint8 where memory allows, else decoded
    when asked for.

    Attributes:
        width, height: size of a frame in pixels.
        target, sources: positions of the target and of its sources among the frames.
        fields: of the batches, one row a triplet; loss terms add theirs.
    """

    def __init__(
        self, triplets: list[Triplet], factors: dict[str, float], cache_gigabytes: float
    ) -> None:
        """Decode what fits.

        Args:
            factors: for every scene, by what its translations are multiplied (scene_scale.py).

        Raises:
            UserError: where images differ in size or in the number of frames.
        """
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
        self.height, self.width = first.shape[1:3]
        K, up = np.stack([t.K_33 for t in triplets]), np.stack([t.up_3 for t in triplets])
        T = np.stack([scaled_poses(t, factors[t.scene]) for t in triplets])
        self.fields: Batch = {
            "K": torch.tensor(K, dtype=torch.float32),
            "T": torch.tensor(T, dtype=torch.float32),
            "usable": torch.tensor(np.stack([t.usable_S for t in triplets])),
            "up": torch.tensor(up, dtype=torch.float32),
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
        if frames.shape[1:3] != (self.height, self.width):
            raise UserError(
                f"{triplet.image} has frames of {frames.shape[2]}x{frames.shape[1]} pixels, others"
                f" {self.width}x{self.height}. All domains that are trained together need triplets"
                " of one size; make them again."
            )
        return frames
