"""Training, validation and test: whole scenes, or blocks that share no ground, never neighbouring
frames in two parts."""

import itertools
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aerial_depth_pipeline.configuration import did_you_mean
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.split_record import SplitRecord
from aerial_depth_pipeline.triplets.ground import Ground, Target, groups_of
from aerial_depth_pipeline.triplets.settings import SplitSettings

logger = logging.getLogger(__name__)

PARTS = ("train", "val", "test")
Blocks = dict[str, list[Target]]

_SAME_RECORDING = 2.0  # seconds between two pieces; files state whole seconds
_FEWEST = 0.4  # share of what a split without gaps trains on
_NEARLY = 0.8  # of the most that any blocks leave


@dataclass(frozen=True)
class Split:
    """The triplets of each of `PARTS`, by scene and time, and how they came there."""

    parts: dict[str, list[Target]]
    record: SplitRecord


def split_triplets(
    targets: dict[str, list[int]],
    spans: dict[str, int],
    split: SplitSettings,
    ground: Ground | None = None,
    recorded: Mapping[str, Sequence[float] | None] | None = None,
) -> Split:
    """Divide targets into `train`, `val` and `test`.

    Args:
        targets: frame numbers of the targets of each scene.
        spans: width of the widest triplet of each scene, as `make_triplets` returns it.
        split: see `SplitSettings`.
        ground: which ground the triplets show, where it is known.
        recorded: seconds since 1970 at which the recording of a scene began and ended, where its
            file says so.

    Returns:
        Targets in a gap between two blocks are in no part.

    Raises:
        UserError: where scenes are named that are not there.
    """
    ground = ground or Ground()
    scenes = sorted(scene for scene, frames in targets.items() if frames)
    shared = ground.shared()
    pairs = [(a, b) for a, b, _ in shared] + _pieces(recorded or {})
    groups = groups_of(scenes, pairs)
    together = [group for group in groups if len(group) > 1]
    for group in together:
        logger.info("%s share ground or a recording and stay together.", ", ".join(group))
    named = bool(split.val_scenes or split.test_scenes)
    enough = named or (len(groups) >= 3 and (split.val > 0 or split.test > 0))
    by_scene = split.by == "scene" or (split.by == "auto" and enough)
    by_scene = by_scene and (named or len(groups) != 1)  # one flight cannot be shared out whole
    parts: dict[str, list[Target]] = {part: [] for part in PARTS}
    how: Literal["scene", "ground", "time"] = "scene"
    if by_scene:
        part_of = _parts_of_scenes(targets, groups, split)
        for scene in scenes:
            parts[part_of[scene]] += [(scene, frame) for frame in sorted(targets[scene])]
        _warn_of_shared_ground(part_of, shared)
    elif split.val or split.test:
        how = "ground"
        # Places along a flight tell nothing of another; where they are all there is, each is cut.
        on_plan = {scene for scene, basis in ground.basis.items() if basis == "positions"}
        alone = [[[scene] for scene in group] for group in groups if not on_plan >= set(group)]
        cut = [group for group in groups if on_plan >= set(group)]
        for group in [*cut, *itertools.chain.from_iterable(alone)]:
            blocks = _blocks_of_group(group, targets, ground, split)
            if blocks is None:
                how = "time"
                blocks = _blocks_of_time(group, targets, spans, split)
            for part in PARTS:
                parts[part] += blocks[part]
    else:
        parts["train"] = [(scene, frame) for scene in scenes for frame in sorted(targets[scene])]
    parts = {part: sorted(block) for part, block in parts.items()}
    left_out = sum(map(len, targets.values())) - sum(map(len, parts.values()))
    if left_out:
        logger.info("%d triplets between the blocks are in no list.", left_out)
    basis = sorted({ground.basis[scene] for scene, _ in parts["test"] if scene in ground.basis})
    seen = ground.seen(parts["test"], parts["train"])
    record = SplitRecord(how, seen, basis, left_out, together)
    if how == "time" and parts["test"]:
        logger.warning(
            "%s and cut by time: %s. Hold out whole flights (triplets.split.test_scenes).",
            "Flights are too short for blocks apart on the ground"
            if set(scenes) <= set(ground.basis)
            else "Flights have neither positions nor motion to tell where their frames lie",
            record.share_seen,
        )
    return Split(parts, record)


def _pieces(recorded: Mapping[str, Sequence[float] | None]) -> list[tuple[str, str]]:
    """Pairs of scenes of which one was recorded right after the other, as the pieces are into which
    a drone cuts a long recording."""
    known = {scene: times for scene, times in recorded.items() if times is not None}
    return [
        (a, b)
        for a, (_, end) in known.items()
        for b, (start, _) in known.items()
        if a != b and abs(start - end) <= _SAME_RECORDING
    ]


def _warn_of_shared_ground(
    part_of: Mapping[str, str], shared: Iterable[tuple[str, str, float]]
) -> None:
    """Name every held-out scene with the training scenes over the same ground."""
    trained: dict[str, list[str]] = {}
    for a, b, share in shared:
        for held, other in ((a, b), (b, a)):
            if part_of[held] != "train" == part_of[other]:
                trained.setdefault(held, []).append(f"{other} ({100 * share:.0f} %)")
    for held, others in trained.items():
        logger.warning(
            "The scene '%s' is for %s and shares ground with scenes that are trained on: %s of the"
            " smaller one's ground. Name those for %s too.",
            held,
            part_of[held],
            ", ".join(others),
            part_of[held],
        )


