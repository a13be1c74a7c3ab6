"""Triplets on disk as training samples: images, calibration, poses, attitude, sparse points."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from PIL import Image

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.cameras import UP_COLUMNS
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder, read_calibration, read_list
from aerial_depth_pipeline.training.settings import PoseSettings

log = logging.getLogger(__name__)

Item = TypeVar("Item")
_T_COLUMNS = [f"t{row}{column}" for row in range(4) for column in range(4)]


@dataclass
class Triplet:
    """One training sample.

    Attributes:
        scene: `<domain>/<scene>`.
        image: the file with the frames side by side.
        K_33: calibration in pixels at that size.
        T_S44: `T_source_from_target`, translation as stored; identity where there is none.
        usable_S: sources whose pose may be trusted.
        lengths_S: length of each step in metres, NaN where unknown.
        gaps_S: number of video frames between target and source.
        up_3: the upward direction in the target's axes (x right, y down, z forward), NaN where
            unknown.
        length_factor: by what the translation is longer than as stored, which own points are in
            proportion to.
    """

    scene: str
    image: Path
    K_33: np.ndarray
    T_S44: np.ndarray
    usable_S: np.ndarray
    lengths_S: np.ndarray
    gaps_S: np.ndarray
    up_3: np.ndarray
    length_factor: float = 1.0

    @property
    def frames(self) -> int:
        """Number of frames in the image."""
        return len(self.T_S44) + 1


def read_triplets(domain: str, folder: Path, split: str, settings: PoseSettings) -> list[Triplet]:
    """The triplets of one split of a domain that have at least one usable source.

    Raises:
        UserError: where the list, a calibration or the poses are missing or unreadable.
    """
    folder, entries = Path(folder), read_list(folder, split)
    poses = _read_poses(folder, domain, settings)
    # A table with rows of both origins counts every source twice.
    sources = max((rows["source_frame"].nunique() for rows in poses.values()), default=2)
    sources += sources % 2
    triplets = []
    for scene, target in entries:
        files = TripletFolder(folder / scene)
        triplet = _without_poses(f"{domain}/{scene}", files.image_file(target), sources)
        _add_poses(triplet, poses.get((scene, target)), target, settings)
        if triplet.usable_S.any():
            triplet.K_33 = read_calibration(files.calibration_file(target))
            triplets.append(triplet)
    if unusable := len(entries) - len(triplets):
        log.info(
            "%s: %d of %d %s triplets have no reliable %s pose and are skipped.",
            *(domain, unusable, len(entries), split, settings.source),
        )
    return triplets


def read_points(triplets: Sequence[Triplet]) -> list[np.ndarray]:
    """The sparse points [N, 3] that each target shows, in its camera's axes; none where its scene
    has no reconstruction.

    Raises:
        UserError: where no scene has points.
    """
    points: dict[tuple[Path, int], np.ndarray] = {}
    for scene in {TripletFolder(t.image.parent) for t in triplets}:
        if scene.table_file("points").is_file():
            for frame, rows in scene.table("points").groupby("frame"):
                points[scene.path, int(frame)] = rows[["x", "y", "z"]].to_numpy(np.float32)
    if not points:
        raise UserError(
            "train.loss.sparse needs the sparse points of structure from motion, and no scene has"
            " any. Run the pipelines ground_truth and triplets first, or set train.loss.sparse"
            " to 0."
        )
    none = np.zeros((0, 3), np.float32)
    return [points.get((t.image.parent, int(t.image.stem)), none) for t in triplets]


def decode(path: Path, count: int = 3) -> np.ndarray:
    """The frames [L, H, W, 3], uint8, of an image that holds `count` of them side by side.

    Raises:
        UserError: where the image is missing, damaged or not `count` frames wide.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}). Make the triplets again.") from error
    if pixels.shape[1] % count:
        raise UserError(
            f"{path} is {pixels.shape[1]} pixels wide, which is not {count} frames side by side."
            " Make the triplets again."
        )
    return np.ascontiguousarray(np.stack(np.split(pixels, count, axis=1)))


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(items) - 1, count).round().astype(int)
    return [items[place] for place in np.unique(places)]


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
    groups = table.groupby(["scene", "frame"])
    return {(str(scene), int(frame)): rows for (scene, frame), rows in groups}


def _without_poses(scene: str, image: Path, sources: int) -> Triplet:
    T, usable = np.tile(np.eye(4), (sources, 1, 1)), np.zeros(sources, bool)
    lengths, gaps, up = np.full(sources, np.nan), np.ones(sources), np.full(3, np.nan)
    return Triplet(scene, image, np.eye(3), T, usable, lengths, gaps, up)


def _add_poses(
    triplet: Triplet, rows: pd.DataFrame | None, target: int, settings: PoseSettings
) -> None:
    """Enter what the rows of a target's poses say; what is missing or unreliable is not usable."""
    if rows is not None and set(UP_COLUMNS) <= set(rows.columns):
        triplet.up_3 = rows[UP_COLUMNS].iloc[0].to_numpy(float)
    if settings.source == "learned":
        triplet.usable_S[:] = True
        return
    if rows is None:
        return
    reach, rows = len(triplet.T_S44) // 2, rows.sort_values("source_frame")
    before, after = rows["source_frame"] < target, rows["source_frame"] > target
    for side, first in ((rows[before], 0), (rows[after], reach)):
        if len(side) != reach:
            continue  # which of the sources is missing cannot be told
        for slot, (_, row) in enumerate(side.iterrows(), first):
            T = row[_T_COLUMNS].to_numpy(float).reshape(4, 4)
            reliable = bool(np.isfinite(T).all()) and np.linalg.norm(T[:3, 3]) > 0
            if settings.source == "two_view":
                reliable = reliable and row["inliers"] >= settings.minimum_inliers
            if reliable:
                triplet.T_S44[slot], triplet.usable_S[slot] = T, True
                triplet.lengths_S[slot] = row["length"]
                triplet.gaps_S[slot] = abs(row["source_frame"] - target)
