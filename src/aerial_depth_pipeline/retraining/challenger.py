"""A night's challenger: trained from the champion, and measured beside it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.reporting.page import Figure
from aerial_depth_pipeline.retraining import comparison
from aerial_depth_pipeline.retraining.decision import Decision, decide
from aerial_depth_pipeline.retraining.plan import Plan, Record, write_lists
from aerial_depth_pipeline.retraining.settings import NightlySettings
from aerial_depth_pipeline.training.callbacks.watchdog import TrainingFault
from aerial_depth_pipeline.training.curve import Curve, MetricsLogger
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.train import train

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Challenger:
    """Both models of a night; neither where there was nothing to learn. `fault` says why a training
    was stopped."""

    model: DepthModel | None = None
    champion: DepthModel | None = None
    fault: str = ""
    curve: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """The decision, its images, and what the challenger was measured beside."""

    decision: Decision
    images: Sequence[Figure] = ()
    incumbent: str = comparison.CHAMPION


def train_challenger(
    plan: Plan,
    champion: DepthModel | None,
    settings: NightlySettings,
    training: TrainSettings,
    folders: Mapping[str, Path],
    checkpoints: Path,
    work: Path,
    logger: MetricsLogger | None,
) -> Challenger:
    """Fine-tune the champion on the new scenes with a replay of old ones; without a champion train
    from scratch.

    Args:
        folders: each domain's local folder of triplets.
        checkpoints: local folder; a killed night's training goes on from there.
        work: local folder for unfinished work.
        logger: takes the curve.
    """
    changes: dict[str, Any] = {"resume": "auto"}
    if champion is not None:
        changes |= {"steps": settings.steps, "learning_rate": settings.learning_rate}
    training = training.model_copy(update=changes)
    domains = write_lists(plan, folders, work / "lists", settings)
    made_from = fingerprint_of(
        plan.fingerprint, plan.champion, settings.replay, settings.seed, training.for_fingerprint()
    )
    curve = Curve(checkpoints / "curve.jsonl", logger)
    finished = work / "challenger"
    if (finished / "model.json").is_file():
        model = DepthModel.load(finished)
        if model.metadata.get("night") == made_from:
            log.info("The challenger of a night that was cut off is taken as it is.")
            return Challenger(model, champion, curve=curve.points())
    start = "" if champion is None else f", from version {plan.champion} on"
    log.info("Learning from %d new scenes%s.", len(plan.new), start)
    try:
        model = train(domains, training, checkpoints, curve, None, made_from, champion)
    except TrainingFault as fault:
        log.warning("%s", fault)
        return Challenger(None, champion, str(fault), curve.points())
    model.metadata.update(
        data_fingerprint=plan.fingerprint,
        scenes={name: len(scene.train) for name, scene in plan.record.items() if scene.train},
        parent=plan.champion,
        curve=curve.points(),
        night=made_from,
    )
    model.save(finished)
    return Challenger(model, champion, curve=curve.points())


def judge(
    plan: Plan,
    challenger: Challenger,
    references_of: Mapping[str, Callable[[dict[str, set[int]]], comparison.References]],
    settings: NightlySettings,
    evaluation: EvaluationSettings,
) -> Judgement:
    """Measure both models on the old hold-out and on the new scenes' held-out blocks, and decide.

    Args:
        references_of: by domain, what gives the references of wanted frames (scene → frames).
    """
    model, champion, fault = challenger.model, challenger.champion, challenger.fault
    if model is None:
        return Judgement(Decision(False, [fault] if fault else [], {}))

    def references(scenes: Record, part: str) -> dict[str, comparison.References]:
        targets = plan.targets(scenes, part)
        return {domain: references_of[domain](wanted) for domain, wanted in targets.items()}

    first = champion is None
    incumbent = "constant" if settings.first_must_beat == "none" else settings.first_must_beat
    # Blocks that the first night cut out, and scenes that were kept for measuring, are the hold-out
    # of a first champion.
    new_hold_out = references({**plan.held_out, **plan.new} if first else plan.new, "test")
    known = references(plan.new, "train") if first else {}
    new = comparison.measure_hold_out(champion, model, new_hold_out, known, evaluation, incumbent)
    old = comparison.measure_hold_out(champion, model, references(plan.old, "test"), {}, evaluation)
    margin, metres = 0.0 if first else None, old.errors(metres=True)
    decision = decide(new.errors(), old.errors(), settings, margin, metres)
    if settings.keep_metres and _is_metric(champion) and not _is_metric(model):
        reason = (
            "It has lost the champion's metres: the flights that it learned from do not agree on"
            " what its unit is (metres_per_unit in model.json). Where metres come from each"
            " flight's own height, set nightly.keep_metres: false."
        )
        decision = replace(decision, promote=False, reasons=[reason, *decision.reasons])
    if first and settings.first_must_beat == "none":
        reasons = ["It is the first and has nothing to beat.", *decision.reasons]
        decision = replace(decision, promote=True, reasons=reasons)
    images = []
    for words, measured in (("new scenes' held-out blocks", new), ("old hold-out", old)):
        content = comparison.comparison_picture(champion, model, measured)
        if content is not None:
            caption = f"The frames of the {words} that changed most. Near is bright."
            images.append(Figure(caption, content))
    return Judgement(decision, images, incumbent if first else comparison.CHAMPION)


def _is_metric(model: DepthModel | None) -> bool:
    return model is not None and model.metadata.get("unit") == "metres"
