"""Triplets from disk: decoded once, kept in memory, handed out in an order that depends on the seed and the step alone."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.training.settings import PoseSettings

log = logging.getLogger(__name__)

RANDOM_NUMBERS = 16
_T_COLUMNS = [f"t{row}{column}" for row in range(4) for column in range(4)]


@dataclass(frozen=True)
class Triplet:
    """One training sample on disk.

    Attributes:
        scene: `<domain>/<scene>`.
        image: the picture with the frames side by side.
        K_33: calibration in pixels at that size.
        T_S44: `T_source_from_target`, translation as stored; identity where there is none.
        usable_S: sources whose pose may be trusted.
        lengths_S: length of each step in metres, NaN where unknown.
    """

    scene: str
    image: Path
    K_33: np.ndarray
    T_S44: np.ndarray
    usable_S: np.ndarray
    lengths_S: np.ndarray


def read_triplets(domain: str, folder: Path, split: str, settings: PoseSettings) -> list[Triplet]:
    """The triplets of one split of a domain that have at least one usable source.

    Raises:
        UserError: where the list, a calibration or the poses are missing or unreadable.
    """
    folder = Path(folder)
    listing = folder / f"{split}.txt"
    if not listing.is_file():
        raise UserError(f"{listing} is missing: there are no triplets of domain '{domain}'. Run `kedro run --pipeline=prepare` first.")
    entries = [line.split() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
    poses = _read_poses(folder, domain, settings)
    triplets, unusable = [], 0
    for entry in entries:
        if len(entry) != 2:
            raise UserError(
                f"{listing} holds the line '{' '.join(entry)}'; each line must be '<scene> <target frame>'. Make the triplets again."
            )
        scene, target = entry
        T, usable, lengths = _poses_of(poses, scene, int(target), settings)
        if not usable.any():
            unusable += 1
            continue
        K = _read_K(folder / scene / f"{target}_cam.txt")
        triplets.append(Triplet(f"{domain}/{scene}", folder / scene / f"{target}.jpg", K, T, usable, lengths))
    if unusable:
        log.info(
            "%s: %d of %d %s triplets have no reliable %s pose and are skipped.", domain, unusable, len(entries), split, settings.source
        )
    return triplets


def _read_poses(folder: Path, domain: str, settings: PoseSettings) -> dict[tuple[str, int], pd.DataFrame]:
    if settings.source == "learned":
        return {}
    path = folder / "poses.parquet"
    if not path.is_file():
        raise UserError(
            f"{path} is missing: relative poses of domain '{domain}'. Make the triplets again, or set train.pose.source: learned."
        )
    table = pd.read_parquet(path)
    table = table[table["origin"] == settings.source]
    if table.empty:
        other = "two_view" if settings.source == "colmap" else "colmap"
        raise UserError(
            f"{path} holds no poses of origin '{settings.source}'. Run the pipelines that make them, or set train.pose.source: {other}."
        )
    return {(str(scene), int(frame)): rows for (scene, frame), rows in table.groupby(["scene", "frame"])}


def _poses_of(poses, scene: str, target: int, settings: PoseSettings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    T = np.tile(np.eye(4), (2, 1, 1))
    usable, lengths = np.zeros(2, bool), np.full(2, np.nan)
    if settings.source == "learned":
        return T, np.ones(2, bool), lengths
    rows = poses.get((scene, target))
    if rows is None:
        return T, usable, lengths
    matrices = rows[_T_COLUMNS].to_numpy(float).reshape(-1, 4, 4)
    for matrix, source, inliers, length in zip(matrices, rows["source_frame"], rows["inliers"], rows["length"], strict=True):
        slot = 0 if source < target else 1
        step = np.linalg.norm(matrix[:3, 3])
        reliable = np.isfinite(matrix).all() and step > 0
        if settings.source == "two_view":
            reliable = reliable and inliers >= settings.minimum_inliers
        if reliable:
            T[slot], usable[slot], lengths[slot] = matrix, True, length
    return T, usable, lengths


def _read_K(path: Path) -> np.ndarray:
    try:
        K = np.array([float(value) for value in path.read_text(encoding="utf-8").replace("\n", ",").split(",") if value.strip()])
        return K.reshape(3, 3)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a calibration of nine comma-separated numbers ({error}). Make the triplets again.") from error


def decode(path: Path) -> np.ndarray:
    """The frames [3, H, W, 3], uint8, of a picture that holds them side by side.

    Raises:
        UserError: where the picture is missing, damaged or not three frames wide.
    """
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}). Make the triplets again.") from error
    if pixels.shape[1] % 3:
        raise UserError(f"{path} is {pixels.shape[1]} pixels wide, which is not three frames side by side. Make the triplets again.")
    return np.ascontiguousarray(np.stack(np.split(pixels, 3, axis=1)))


class TripletStore:
    """Triplets as tensors: decoded once and kept as uint8 where memory allows, else decoded when asked for."""

    def __init__(self, triplets: list[Triplet], factors: dict[str, float], settings: PoseSettings, cache_gigabytes: float) -> None:
        """Decode what fits.

        Args:
            factors: for every scene, by what its translations are multiplied (see units.py).

        Raises:
            UserError: where pictures differ in size.
        """
        self.triplets = triplets
        first = decode(triplets[0].image)
        self.height, self.width = first.shape[1:3]
        self.K = torch.tensor(np.stack([t.K_33 for t in triplets]), dtype=torch.float32)
        self.T = torch.tensor(np.stack([scaled_poses(t, factors[t.scene], settings) for t in triplets]), dtype=torch.float32)
        self.usable = torch.tensor(np.stack([t.usable_S for t in triplets]))
        self.cache = None
        if first.nbytes * len(triplets) <= cache_gigabytes * 1e9:
            self.cache = torch.empty((len(triplets), *first.shape), dtype=torch.uint8)
            with ThreadPoolExecutor() as pool:
                paths = [t.image for t in triplets]
                for index, frames in enumerate(progress(pool.map(decode, paths), "reading triplets", len(paths), "triplet")):
                    self.cache[index] = torch.from_numpy(self._checked(frames, paths[index]))

    def __len__(self) -> int:
        return len(self.triplets)

    def _checked(self, frames: np.ndarray, path: Path) -> np.ndarray:
        if frames.shape[1:3] != (self.height, self.width):
            raise UserError(
                f"{path} has frames of {frames.shape[2]}x{frames.shape[1]} pixels, others {self.width}x{self.height}. "
                "All domains that are trained together need triplets of one size; make them again."
            )
        return frames

    def batch(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """`images` [B, 3, H, W, 3] uint8, `K` [B, 3, 3], `T` [B, 2, 4, 4], `usable` [B, 2]."""
        if self.cache is not None:
            images = self.cache[indices]
        else:
            frames = [self._checked(decode(self.triplets[i].image), self.triplets[i].image) for i in indices]
            images = torch.from_numpy(np.stack(frames))
        return {"images": images, "K": self.K[indices], "T": self.T[indices], "usable": self.usable[indices]}


def scaled_poses(triplet: Triplet, factor: float, settings: PoseSettings) -> np.ndarray:
    """`T_source_from_target` [2, 4, 4] of a triplet in training units."""
    T = triplet.T_S44.copy()
    for s in range(len(T)):
        length = np.linalg.norm(T[s, :3, 3])
        if length == 0:
            continue
        if settings.source == "two_view":
            # Two-view geometry knows the direction of a step; its length is the telemetry's, or one.
            known = settings.length == "telemetry" and np.isfinite(triplet.lengths_S[s]) and triplet.lengths_S[s] > 0
            T[s, :3, 3] *= (triplet.lengths_S[s] if known else 1.0) / length
        T[s, :3, 3] *= factor
    return T


class TripletBatches:
    """The batches of a training, from `first_step` to `steps`: what step n holds depends on the seed and n alone.

    Every pass over the triplets has its own order; a batch may span two passes, so that none is ragged. With several ranks each takes its
    share of every batch.
    """

    def __init__(
        self,
        store: TripletStore,
        batch_size: int,
        steps: int,
        seed: int,
        first_step: int = 0,
        parts: int = 1,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.store, self.batch_size, self.steps, self.seed = store, batch_size, steps, seed
        self.first_step, self.parts, self.rank, self.ranks = first_step, parts, rank, ranks

    def __len__(self) -> int:
        return (self.steps - self.first_step) * self.parts

    def indices(self, step: int) -> list[int]:
        """Which triplets step `step` sees, over all ranks."""
        count = len(self.store)
        positions = range(step * self.batch_size, (step + 1) * self.batch_size)
        orders = {p // count: None for p in positions}
        for turn in orders:
            generator = torch.Generator().manual_seed(_mixed(self.seed, 1, turn))
            orders[turn] = torch.randperm(count, generator=generator).tolist()
        return [orders[p // count][p % count] for p in positions]

    def _part(self, step: int, part: int) -> dict[str, torch.Tensor]:
        indices = self.indices(step)
        random = torch.rand(self.batch_size, RANDOM_NUMBERS, generator=torch.Generator().manual_seed(_mixed(self.seed, 2, step)))
        chosen = list(range(self.batch_size))[part * self.ranks + self.rank :: self.parts * self.ranks]
        batch = self.store.batch([indices[i] for i in chosen])
        batch["random"] = random[chosen]
        return batch

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        wanted = [(step, part) for step in range(self.first_step, self.steps) for part in range(self.parts)]
        if self.store.cache is not None:
            for step, part in wanted:
                yield self._part(step, part)
            return
        ahead = 4
        with ThreadPoolExecutor(ahead) as pool:
            waiting = [pool.submit(self._part, *w) for w in wanted[:ahead]]
            for index in range(len(wanted)):
                batch = waiting.pop(0).result()
                if index + ahead < len(wanted):
                    waiting.append(pool.submit(self._part, *wanted[index + ahead]))
                yield batch


def _mixed(*numbers: int) -> int:
    """One seed from several numbers, without the collisions of a sum."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> 1)
