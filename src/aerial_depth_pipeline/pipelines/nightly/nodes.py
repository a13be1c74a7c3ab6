"""A night: look for new scenes, learn, measure, report, put the better model into service."""

import datetime
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.datasets.triplet_lists import DomainTriplets
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.report.card_settings import CardSettings
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.files import fingerprint_of, remove
from aerial_depth_pipeline.pipelines.domain_data import domains_of
from aerial_depth_pipeline.pipelines.domains import configured_domains
from aerial_depth_pipeline.pipelines.nightly.results import Challenger, Judgement
from aerial_depth_pipeline.pipelines.node_types import (
    DomainInput,
    Json,
    Parameters,
    Plan,
    Record,
    References,
    Scenes,
)
from aerial_depth_pipeline.retraining.settings import NightlySettings
from aerial_depth_pipeline.tracking import registry
from aerial_depth_pipeline.tracking import runs as tracking
from aerial_depth_pipeline.training.settings import TrainSettings

logger = logging.getLogger(__name__)

QUIET_NIGHT = "nothing_new"
STEPS = ("frame_extraction", "ground_truth", "triplets")


def look_for_new_scenes(parameters: Parameters, *domain_inputs: DomainInput) -> Plan:
    """Compare the scenes on disk with what the champion has learned.

    Args:
        parameters: `nightly`.
        domain_inputs: triplet lists and triplets of each domain in turn.
    """
    from aerial_depth_pipeline.pipelines.nightly.registration import refused_scenes
    from aerial_depth_pipeline.retraining.plan import (
        plan_night,
        record_from_json,
        scenes_of_domain,
    )

    settings = read_settings(NightlySettings, parameters, "nightly")
    now: Record = {}
    for lists, triplets in zip(
        cast("Sequence[DomainTriplets]", domain_inputs[::2]),
        cast("Sequence[Scenes]", domain_inputs[1::2]),
        strict=True,
    ):
        fingerprints = {name: scene.fingerprint for name, scene in triplets.items()}
        spans = {name: int(scene.summary["span"]) for name, scene in triplets.items()}
        now |= scenes_of_domain(lists.domain, lists.splits, fingerprints, spans, settings.hold_out)
    champion = registry.champion_of(settings.registered_model)
    learned = {} if champion is None else record_from_json(registry.read_record(champion)["scenes"])
    refused = refused_scenes(settings.registered_model)
    night = datetime.datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    number = None if champion is None else str(champion.version)
    plan = plan_night(
        night, now, number, learned, refused, settings.retry_refused, settings.minimum_scenes
    )
    if not plan.new:
        plan = replace(plan, name=QUIET_NIGHT)
    for scene in plan.new:
        logger.info("New: %s", scene)
    for scene, reason in plan.waiting.items():
        logger.info("Not learned: %s: %s.", scene, reason)
    tracking.set_tags({"data.fingerprint": plan.fingerprint, "night.new_scenes": len(plan.new)})
    return plan


