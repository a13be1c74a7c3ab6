"""The triplets of one run: a folder of lists in the usual layout, whose pictures stay where they
are."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder, write_list
from aerial_depth_pipeline.study.measuring import spread_evenly
from aerial_depth_pipeline.study.run import Run, StudyDomain

Target = tuple[str, int]
"""`<domain>/<scene>` and target frame."""


def select(
    run: Run, footage: Mapping[str, StudyDomain], held_out: Mapping[str, StudyDomain], folder: Path
) -> list[Target]:
    """Write the lists and poses that the run trains on.

    Args:
        footage: by domain, the triplets that the run trains on.
        held_out: by domain, the footage whose test frames are measured; no triplet that touches
            their time is trained on.
        folder: is emptied and receives `train.txt`, `val.txt`, `poses.parquet` and a link to each
            domain's pictures.

    Returns:
        The new triplets (without replayed ones) in the order of the list, each once.

    Raises:
        UserError: if nothing is left to train on.
    """
    poses = {name: TripletFolder(footage[name].folder).table("poses") for name in _domains(run)}
    new = [
        target
        for name in run.train_on
        for target in _usable(name, footage[name], poses[name], held_out[name], run)
    ]
    new = spread_evenly(new, run.training_triplets)
    if not new:
        raise UserError(
            f"There is no triplet to train on in {', '.join(run.train_on)}; see the scene report"
            " for why scenes were left out."
        )
    old = [] if run.replay is None else _buffer(run, footage, poses, held_out)
    remove(folder)
    folder.mkdir(parents=True)
    for name in _domains(run):
        (folder / name).symlink_to(footage[name].folder.resolve(), target_is_directory=True)
    lines = _in_time(new, old, run) if run.online_repeats else _mixed(new, old, run)
    write_list(folder, "train", lines)
    write_list(folder, "val", [])
    joined = pd.concat(
        [table.assign(scene=name + "/" + table["scene"]) for name, table in poses.items()],
        ignore_index=True,
    )
    TripletFolder(folder).write_table("poses", joined)
    return new


def fresh_in_batch(run: Run) -> int:
    """How many of an online run's batch are new triplets."""
    return (
        run.train.batch_size
        if run.replay is None
        else max(1, round(run.train.batch_size * (1 - run.replay.share)))
    )


def _domains(run: Run) -> list[str]:
    return list(dict.fromkeys([*run.train_on, *(run.replay.domains if run.replay else ())]))


def _usable(
    name: str, footage: StudyDomain, poses: pd.DataFrame, held_out: StudyDomain, run: Run
) -> list[Target]:
    """A domain's training triplets that have a pose and do not reach into the time of the test
    frames."""
    if not footage.train:  # then there are no poses either
        return []
    blocks: dict[str, tuple[int, int]] = {}
    for scene, frame in held_out.test:
        low, high = blocks.get(scene, (frame, frame))
        blocks[scene] = (min(low, frame), max(high, frame))
    if run.train.pose.source != "learned":
        poses = poses[poses["origin"] == run.train.pose.source]
        if run.train.pose.source == "two_view":
            poses = poses[poses["inliers"] >= run.train.pose.minimum_inliers]
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
        if clear and ((scene, frame) in spans or run.train.pose.source == "learned"):
            found.append((f"{name}/{scene}", frame))
    return found


def _buffer(
    run: Run,
    footage: Mapping[str, StudyDomain],
    poses: Mapping[str, pd.DataFrame],
    held_out: Mapping[str, StudyDomain],
) -> list[Target]:
    """The old triplets that are replayed: the same for every method of one seed."""
    assert run.replay is not None
    old = [
        target
        for name in run.replay.domains
        for target in _usable(name, footage[name], poses[name], held_out[name], run)
    ]
    if not old:
        raise UserError(f"There is no old triplet to replay in {', '.join(run.replay.domains)}.")
    order = np.random.default_rng([run.train.seed, 7]).permutation(len(old))[: run.replay.triplets]
    return [old[i] for i in order]


def _mixed(new: Sequence[Target], old: Sequence[Target], run: Run) -> list[Target]:
    """New and old triplets in the wished proportion; a small buffer comes several times."""
    if not old or run.replay is None:
        return list(new)
    count = round(len(new) * run.replay.share / (1 - run.replay.share))
    return [*new, *(old[i % len(old)] for i in range(max(1, count)))]


def _in_time(new: Sequence[Target], old: Sequence[Target], run: Run) -> list[Target]:
    """Batches of new triplets in the order of time, filled up with old ones, each batch as often as
    it is learned from."""
    size, fresh = run.train.batch_size, fresh_in_batch(run)
    lines, replayed = [], 0
    for batch in range(math.ceil(len(new) / fresh)):
        arrived = new[batch * fresh : (batch + 1) * fresh]
        for _ in range(run.online_repeats):
            fill = (
                [old[(replayed + i) % len(old)] for i in range(size - len(arrived))] if old else []
            )
            replayed += len(fill)
            # The last batch of a flight may be short: it begins again with its own triplets.
            lines += (
                (list(arrived) + fill) if old else [arrived[i % len(arrived)] for i in range(size)]
            )
    return lines
