"""Training, validation and test: whole scenes or contiguous blocks of time, never neighbouring
frames in two parts."""

import logging
import random

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.triplets.settings import SplitSettings, TripletSettings

logger = logging.getLogger(__name__)

PARTS = ("train", "val", "test")


def split_triplets(
    targets: dict[str, list[int]], spans: dict[str, int], settings: TripletSettings | SplitSettings
) -> dict[str, list[tuple[str, int]]]:
    """Divide targets into `train`, `val` and `test`.

    Args:
        targets: frame numbers of the targets of each scene.
        spans: width of the widest triplet of each scene in frame numbers, first to last source
            (`make_triplets` returns it).
        settings: the split, or the triplets' settings that hold it.

    Returns:
        For each part its (scene, target), by scene and time. Targets in a gap between two blocks
        are in no part.

    Raises:
        UserError: where scenes are named that are not there, or naming leaves nothing to train on.
    """
    split = settings.split if isinstance(settings, TripletSettings) else settings
    scenes = sorted(scene for scene, frames in targets.items() if frames)
    named = bool(split.val_scenes or split.test_scenes)
    by_scene = split.by == "scene" or (
        split.by == "auto" and (named or (len(scenes) >= 3 and (split.val > 0 or split.test > 0)))
    )
    if by_scene and len(scenes) == 1 and not named:
        by_scene = False  # one scene cannot be shared out whole
    parts: dict[str, list[tuple[str, int]]] = {part: [] for part in PARTS}
    if by_scene:
        for scene, part in _parts_of_scenes(targets, scenes, split).items():
            parts[part] += [(scene, frame) for frame in sorted(targets[scene])]
        return parts
    for scene in scenes:
        for part, frames in _blocks(sorted(targets[scene]), spans[scene], split).items():
            parts[part] += [(scene, frame) for frame in frames]
    return parts


def _parts_of_scenes(
    targets: dict[str, list[int]], scenes: list[str], split: SplitSettings
) -> dict[str, str]:
    known = set(targets)
    for scene in (*split.val_scenes, *split.test_scenes):
        if scene not in known:
            raise UserError(
                f"triplets.split names the scene '{scene}', which is not there; the scenes are"
                f" {', '.join(sorted(known))}."
            )
    part_of = {scene: "test" for scene in split.test_scenes} | {
        scene: "val" for scene in split.val_scenes
    }
    free = [scene for scene in scenes if scene not in part_of]
    random.Random(split.seed).shuffle(free)
    total = sum(len(targets[scene]) for scene in scenes)
    for part, share, names in (
        ("test", split.test, split.test_scenes),
        ("val", split.val, split.val_scenes),
    ):
        if names or share <= 0:
            continue
        count = 0
        # At least one scene, as a share above zero asks for one; and one is left for training.
        while len(free) > 1 and (count == 0 or count + len(targets[free[-1]]) / 2 < share * total):
            scene = free.pop()
            part_of[scene] = part
            count += len(targets[scene])
    part_of |= dict.fromkeys(free, "train")
    chosen = {scene: part_of[scene] for scene in scenes}
    if scenes and "train" not in chosen.values():
        raise UserError(
            "triplets.split gives every scene to validation or test; leave at least one for"
            " training."
        )
    return chosen


def _blocks(frames: list[int], span: int, split: SplitSettings) -> dict[str, list[int]]:
    """Training, validation, test, training; from one block's last target to the next one's first
    more than `span` frames.

    What is measured lies in the middle of the scene, because that is where the reconstruction of a
    long scene is.
    """
    count = len(frames)
    sizes = {
        part: max(1, round(share * count)) if share > 0 else 0
        for part, share in (("val", split.val), ("test", split.test))
    }
    blocks: dict[str, list[int]] = {"train": frames, "val": [], "test": []}
    start = (count - sum(sizes.values())) // 2
    measured: list[int] = []
    for part in ("val", "test"):
        free = [frame for frame in frames[start:] if not measured or frame - measured[-1] > span]
        blocks[part] = free[: sizes[part]]
        measured += blocks[part]
    if measured:
        blocks["train"] = [
            frame for frame in frames if measured[0] - frame > span or frame - measured[-1] > span
        ]
    if not blocks["train"] or any(len(blocks[part]) < sizes[part] for part in sizes):
        logger.warning(
            "A scene of %d targets is too short for blocks with gaps of %d frames; all of it is for"
            " training.",
            count,
            span,
        )
        return {"train": frames, "val": [], "test": []}
    return blocks