def train_challenger(
    plan: Plan,
    parameters: Parameters,
    train_parameters: Parameters,
    checkpoints: str,
    work: str,
    *triplet_lists: DomainTriplets,
) -> Challenger:
    """Fine-tune the champion on the new scenes with a replay of old ones; the first night trains
    from scratch.

    Args:
        plan: the night.
        parameters: `nightly`.
        train_parameters: `train`.
        checkpoints: local folder for checkpoints; a killed night's training goes on from there.
        work: local folder for unfinished work.
        triplet_lists: of each domain.
    """
    if not plan.new:
        return Challenger()
    from aerial_depth_pipeline.networks.depth_model import DepthModel
    from aerial_depth_pipeline.retraining.plan import write_lists
    from aerial_depth_pipeline.tracking.lightning_logger import MlflowLogger
    from aerial_depth_pipeline.training.callbacks.watchdog import TrainingFault
    from aerial_depth_pipeline.training.curve import Curve
    from aerial_depth_pipeline.training.train import train

    settings = read_settings(NightlySettings, parameters, "nightly")
    changes: Parameters = {"resume": "auto"}
    champion = None
    if plan.champion is not None:
        champion = registry.load_version(
            registry.version_of(settings.registered_model, plan.champion)
        )
        changes |= {"steps": settings.steps, "learning_rate": settings.learning_rate}
    train_settings = read_settings(TrainSettings, train_parameters, "train").model_copy(
        update=changes
    )
    folders = {lists.domain: lists.folder for lists in triplet_lists}
    domains = write_lists(plan, folders, Path(work) / "nightly" / "lists", settings)
    made_from = fingerprint_of(
        plan.fingerprint,
        plan.champion,
        settings.replay,
        settings.seed,
        train_settings.for_fingerprint(),
    )
    curve = Curve(
        Path(checkpoints) / "nightly" / "curve.jsonl",
        MlflowLogger() if tracking.is_tracking() else None,
    )
    finished = Path(work) / "nightly" / "challenger"
    if (finished / "model.json").is_file():
        model = DepthModel.load(finished)
        if model.metadata.get("night") == made_from:
            logger.info("The challenger of a night that was cut off is taken as it is.")
            return Challenger(model, champion, curve=curve.points())
    logger.info(
        "Learning from %d new scenes%s.",
        len(plan.new),
        "" if champion is None else f", from version {plan.champion} on",
    )
    try:
        model = train(
            domains,
            train_settings,
            Path(checkpoints) / "nightly",
            curve,
            fingerprint=made_from,
            initial=champion,
        )
    except TrainingFault as fault:
        logger.warning("%s", fault)
        return Challenger(None, champion, str(fault), curve.points())
    scenes = {name: len(scene.train) for name, scene in plan.new.items()}
    model.metadata.update(
        data_fingerprint=plan.fingerprint,
        scenes=scenes,
        parent=plan.champion,
        curve=curve.points(),
        night=made_from,
    )
    model.save(finished)
    return Challenger(model, champion, curve=curve.points())


def judge_challenger(
    plan: Plan,
    challenger: Challenger,
    parameters: Parameters,
    evaluation_parameters: Parameters,
    *domain_inputs: DomainInput,
) -> Judgement:
    """Measure both models on the old hold-out and on the new scenes' held-out blocks, and decide.

    Args:
        plan: the night.
        challenger: both models.
        parameters: `nightly`.
        evaluation_parameters: `evaluation`.
        domain_inputs: triplet lists, frames and ground truth of each domain in turn.
    """
    if challenger.model is None and not challenger.fault:
        return Judgement()
    from aerial_depth_pipeline.reporting.page import Figure
    from aerial_depth_pipeline.retraining.comparison import comparison_picture, measure_hold_out
    from aerial_depth_pipeline.retraining.decision import Decision, decide

    if challenger.model is None:
        return Judgement(Decision(False, [challenger.fault], {}))
    settings = read_settings(NightlySettings, parameters, "nightly")
    evaluation = read_settings(EvaluationSettings, evaluation_parameters, "evaluation")
    domains = {domain.name: domain for domain in domains_of(domain_inputs)}

    def references(scenes: Record, part: str) -> dict[str, References]:
        return {
            domain: domains[domain].references_of(targets)
            for domain, targets in plan.targets(scenes, part).items()
        }

    # Blocks that the first night cut out, and scenes that were kept for measuring, are the hold-out
    # of a first champion.
    new_scenes = plan.new if plan.champion is not None else {**plan.held_out, **plan.new}
    new_hold_out, old_hold_out = references(new_scenes, "test"), references(plan.old, "test")
    first = challenger.champion is None
    incumbent = settings.first_must_beat if first else registry.CHAMPION
    baseline = "constant" if incumbent == "none" else incumbent
    train = references(plan.new, "train") if first else {}
    new = measure_hold_out(
        challenger.champion, challenger.model, new_hold_out, train, evaluation, baseline
    )
    old = measure_hold_out(challenger.champion, challenger.model, old_hold_out, {}, evaluation)
    decision = decide(new.errors(), old.errors(), settings, margin=0.0 if first else None)
    if first and incumbent == "none":
        decision = replace(
            decision,
            promote=True,
            reasons=["It is the first and has nothing to beat.", *decision.reasons],
        )
    images = []
    for words, measured in (("new scenes' held-out blocks", new), ("old hold-out", old)):
        content = comparison_picture(challenger.champion, challenger.model, measured)
        if content is not None:
            images.append(
                Figure(f"The frames of the {words} that changed most. Near is bright.", content)
            )
    figures = {
        f"night/{name}/{key}": value
        for name, found in decision.figures.items()
        for key, value in vars(found).items()
    }
    tracking.log_metrics(figures)
    return Judgement(decision, images, baseline if first else registry.CHAMPION)


