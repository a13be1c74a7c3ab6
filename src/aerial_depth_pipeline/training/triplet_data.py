"""Triplets from disk: decoded once, kept in memory, handed out in an order that depends on the seed
and the step alone."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from PIL import Image

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.cameras import UP_COLUMNS
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
        gaps_S: number of video frames between target and source.
        up_3: the upward direction in the target's axes (x right, y down, z forward), NaN where it
            is not known.
    """

    scene: str
    image: Path
    K_33: np.ndarray
    T_S44: np.ndarray
    usable_S: np.ndarray
    lengths_S: np.ndarray
    gaps_S: np.ndarray
    up_3: np.ndarray


def read_triplets(domain: str, folder: Path, split: str, settings: PoseSettings) -> list[Triplet]:
    """The triplets of one split of a domain that have at least one usable source.

    Raises:
        UserError: where the list, a calibration or the poses are missing or unreadable.
    """
    folder = Path(folder)
    listing = folder / f"{split}.txt"
    if not listing.is_file():
        raise UserError(
            f"{listing} is missing: there are no triplets of domain '{domain}'. Run `kedro run"
            " --pipeline=prepare` first."
        )
    entries = [
        line.split() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    poses = _read_poses(folder, domain, settings)
    # A table with rows of both origins counts every source twice.
    sources = max((rows["source_frame"].nunique() for rows in poses.values()), default=2)
    sources += sources % 2
    triplets, unusable = [], 0
    for entry in entries:
        if len(entry) != 2:
            raise UserError(
                f"{listing} holds the line '{' '.join(entry)}'; each line must be '<scene> <target"
                " frame>'. Make the triplets again."
            )
        scene, target = entry
        found = _poses_of(poses.get((scene, int(target))), int(target), sources, settings)
        if not found.usable_S.any():
            unusable += 1
            continue
        K = _read_K(folder / scene / f"{target}_cam.txt")
        picture = folder / scene / f"{target}.jpg"
        known = found.T_S44, found.usable_S, found.lengths_S, found.gaps_S, found.up_3
        triplets.append(Triplet(f"{domain}/{scene}", picture, K, *known))
    if unusable:
        log.info(
            "%s: %d of %d %s triplets have no reliable %s pose and are skipped.",
            domain,
            unusable,
            len(entries),
            split,
            settings.source,
        )
    return triplets


def _read_poses(
    folder: Path, domain: str, settings: PoseSettings
) -> dict[tuple[str, int], pd.DataFrame]:
    path = folder / "poses.parquet"
    if not path.is_file():
        if settings.source == "learned":
            return {}
        raise UserError(
            f"{path} is missing: relative poses of domain '{domain}'. Make the triplets again, or"
            " set train.pose.source: learned."
        )
    table = pd.read_parquet(path)
    if settings.source != "learned":
        table = table[table["origin"] == settings.source]
        if table.empty:
            other = "two_view" if settings.source == "colmap" else "colmap"
            raise UserError(
                f"{path} holds no poses of origin '{settings.source}'. Run the pipelines that make"
                f" them, or set train.pose.source: {other}."
            )
    return {
        (str(scene), int(frame)): rows for (scene, frame), rows in table.groupby(["scene", "frame"])
    }


@dataclass
class _Poses:
    """Relative poses of one target to its sources, sources sorted by time."""

    T_S44: np.ndarray
    usable_S: np.ndarray
    lengths_S: np.ndarray
    gaps_S: np.ndarray
    up_3: np.ndarray


def _poses_of(rows: pd.DataFrame | None, target: int, count: int, settings: PoseSettings) -> _Poses:
    """The poses of a target with `count` sources; what is missing or unreliable is not usable."""
    found = _Poses(
        np.tile(np.eye(4), (count, 1, 1)),
        np.zeros(count, bool),
        np.full(count, np.nan),
        np.ones(count),
        np.full(3, np.nan),
    )
    if rows is not None and set(UP_COLUMNS) <= set(rows.columns):
        found.up_3 = rows[UP_COLUMNS].iloc[0].to_numpy(float)
    if settings.source == "learned":
        found.usable_S[:] = True
        return found
    if rows is None:
        return found
    reach = count // 2
    for side, first in (
        (rows[rows["source_frame"] < target], 0),
        (rows[rows["source_frame"] > target], reach),
    ):
        if len(side) != reach:
            continue  # which of the sources is missing cannot be told
        for slot, (_, row) in enumerate(side.sort_values("source_frame").iterrows(), first):
            T = row[_T_COLUMNS].to_numpy(float).reshape(4, 4)
            reliable = bool(np.isfinite(T).all()) and np.linalg.norm(T[:3, 3]) > 0
            if settings.source == "two_view":
                reliable = reliable and row["inliers"] >= settings.minimum_inliers
            if reliable:
                found.T_S44[slot], found.usable_S[slot], found.lengths_S[slot] = (
                    T,
                    True,
                    row["length"],
                )
                found.gaps_S[slot] = abs(row["source_frame"] - target)
    return found


def _read_K(path: Path) -> np.ndarray:
    try:
        K = np.array(
            [
                float(value)
                for value in path.read_text(encoding="utf-8").replace("\n", ",").split(",")
                if value.strip()
            ]
        )
        return K.reshape(3, 3)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} is not a calibration of nine comma-separated numbers ({error}). Make the"
            " triplets again."
        ) from error


