"""Training, validation and test: whole scenes or contiguous blocks of time, never neighbouring
frames in two parts."""

import logging
import random
from collections.abc import Iterable, Mapping

from aerial_depth_pipeline.configuration import did_you_mean
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.triplets.settings import SplitSettings

logger = logging.getLogger(__name__)

PARTS = ("train", "val", "test")


def split_triplets(
    targets: dict[str, list[int]], spans: dict[str, int], split: SplitSettings
) -> dict[str, list[tuple[str, int]]]:
    """Divide targets into `train`, `val` and `test`.

    Args:
        targets: frame numbers of the targets of each scene.
        spans: width of the widest triplet of each scene, as `make_triplets` returns it.
        split: see `SplitSettings`.

    Returns:
        For each part its (scene, target), by scene and time. Targets in a gap between two blocks
        are in no part.

    Raises:
        UserError: where scenes are named that are not there.
    """
    scenes = sorted(scene for scene, frames in targets.items() if frames)
    named = bool(split.val_scenes or split.test_scenes)
    enough = named or (len(scenes) >= 3 and (split.val > 0 or split.test > 0))
    by_scene = split.by == "scene" or (split.by == "auto" and enough)
    by_scene = by_scene and (named or len(scenes) != 1)  # one scene cannot be shared out whole
    parts: dict[str, list[tuple[str, int]]] = {part: [] for part in PARTS}
    part_of = _parts_of_scenes(targets, scenes, split) if by_scene else {}
    for scene in scenes:
        frames = sorted(targets[scene])
        blocks = {part_of[scene]: frames} if by_scene else _blocks(frames, spans[scene], split)
        for part, block in blocks.items():
            parts[part] += [(scene, frame) for frame in block]
    return parts


def _parts_of_scenes(
    targets: dict[str, list[int]], scenes: list[str], split: SplitSettings
) -> dict[str, str]:
    check_named_scenes(split.model_copy(update={"test_domains": []}), {"": targets})
    part_of = dict.fromkeys(split.test_scenes, "test") | dict.fromkeys(split.val_scenes, "val")
    free = [scene for scene in scenes if scene not in part_of]
    random.Random(split.seed).shuffle(free)
    total = sum(len(targets[scene]) for scene in scenes)
    shares = (("test", split.test, split.test_scenes), ("val", split.val, split.val_scenes))
    for part, share, names in shares:
        if names or share <= 0:
            continue
        count = 0
        # At least one scene, as a share above zero asks for one; and one is left for training.
        while len(free) > 1 and (count == 0 or count + len(targets[free[-1]]) / 2 < share * total):
            scene = free.pop()
            part_of[scene] = part
            count += len(targets[scene])
    return {scene: part_of.get(scene, "train") for scene in scenes}


def _blocks(frames: list[int], span: int, split: SplitSettings) -> dict[str, list[int]]:
    """Training, validation, test, training; from one block's last target to the next one's first
    more than `span` frames. What is measured lies in the middle of the scene, where the
    reconstruction of a long scene is."""
    count = len(frames)
    shares = (("val", split.val), ("test", split.test))
    sizes = {part: max(1, round(share * count)) if share > 0 else 0 for part, share in shares}
    blocks, start = {"train": frames}, (count - sum(sizes.values())) // 2
    measured: list[int] = []
    for part, size in sizes.items():
        free = [frame for frame in frames[start:] if not measured or frame - measured[-1] > span]
        blocks[part] = free[:size]
        measured += blocks[part]
    if measured:
        first, last = measured[0], measured[-1]
        blocks["train"] = [f for f in frames if first - f > span or f - last > span]
    if not blocks["train"] or any(len(blocks[part]) < size for part, size in sizes.items()):
        logger.warning(
            "A scene of %d targets is too short for blocks with gaps of %d frames; all of it is for"
            " training.",
            count,
            span,
        )
        return {"train": frames, "val": [], "test": []}
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
