"""What a model has learned from, what is new since, and what a challenger learns tonight."""

import dataclasses
import logging
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import fingerprint_of, remove
from aerial_depth_pipeline.formats.triplet_folder import write_list
from aerial_depth_pipeline.retraining.settings import NightlySettings
from aerial_depth_pipeline.triplets.ground import Ground
from aerial_depth_pipeline.triplets.settings import SplitSettings
from aerial_depth_pipeline.triplets.splits import PARTS, split_triplets

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneRecord:
    """A scene as a model knows it: what its triplets were made from, and which of them are for
    what."""

    fingerprint: str
    train: list[int] = field(default_factory=list)
    val: list[int] = field(default_factory=list)
    test: list[int] = field(default_factory=list)


Record = dict[str, SceneRecord]
"""Scenes by `<domain>/<scene>`."""
Target = tuple[str, int]
"""Scene and target frame."""


def record_to_json(record: Mapping[str, SceneRecord]) -> dict[str, Any]:
    """The record as it is kept with a version of the model."""
    return {name: dataclasses.asdict(scene) for name, scene in sorted(record.items())}


def record_from_json(content: Mapping[str, Any]) -> Record:
    """The record that `record_to_json` gave."""
    return {name: SceneRecord(**scene) for name, scene in content.items()}


def scenes_of_domain(
    domain: str,
    splits: Mapping[str, Sequence[Target]],
    fingerprints: Mapping[str, str],
    spans: Mapping[str, int],
    hold_out: float,
    ground: Ground | None = None,
) -> Record:
    """A domain's scenes as they are now. A scene that the lists give to training alone has a block
    cut out that shares no ground with what stays for training, of this scene or another; a block of
    time where too little is known or left for that.

    Args:
        splits: the domain's lists, `train`, `val`, `test` → pairs of scene and target frame.
        fingerprints: of each scene's triplets.
        spans: width of each scene's widest triplet in frame numbers, the gap beside the block.
        hold_out: size of the block as a share of the scene's triplets.
        ground: which ground the triplets show, where it is known.
    """
    targets: dict[tuple[str, str], list[int]] = defaultdict(list)
    for part in PARTS:
        for scene, target in splits[part]:
            targets[scene, part].append(target)
    cut = SplitSettings(by="ground", val=0.0, test=hold_out)
    ground = ground or Ground()
    record, held_out = {}, []
    for scene, fingerprint in fingerprints.items():
        parts = {part: targets[scene, part] for part in PARTS}
        if parts["train"] and not parts["val"] and not parts["test"]:
            alone = {scene: parts["train"]}, {scene: spans[scene]}
            blocks = split_triplets(*alone, cut, ground.of({scene})).parts
            parts = {part: [target for _, target in blocks[part]] for part in PARTS}
            held_out += [pair for pair in blocks["test"] if pair in ground.shown]
        record[f"{domain}/{scene}"] = SceneRecord(fingerprint, **parts)
    return {name: _apart(name, entry, held_out, ground) for name, entry in record.items()}


def _apart(
    name: str, entry: SceneRecord, held_out: Sequence[Target], ground: Ground
) -> SceneRecord:
    """A scene without the training triplets that show ground of other scenes' blocks."""
    scene = name.partition("/")[2]
    pairs = [(scene, target) for target in entry.train]
    others = [pair for pair in held_out if pair[0] != scene]
    if scene not in ground.basis or not others:
        return entry
    kept = [
        target
        for target, apart in zip(entry.train, ground.is_apart(pairs, others), strict=True)
        if apart
    ]
    if len(kept) < len(entry.train):
        log.info(
            "%s: %d triplets show ground that other scenes' blocks hold out; they are not learned.",
            name,
            len(entry.train) - len(kept),
        )
    return dataclasses.replace(entry, train=kept)


@dataclass(frozen=True)
class Plan:
    """One night's work.

    Attributes:
        name: of the night, for its report.
        champion: version of the model in service; None on the first night.
        new: scenes that the challenger learns.
        old: the champion's scenes whose footage is as it was: they are replayed, and their held-out
            blocks measured.
        held_out: scenes that the lists keep for measuring alone; they join the hold-out of the next
            champion.
        learned: all that the champion remembers, also of scenes that have gone.
        waiting: scenes that are new and not learned tonight, with the reason.
    """

    name: str
    champion: str | None
    new: Record
    old: Record
    held_out: Record
    learned: Record
    waiting: dict[str, str]

    @property
    def record(self) -> Record:
        """What the challenger will remember."""
        return {**self.learned, **self.held_out, **self.new}

    @property
    def fingerprint(self) -> str:
        """Of the data behind the challenger."""
        return fingerprint_of(record_to_json(self.record))

    def ground_learned_before(self, domain: str, ground: Ground) -> float | None:
        """Share of the ground of a domain's new blocks that the champion has learned; None where
        that is not known or there is nothing to tell."""
        new, old = (
            [(scene, target) for scene, some in found.get(domain, {}).items() for target in some]
            for found in (self.targets(self.new, "test"), self.targets(self.old, "train"))
        )
        return ground.seen(new, old)

    @staticmethod
    def targets(scenes: Record, part: str) -> dict[str, dict[str, set[int]]]:
        """Domain → scene → targets of one part, for the scenes that have any."""
        found: dict[str, dict[str, set[int]]] = {}
        for scene, target in _pairs(scenes, part):
            domain, _, name = scene.partition("/")
            found.setdefault(domain, {}).setdefault(name, set()).add(target)
        return found