def read_points(triplets: list[Triplet]) -> list[np.ndarray]:
    """The sparse points [N, 3] that each target shows, in its camera's axes; none where its scene
    has no reconstruction.

    Raises:
        UserError: where no scene has points.
    """
    by_scene: dict[Path, dict[int, np.ndarray]] = {}
    for folder in {t.image.parent for t in triplets}:
        path = folder / "points.parquet"
        if path.is_file():
            by_scene[folder] = {
                int(frame): rows[["x", "y", "z"]].to_numpy(np.float32)
                for frame, rows in pd.read_parquet(path).groupby("frame")
            }
    if not any(by_scene.values()):
        raise UserError(
            "train.loss.sparse needs the sparse points of structure from motion, and no scene has"
            " any. Run the pipelines ground_truth and triplets first, or set train.loss.sparse"
            " to 0."
        )
    return [
        by_scene.get(t.image.parent, {}).get(int(t.image.stem), np.zeros((0, 3), np.float32))
        for t in triplets
    ]


def decode(path: Path, count: int = 3) -> np.ndarray:
    """The frames [L, H, W, 3], uint8, of a picture that holds `count` of them side by side.

    Raises:
        UserError: where the picture is missing, damaged or not `count` frames wide.
    """
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}). Make the triplets again.") from error
    if pixels.shape[1] % count:
        raise UserError(
            f"{path} is {pixels.shape[1]} pixels wide, which is not {count} frames side by side."
            " Make the triplets again."
        )
    return np.ascontiguousarray(np.stack(np.split(pixels, count, axis=1)))


