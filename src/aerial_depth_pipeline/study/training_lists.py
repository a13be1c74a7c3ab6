"""The triplets of one run: a folder of lists in the usual layout, whose pictures stay where they
are."""

from collections.abc import Mapping, Sequence
from itertools import chain, cycle, islice
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder, write_list
from aerial_depth_pipeline.study.measuring import spread_evenly
from aerial_depth_pipeline.study.run import Footage, Run, StudyDomain

Target = tuple[str, int]
"""`<domain>/<scene>` and target frame."""
Batch = list[Target]


def select(run: Run, footage: Footage, held_out: Footage, folder: Path) -> list[Target]:
    """Write the lists and poses that the run trains on.

    Args:
        footage: the triplets that the run trains on.
        held_out: the footage whose test frames are measured; no triplet that touches their time is
            trained on.
        folder: is emptied and receives `train.txt`, `val.txt`, `poses.parquet` and a link to each
            domain's pictures.

    Returns:
        The new triplets (without replayed ones) in the order of the list, each once.

    Raises:
        UserError: if nothing is left to train on.
    """
    domains = dict.fromkeys([*run.train_on, *(run.replay.domains if run.replay else ())])
    poses = {name: TripletFolder(footage[name].folder).table("poses") for name in domains}
    usable = {name: _usable(run, footage[name], poses[name], held_out[name]) for name in domains}
    new = spread_evenly([t for name in run.train_on for t in usable[name]], run.training_triplets)
    if not new:
        raise UserError(
            f"There is no triplet to train on in {', '.join(run.train_on)}; see the scene report"
            " for why scenes were left out."
        )
    old = _buffer(run, usable)
    remove(folder)
    folder.mkdir(parents=True)
    for name in domains:
        (folder / name).symlink_to(footage[name].folder.resolve(), target_is_directory=True)
    lines = _in_time(new, old, run) if run.online_repeats else _mixed(new, old, run)
    write_list(folder, "train", lines)
    write_list(folder, "val", [])
    tables = [table.assign(scene=name + "/" + table["scene"]) for name, table in poses.items()]
    TripletFolder(folder).write_table("poses", pd.concat(tables, ignore_index=True))
    return new


def online_batches(new: list[Target], run: Run) -> list[Batch]:
    """The new triplets of each of an online run's batches, which old ones fill up."""
    share = 0.0 if run.replay is None else run.replay.share
    size = max(1, round(run.train.batch_size * (1 - share)))
    return [new[start : start + size] for start in range(0, len(new), size)]


def _usable(
    run: Run, footage: StudyDomain, poses: pd.DataFrame, held_out: StudyDomain
) -> list[Target]:
    """A domain's training triplets that have a pose and do not reach into the time of the test
    frames."""
    if not footage.train:  # then there are no poses either
        return []
    blocks: dict[str, tuple[int, int]] = {}
    for scene, frame in held_out.test:
        low, high = blocks.get(scene, (frame, frame))
        blocks[scene] = (min(low, frame), max(high, frame))
    source = run.train.pose.source
    if source != "learned":
        poses = poses[poses["origin"] == source]
        if source == "two_view":
            poses = poses[poses["inliers"] >= run.train.pose.minimum_inliers]
    sources = poses.groupby(["scene", "frame"])["source_frame"].agg(["min", "max"])
    spans = dict(zip(sources.index, sources.to_numpy().tolist(), strict=True))
    found = []
    for scene, frame in sorted(footage.train):
        low, high = spans.get((scene, frame), (frame, frame))
        first, last = blocks.get(scene, (np.inf, np.inf))
        clear = max(high, frame) < first or min(low, frame) > last
        if clear and ((scene, frame) in spans or source == "learned"):
            found.append((f"{footage.domain}/{scene}", frame))
    return found


def _buffer(run: Run, usable: Mapping[str, Sequence[Target]]) -> list[Target]:
    """The old triplets that are replayed: the same for every method of one seed."""
    if run.replay is None:
        return []
    old = [target for name in run.replay.domains for target in usable[name]]
    if not old:
        raise UserError(f"There is no old triplet to replay in {', '.join(run.replay.domains)}.")
    order = np.random.default_rng([run.train.seed, 7]).permutation(len(old))[: run.replay.triplets]
    return [old[i] for i in order]


def _mixed(new: Sequence[Target], old: Sequence[Target], run: Run) -> list[Target]:
    """New and old triplets in the wished proportion; a small buffer comes several times."""
    if run.replay is None:
        return list(new)
    count = round(len(new) * run.replay.share / (1 - run.replay.share))
    return [*new, *islice(cycle(old), max(1, count))]


def _in_time(new: list[Target], old: Sequence[Target], run: Run) -> list[Target]:
    """Batches of new triplets in the order of time, filled up with old ones, each batch as often as
    it is learned from."""
    lines: list[Target] = []
    replayed = cycle(old)
    for arrived in online_batches(new, run):
        for _ in range(run.online_repeats):
            # The last batch of a flight may be short: it begins again with its own triplets.
            filled = chain(arrived, replayed) if old else cycle(arrived)
            lines += islice(filled, run.train.batch_size)
    return lines