def plan_night(
    name: str,
    now: Record,
    champion: str | None,
    learned: Record,
    refused: Mapping[tuple[str, str], str],
    retry_refused: bool = False,
    minimum_scenes: int = 1,
) -> Plan:
    """Compare what is there with what the champion has learned.

    Args:
        now: all scenes as they are.
        champion: version of the model in service, if any.
        learned: its record.
        refused: scene and fingerprint → version of the challenger that learned it and was refused
            or rolled back.
        retry_refused: learn from those as well.
        minimum_scenes: new scenes that a champion's challenger needs; fewer wait for more.
    """
    old = {
        scene: entry
        for scene, entry in learned.items()
        if scene in now and now[scene].fingerprint == entry.fingerprint
    }
    waiting, fresh, held_out = {}, {}, {}
    for scene, entry in now.items():
        if scene in old:
            continue
        version = refused.get((scene, entry.fingerprint))
        if entry.train and version is not None and not retry_refused:
            waiting[scene] = (
                f"version {version} learned from it and did not stay in service; it waits until its"
                " footage changes"
            )
        elif entry.train:
            fresh[scene] = entry
        elif not (scene in learned and learned[scene].train):
            held_out[scene] = entry
    if champion is not None and len(fresh) < minimum_scenes:
        reason = f"it waits until there are {minimum_scenes} new scenes: fewer cannot tell skill"
        waiting |= dict.fromkeys(fresh, f"{reason} from luck (nightly.minimum_scenes)")
        fresh = {}
    if champion is None and fresh:
        # Training from scratch needs everything there is, also what was in an earlier attempt.
        fresh = {scene: entry for scene, entry in now.items() if entry.train}
        waiting = {}
    return Plan(name, champion, fresh, old, held_out, dict(learned), waiting)


def write_lists(
    plan: Plan, folders: Mapping[str, Path], root: Path, settings: NightlySettings
) -> dict[str, Path]:
    """Folders in which a training finds tonight's triplets: own lists beside links to the domains'
    scenes and poses.

    The training lists hold the new scenes and, as a share `replay` of all, old triplets chosen at
    random from all old scenes.

    Args:
        folders: each domain's local folder of triplets.
        root: local folder that is emptied for this.

    Returns:
        Domain → folder, for the domains that have something to learn.

    Raises:
        UserError: if a domain of the plan has no folder.
    """
    remove(root)
    new = _pairs(plan.new, "train")
    train = new + replayed(_pairs(plan.old, "train"), len(new), settings)
    chosen = {"train": train, "val": _pairs(plan.new, "val") + _pairs(plan.old, "val")}
    found = {}
    for domain in sorted({scene.partition("/")[0] for scene, _ in train}):
        if domain not in folders:
            raise UserError(
                f"The domain '{domain}' is not among the configured ones; add it to globals.yml"
                " again."
            )
        folder = found[domain] = root / domain
        folder.mkdir(parents=True)
        names, prefix = {"poses.parquet"}, f"{domain}/"
        for part, pairs in chosen.items():
            mine = sorted(pair for pair in pairs if pair[0].startswith(prefix))
            listed = [(scene.removeprefix(prefix), target) for scene, target in mine]
            write_list(folder, part, listed)
            names |= {scene for scene, _ in listed}
        for name in names:
            (folder / name).symlink_to(folders[domain].resolve() / name)
    return found


def replayed(old: Sequence[Target], new: int, settings: NightlySettings) -> list[Target]:
    """So many of the old that they are the share `replay` beside `new` new ones; all of them where
    there are too few."""
    wanted = round(new * settings.replay / (1 - settings.replay))
    return random.Random(settings.seed).sample(sorted(old), min(wanted, len(old)))


def _pairs(record: Record, part: str) -> list[Target]:
    return [(scene, target) for scene, entry in record.items() for target in getattr(entry, part)]