class TripletStore:
    """Triplets as tensors: decoded once and kept as uint8 where memory allows, else decoded when
    asked for.

    Attributes:
        width, height: size of a frame in pixels.
        target: position of the target among the frames; the others are its sources.
    """

    def __init__(
        self,
        triplets: list[Triplet],
        factors: dict[str, float],
        settings: PoseSettings,
        cache_gigabytes: float,
    ) -> None:
        """Decode what fits.

        Args:
            factors: for every scene, by what its translations are multiplied (see units.py).

        Raises:
            UserError: where pictures differ in size or in the number of frames.
        """
        self.triplets = triplets
        self.frames = len(triplets[0].T_S44) + 1
        self.target = self.frames // 2
        for triplet in triplets:
            if len(triplet.T_S44) + 1 != self.frames:
                raise UserError(
                    f"{triplet.image} holds {len(triplet.T_S44) + 1} frames, others {self.frames}."
                    " All domains that are trained together need one sequence_length; make the"
                    " triplets again."
                )
        first = decode(triplets[0].image, self.frames)
        self.height, self.width = first.shape[1:3]
        self.K = torch.tensor(np.stack([t.K_33 for t in triplets]), dtype=torch.float32)
        self.T = torch.tensor(
            np.stack([scaled_poses(t, factors[t.scene]) for t in triplets]), dtype=torch.float32
        )
        self.up = torch.tensor(np.stack([t.up_3 for t in triplets]), dtype=torch.float32)
        self.usable = torch.tensor(np.stack([t.usable_S for t in triplets]))
        self.cache, self.guides, self.points = None, None, None
        if first.nbytes * len(triplets) <= cache_gigabytes * 1e9:
            self.cache = torch.empty((len(triplets), *first.shape), dtype=torch.uint8)
            with ThreadPoolExecutor() as pool:
                frames = pool.map(self._decode, triplets)
                for index, decoded in enumerate(
                    progress(frames, "reading triplets", len(triplets), "triplet")
                ):
                    self.cache[index] = torch.from_numpy(decoded)

    def __len__(self) -> int:
        return len(self.triplets)

    @property
    def sources(self) -> list[int]:
        """Positions of the sources among the frames."""
        return [i for i in range(self.frames) if i != self.target]

    def add_guides(self, guides: Iterator[torch.Tensor]) -> None:
        """Give every triplet a rough inverse depth [H, W] in training units, 0 where it is not
        known, of any one size."""
        self.guides = torch.stack(list(guides)).half()[:, None]

    def add_points(self, points: list[np.ndarray]) -> None:
        """Give every triplet the sparse points [N, 3] that its target shows, in the target's axes;
        any number of them."""
        padded = np.zeros((len(points), max(1, *(len(p) for p in points)), 3), np.float32)
        for row, known in zip(padded, points, strict=True):
            row[: len(known)] = known
        self.points = torch.from_numpy(padded)

    def _decode(self, triplet: Triplet) -> np.ndarray:
        frames = decode(triplet.image, self.frames)
        if frames.shape[1:3] != (self.height, self.width):
            raise UserError(
                f"{triplet.image} has frames of {frames.shape[2]}x{frames.shape[1]} pixels, others"
                f" {self.width}x{self.height}. All domains that are trained together need triplets"
                " of one size; make them again."
            )
        return frames

    def batch(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """`images` [B, L, H, W, 3] uint8, `K` [B, 3, 3], `T` [B, S, 4, 4], `usable` [B, S], `up`
        [B, 3]; `guide` [B, 1, h, w] and `points` [B, N, 3] where they were added."""
        if self.cache is not None:
            images = self.cache[indices]
        else:
            images = torch.from_numpy(np.stack([self._decode(self.triplets[i]) for i in indices]))
        batch = {"images": images} | {
            name: getattr(self, name)[indices] for name in ("K", "T", "usable", "up")
        }
        if self.guides is not None:
            batch["guide"] = self.guides[indices]
        if self.points is not None:
            batch["points"] = self.points[indices]
        return batch


def with_step_lengths(triplets: list[Triplet], settings: PoseSettings) -> list[Triplet]:
    """The triplets with translations whose ratios within a scene are as good as is known.

    Two-view geometry knows the direction of a step and not its length. The length is taken from
    telemetry where all of the scene's are known, else from the time between the frames; both within
    a factor of two of the scene's median, so that no outlier counts. Poses from structure from
    motion keep theirs.
    """
    if settings.source != "two_view":
        return triplets
    by_scene: dict[str, list[Triplet]] = {}
    for triplet in triplets:
        by_scene.setdefault(triplet.scene, []).append(triplet)
    relative = {}
    for scene, members in by_scene.items():
        usable = np.concatenate([t.usable_S for t in members])
        measured = np.concatenate([t.lengths_S for t in members])[usable]
        known = bool(np.isfinite(measured).all() and (measured > 0).all())
        if settings.length == "telemetry" or (settings.length == "auto" and known):
            relative[scene] = (
                "lengths_S",
                float(np.nanmedian(measured)) if np.isfinite(measured).any() else 1.0,
            )
        elif settings.length == "constant":
            relative[scene] = ("gaps_S", 0.0)
        else:
            relative[scene] = (
                "gaps_S",
                float(np.median(np.concatenate([t.gaps_S for t in members])[usable])),
            )
    result = []
    for triplet in triplets:
        name, median = relative[triplet.scene]
        values = getattr(triplet, name)
        ratio = (
            np.ones(len(values))
            if median <= 0
            else np.clip(np.where(np.isfinite(values), values / median, 1.0), 0.5, 2.0)
        )
        T = triplet.T_S44.copy()
        norm = np.linalg.norm(T[:, :3, 3], axis=-1, keepdims=True)
        T[:, :3, 3] *= np.where(norm > 0, ratio[:, None] / np.where(norm > 0, norm, 1), 0.0)
        result.append(replace(triplet, T_S44=T))
    return result


def scaled_poses(triplet: Triplet, factor: float) -> np.ndarray:
    """`T_source_from_target` [S, 4, 4] of a triplet with translations multiplied by `factor`."""
    T = triplet.T_S44.copy()
    T[:, :3, 3] *= factor
    return T


class TripletBatches:
    """The batches of a training, from `first_step` to `steps`: what step n holds depends on the
    seed and n alone.

    Every pass over the triplets has its own order, unless it is given; a batch may span two passes,
    so that none is ragged. With several ranks each takes its share of every batch.
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
        order: Literal["shuffled", "given"] = "shuffled",
    ) -> None:
        self.store, self.batch_size, self.steps, self.seed = store, batch_size, steps, seed
        self.first_step, self.parts, self.rank, self.ranks = first_step, parts, rank, ranks
        self.order = order

    def __len__(self) -> int:
        return (self.steps - self.first_step) * self.parts

    def indices(self, step: int) -> list[int]:
        """Which triplets step `step` sees, over all ranks."""
        count = len(self.store)
        positions = range(step * self.batch_size, (step + 1) * self.batch_size)
        if self.order == "given":
            return [p % count for p in positions]
        orders = {p // count: None for p in positions}
        for turn in orders:
            generator = torch.Generator().manual_seed(_mixed(self.seed, 1, turn))
            orders[turn] = torch.randperm(count, generator=generator).tolist()
        return [orders[p // count][p % count] for p in positions]

    def _part(self, step: int, part: int) -> dict[str, torch.Tensor]:
        indices = self.indices(step)
        random = torch.rand(
            self.batch_size,
            RANDOM_NUMBERS,
            generator=torch.Generator().manual_seed(_mixed(self.seed, 2, step)),
        )
        chosen = list(range(self.batch_size))[
            part * self.ranks + self.rank :: self.parts * self.ranks
        ]
        batch = self.store.batch([indices[i] for i in chosen])
        batch["random"] = random[chosen]
        return batch

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        wanted = [
            (step, part)
            for step in range(self.first_step, self.steps)
            for part in range(self.parts)
        ]
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