def _parts_of_scenes(
    targets: dict[str, list[int]], groups: list[list[str]], split: SplitSettings
) -> dict[str, str]:
    scenes = [scene for group in groups for scene in group]
    check_named_scenes(split.model_copy(update={"test_domains": []}), {"": targets})
    part_of = dict.fromkeys(split.test_scenes, "test") | dict.fromkeys(split.val_scenes, "val")
    free = [group for group in groups if not part_of.keys() & group]
    random.Random(split.seed).shuffle(free)
    total = sum(len(targets[scene]) for scene in scenes)
    shares = (("test", split.test, split.test_scenes), ("val", split.val, split.val_scenes))

    def size(group: list[str]) -> int:
        return sum(len(targets[scene]) for scene in group)

    for part, share, names in shares:
        if names or share <= 0:
            continue
        count = 0
        # At least one scene, as a share above zero asks for one; and one is left for training.
        while len(free) > 1 and (count == 0 or count + size(free[-1]) / 2 < share * total):
            group = free.pop()
            part_of |= dict.fromkeys(group, part)
            count += size(group)
    return {scene: part_of.get(scene, "train") for scene in scenes}


def _blocks_of_group(
    group: list[str], targets: dict[str, list[int]], ground: Ground, split: SplitSettings
) -> Blocks | None:
    """Blocks that share no ground, cut by time or along the axes of the area that was flown over,
    in the middle or at the end, whichever leaves the most to train on; by time in the middle where
    that leaves nearly as much. None where too few are left, or the ground is not known."""
    if not set(group) <= set(ground.basis):
        return None
    by_time = [(scene, frame) for scene in group for frame in sorted(targets[scene])]
    orders = [by_time]
    if all(target in ground.centers for target in by_time):
        centers = np.array([ground.centers[target] for target in by_time])
        centers -= centers.mean(0)
        for axis in np.linalg.eigh(centers.T @ centers)[1].T:
            orders.append([by_time[i] for i in np.argsort(centers @ axis, kind="stable")])
    cuts = [
        blocks
        for middle, order in itertools.product((True, False), orders)
        if (blocks := _cut(order, ground.is_apart, split, middle))
    ]
    most = max((len(blocks["train"]) for blocks in cuts), default=0)
    if most < max(1, _FEWEST * (1 - split.val - split.test) * len(by_time)):
        return None
    return next(blocks for blocks in cuts if len(blocks["train"]) >= _NEARLY * most)


def _blocks_of_time(
    group: list[str], targets: dict[str, list[int]], spans: dict[str, int], split: SplitSettings
) -> Blocks:
    """Blocks of each scene that share no frame; all of a scene for training where it is short."""
    found: Blocks = {part: [] for part in PARTS}
    for scene in group:
        order = [(scene, frame) for frame in sorted(targets[scene])]
        span = spans[scene]

        def is_apart(some: list[Target], others: list[Target], span: int = span) -> np.ndarray:
            if not others:
                return np.ones(len(some), bool)
            frames, taken = (np.array([frame for _, frame in block]) for block in (some, others))
            return np.abs(frames[:, None] - taken).min(1) > span

        blocks = _cut(order, is_apart, split)
        if blocks is None:
            logger.warning(
                "A scene of %d targets is too short for blocks with gaps of %d frames; all of it is"
                " for training.",
                len(order),
                span,
            )
            blocks = {"train": order, "val": [], "test": []}
        for part in PARTS:
            found[part] += blocks[part]
    return found


def _cut(
    order: list[Target],
    is_apart: Callable[[list[Target], list[Target]], np.ndarray],
    split: SplitSettings,
    middle: bool = True,
) -> Blocks | None:
    """Training, validation, test, training; what is measured lies in the middle of a scene, where
    the reconstruction of a long scene is, or else at the end. None where a block is too short."""
    shares = (("val", split.val), ("test", split.test))
    sizes = {part: max(1, round(share * len(order))) if share > 0 else 0 for part, share in shares}
    start = (len(order) - sum(sizes.values())) // 2
    if not middle:
        order, start = order[::-1], 0
    blocks: Blocks = {}
    measured: list[Target] = []
    for part, size in sizes.items():
        rest = order[start:]
        blocks[part] = list(itertools.compress(rest, is_apart(rest, measured)))[:size]
        measured = measured + blocks[part]
    blocks["train"] = list(itertools.compress(order, is_apart(order, measured)))
    if not blocks["train"] or any(len(blocks[part]) < size for part, size in sizes.items()):
        return None
    return blocks


def check_named_scenes(split: SplitSettings, scenes: Mapping[str, Iterable[str]]) -> None:
    """Refuse a split that names a scene without triplets: it would be trained on, or another one
    tested in its place.

    Args:
        split: names scenes as `scene` or `domain/scene`.
        scenes: domain → its scenes with triplets.

    Raises:
        UserError: with the closest names that there are.
    """
    there = {f"{domain}/{scene}" for domain, names in scenes.items() for scene in names}
    there |= {name.rpartition("/")[2] for name in there}
    for field in ("val_scenes", "test_scenes"):
        for name in getattr(split, field):
            if name not in there:
                raise UserError(
                    f"triplets.split.{field} names the scene '{name}', which has no triplets;"
                    " scene_report.csv says which scenes were left out and why."
                    f"{did_you_mean(name, sorted(there))}"
                )
    for name in split.test_domains:
        if name not in scenes:
            raise UserError(
                f"triplets.split.test_domains names the domain '{name}', which globals.yml does not"
                f" list.{did_you_mean(name, scenes)}"
            )