def report_night(
    plan: Plan,
    challenger: Challenger,
    judgement: Judgement,
    parameters: Parameters,
    card: Parameters,
    work: str,
    *reports: SceneReport,
) -> dict[str, Path]:
    """Register the challenger as a version, and write the page of the night.

    Args:
        plan: the night.
        challenger: both models.
        judgement: the decision.
        parameters: `nightly`.
        card: `model_card`.
        work: local folder for unfinished work.
        reports: what became of each domain's scenes in every step over scenes (`STEPS`).

    Returns:
        A local folder with `night.html`, `night.md` and `night.json` by the night's name.
    """
    from aerial_depth_pipeline.pipelines.nightly.registration import register_challenger
    from aerial_depth_pipeline.retraining.night_report import write_night

    settings = read_settings(NightlySettings, parameters, "nightly")
    version = None
    decision = judgement.decision
    if decision is not None:
        version = register_challenger(
            settings.registered_model,
            plan,
            decision,
            challenger.model,
            judgement.incumbent,
            read_settings(CardSettings, card, "model_card"),
            Path(work) / "nightly" / "version",
        )
    left_out: dict[str, str] = {}
    for (domain, step), report in zip(
        ((d, s) for d in configured_domains() for s in STEPS), reports, strict=True
    ):
        left_out |= {
            f"{domain}/{scene}": f"{step}: {reason}"
            for scene, reason in report.reasons.items()
            if reason
        }
    folder = Path(work) / "nightly" / "report" / plan.name
    remove(folder)
    write_night(
        folder,
        plan,
        decision,
        version,
        challenger.curve,
        left_out,
        judgement.images,
        judgement.incumbent,
    )
    tracking.log_report("night", {path.name: path for path in folder.iterdir()})
    return {plan.name: folder}


def promote_challenger(plan: Plan, parameters: Parameters, reports: Scenes) -> Json:
    """Do what the published report says; the only step of a night that changes what is in service.

    Args:
        plan: the night.
        parameters: `nightly`.
        reports: folders of the published reports with their `night.json`, by night.

    Raises:
        UserError: if somebody else changed the champion while the night was at work.
    """
    settings = read_settings(NightlySettings, parameters, "nightly")
    report = cast("Json", reports[plan.name].manifest)
    if report["outcome"] == "promote":
        champion = registry.champion_of(settings.registered_model)
        if (None if champion is None else str(champion.version)) != plan.champion:
            raise UserError(
                f"The champion of '{settings.registered_model}' changed while this night compared"
                f" with version {plan.champion}. Nothing is promoted; the next night starts from"
                " the new one."
            )
        registry.promote(settings.registered_model, report["version"])
    logger.info("%s", report["message"])
    for reason in report["reasons"]:
        logger.info("%s", reason)
    tracking.set_tags({"night.outcome": report["outcome"], "night.message": report["message"]})
    return report


def roll_back_champion(parameters: Parameters) -> str:
    """Put the version before the champion into service again.

    Args:
        parameters: `nightly`; `roll_back_to` names another version.
    """
    settings = read_settings(NightlySettings, parameters, "nightly")
    before, after = registry.roll_back(settings.registered_model, settings.roll_back_to)
    message = (
        f"Version {after} of '{settings.registered_model}' is in service again, in place of version"
        f" {before}."
    )
    logger.info(message)
    tracking.set_tags({"rollback": message})
    return message
