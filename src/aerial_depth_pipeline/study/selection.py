"""The triplets of one cell: a folder of lists in the usual layout, whose pictures stay where they
are."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder, write_list
from aerial_depth_pipeline.study.cells import Cell, Footage
from aerial_depth_pipeline.study.measuring import spread_evenly

Target = tuple[str, int]
"""`<domain>/<scene>` and target frame."""


def select(
    cell: Cell, footage: Mapping[str, Footage], held_out: Mapping[str, Footage], folder: Path
) -> list[Target]:
    """Write the lists and poses that the cell trains on.

    Args:
        footage: by domain, the triplets that the cell trains on.
        held_out: by domain, the footage whose test frames are measured; no triplet that touches
            their time is trained on.
        folder: is emptied and receives `train.txt`, `val.txt`, `poses.parquet` and a link to each
            domain's pictures.

    Returns:
        The new triplets (without replayed ones) in the order of the list, each once.

    Raises:
        UserError: if nothing is left to train on.
    """
    poses = {name: TripletFolder(footage[name].folder).table("poses") for name in _domains(cell)}
    new = [
        target
        for name in cell.train_on
        for target in _usable(name, footage[name], poses[name], held_out[name], cell)
    ]
    new = spread_evenly(new, cell.training_triplets)
    if not new:
        raise UserError(
            f"There is no triplet to train on in {', '.join(cell.train_on)}; see the scene report"
            " for why scenes were left out."
        )
    old = [] if cell.replay is None else _buffer(cell, footage, poses, held_out)
    remove(folder)
    folder.mkdir(parents=True)
    for name in _domains(cell):
        (folder / name).symlink_to(footage[name].folder.resolve(), target_is_directory=True)
    lines = _in_time(new, old, cell) if cell.online_repeats else _mixed(new, old, cell)
    write_list(folder, "train", lines)
    write_list(folder, "val", [])
    joined = pd.concat(
        [table.assign(scene=name + "/" + table["scene"]) for name, table in poses.items()],
        ignore_index=True,
    )
    TripletFolder(folder).write_table("poses", joined)
    return new


def new_in_a_batch(cell: Cell) -> int:
    """How many of an online cell's batch are new triplets."""
    return (
        cell.train.batch_size
        if cell.replay is None
        else max(1, round(cell.train.batch_size * (1 - cell.replay.share)))
    )


def _domains(cell: Cell) -> list[str]:
    return list(dict.fromkeys([*cell.train_on, *(cell.replay.domains if cell.replay else ())]))


def _usable(
    name: str, footage: Footage, poses: pd.DataFrame, held_out: Footage, cell: Cell
) -> list[Target]:
    """A domain's training triplets that have a pose and do not reach into the time of the test
    frames."""
    if not footage.train:  # then there are no poses either
        return []
    blocks: dict[str, tuple[int, int]] = {}
    for scene, frame in held_out.test:
        low, high = blocks.get(scene, (frame, frame))
        blocks[scene] = (min(low, frame), max(high, frame))
    if cell.train.pose.source != "learned":
        poses = poses[poses["origin"] == cell.train.pose.source]
        if cell.train.pose.source == "two_view":
            poses = poses[poses["inliers"] >= cell.train.pose.minimum_inliers]
    sources = poses.groupby(["scene", "frame"])["source_frame"].agg(["min", "max"])
    spans = {
        key: (int(low), int(high))
        for key, low, high in zip(sources.index, sources["min"], sources["max"], strict=True)
    }
    found = []
    for scene, frame in sorted(footage.train):
        low, high = spans.get((scene, frame), (frame, frame))
        block = blocks.get(scene)
        clear = block is None or max(high, frame) < block[0] or min(low, frame) > block[1]
        if clear and ((scene, frame) in spans or cell.train.pose.source == "learned"):
            found.append((f"{name}/{scene}", frame))
    return found


def _buffer(
    cell: Cell,
    footage: Mapping[str, Footage],
    poses: Mapping[str, pd.DataFrame],
    held_out: Mapping[str, Footage],
) -> list[Target]:
    """The old triplets that are replayed: the same for every method of one seed."""
    assert cell.replay is not None
    old = [
        target
        for name in cell.replay.domains
        for target in _usable(name, footage[name], poses[name], held_out[name], cell)
    ]
    if not old:
        raise UserError(f"There is no old triplet to replay in {', '.join(cell.replay.domains)}.")
    order = np.random.default_rng([cell.train.seed, 7]).permutation(len(old))[
        : cell.replay.triplets
    ]
    return [old[i] for i in order]


def _mixed(new: Sequence[Target], old: Sequence[Target], cell: Cell) -> list[Target]:
    """New and old triplets in the wished proportion; a small buffer comes several times."""
    if not old or cell.replay is None:
        return list(new)
    count = round(len(new) * cell.replay.share / (1 - cell.replay.share))
    return [*new, *(old[i % len(old)] for i in range(max(1, count)))]


def _in_time(new: Sequence[Target], old: Sequence[Target], cell: Cell) -> list[Target]:
    """Batches of new triplets in the order of time, filled up with old ones, each batch as often as
    it is learned from."""
    size, fresh = cell.train.batch_size, new_in_a_batch(cell)
    lines, replayed = [], 0
    for batch in range(math.ceil(len(new) / fresh)):
        arrived = new[batch * fresh : (batch + 1) * fresh]
        for _ in range(cell.online_repeats):
            fill = (
                [old[(replayed + i) % len(old)] for i in range(size - len(arrived))] if old else []
            )
            replayed += len(fill)
            # The last batch of a flight may be short: it begins again with its own triplets.
            lines += (
                (list(arrived) + fill) if old else [arrived[i % len(arrived)] for i in range(size)]
            )
    return lines
