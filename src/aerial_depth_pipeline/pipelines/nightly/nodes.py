"""A night: look for new scenes, learn, measure, report, put the better model into service."""

import datetime
import logging
from dataclasses import replace
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.datasets.triplet_lists import DomainTriplets
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.report.card_settings import CardSettings
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.files import remove, write_json, write_text
from aerial_depth_pipeline.formats.split_record import WORTH_A_WARNING
from aerial_depth_pipeline.pipelines.domain_data import domains_of
from aerial_depth_pipeline.pipelines.domains import configured_domains
from aerial_depth_pipeline.pipelines.node_types import DomainInput, Json, Parameters, Plan, Scenes
from aerial_depth_pipeline.retraining.settings import NightlySettings
from aerial_depth_pipeline.tracking import registry
from aerial_depth_pipeline.tracking import runs as tracking
from aerial_depth_pipeline.training.settings import TrainSettings

if TYPE_CHECKING:
    from aerial_depth_pipeline.retraining.challenger import Challenger, Judgement
else:
    Challenger = Judgement = Plan  # whatever: see node_types

logger = logging.getLogger(__name__)

QUIET_NIGHT = "nothing_new"
STEPS = ("frame_extraction", "ground_truth", "triplets")


def look_for_new_scenes(parameters: Parameters, *domain_inputs: DomainInput) -> Plan:
    """Compare the scenes on disk (triplet lists and triplets of each domain in turn) with what the
    champion has learned."""
    from aerial_depth_pipeline.retraining.plan import plan_night, record_from_json, scenes_of_domain
    from aerial_depth_pipeline.triplets.ground import Ground, ground_of

    settings = read_settings(NightlySettings, parameters, "nightly")
    now, grounds = {}, {}
    for domain, scenes in zip(domain_inputs[::2], domain_inputs[1::2], strict=True):
        lists, triplets = cast("DomainTriplets", domain), cast("Scenes", scenes)
        fingerprints = {name: scene.fingerprint for name, scene in triplets.items()}
        spans = {name: int(scene.summary["span"]) for name, scene in triplets.items()}
        found = lists.domain, lists.splits, fingerprints, spans
        targets: dict[str, list[int]] = {}
        for scene, target in chain.from_iterable(lists.splits.values()):
            targets.setdefault(scene, []).append(target)
        footprints = lists.footprints if lists.fingerprint else None
        ground = None if footprints is None else ground_of(footprints, lists.poses, targets)
        grounds[lists.domain] = ground or Ground()
        now.update(scenes_of_domain(*found, settings.hold_out, ground))
    champion = registry.champion_of(settings.registered_model)
    learned = {} if champion is None else record_from_json(registry.read_record(champion)["scenes"])
    refused = _refused_scenes(settings.registered_model)
    night = datetime.datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    number = None if champion is None else str(champion.version)
    plan = plan_night(
        night, now, number, learned, refused, settings.retry_refused, settings.minimum_scenes
    )
    if not plan.new:
        plan = replace(plan, name=QUIET_NIGHT)
    for scene in plan.new:
        logger.info("New: %s", scene)
    for of_domain, of_lists in grounds.items():
        seen = plan.ground_learned_before(of_domain, of_lists)
        if seen is not None and seen > WORTH_A_WARNING:
            sentence = "%s: %.0f %% of the ground of tonight's new blocks was learned before: both"
            logger.warning(sentence + " models know it.", of_domain, 100 * seen)
    for scene, reason in plan.waiting.items():
        logger.info("Not learned: %s: %s.", scene, reason)
    tracking.set_tags({"data.fingerprint": plan.fingerprint, "night.new_scenes": len(plan.new)})
    return plan


def _refused_scenes(name: str) -> dict[tuple[str, str], str]:
    """Scenes, by name and fingerprint, whose challenger was refused, rolled back or stopped: the
    latest such version of each."""
    from aerial_depth_pipeline.retraining.plan import record_from_json

    refused = {}
    for version in registry.versions_of(name):
        if version.tags.get("decision") in registry.NOT_IN_SERVICE:
            scenes = record_from_json(registry.read_record(version)["scenes"])
            for scene, record in scenes.items():
                if record.train:
                    refused[scene, record.fingerprint] = str(version.version)
    return refused


def train_challenger(
    plan: Plan,
    parameters: Parameters,
    train_parameters: Parameters,
    checkpoints: str,
    work: str,
    *triplet_lists: DomainTriplets,
) -> Challenger:
    """Train tonight's challenger. A killed night's training goes on from `checkpoints`, a local
    folder as is `work`."""
    from aerial_depth_pipeline.retraining import challenger as night
    from aerial_depth_pipeline.tracking.lightning_logger import MlflowLogger

    if not plan.new:
        return night.Challenger()
    settings = read_settings(NightlySettings, parameters, "nightly")
    champion = None
    if plan.champion is not None:
        version = registry.version_of(settings.registered_model, plan.champion)
        champion = registry.load_version(version)
    training = read_settings(TrainSettings, train_parameters, "train")
    folders = {lists.domain: lists.folder for lists in triplet_lists}
    places = Path(checkpoints) / "nightly", Path(work) / "nightly"
    curves = MlflowLogger() if tracking.is_tracking() else None
    return night.train_challenger(plan, champion, settings, training, folders, *places, curves)


def judge_challenger(
    plan: Plan,
    challenger: Challenger,
    parameters: Parameters,
    evaluation_parameters: Parameters,
    *domain_inputs: DomainInput,
) -> Judgement:
    """Measure both models on what was held out of each domain (triplet lists, frames and ground
    truth in turn), and decide."""
    from aerial_depth_pipeline.retraining.challenger import judge

    settings = read_settings(NightlySettings, parameters, "nightly")
    evaluation = read_settings(EvaluationSettings, evaluation_parameters, "evaluation")
    references_of = {domain.name: domain.references_of for domain in domains_of(domain_inputs)}
    judgement = judge(plan, challenger, references_of, settings, evaluation)
    figures = {
        f"night/{name}/{key}": value
        for name, found in judgement.decision.figures.items()
        for key, value in vars(found).items()
    }
    tracking.log_metrics(figures)
    return judgement


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
        reports: what became of each domain's scenes in every step over scenes (`STEPS`).

    Returns:
        A local folder with `night.html`, `night.md` and `night.json` by the night's name.
    """
    from aerial_depth_pipeline.retraining.night_report import write_night

    settings = read_settings(NightlySettings, parameters, "nightly")
    version = None
    if plan.new:
        fields = read_settings(CardSettings, card, "model_card")
        version_folder = Path(work) / "nightly" / "version"
        tags = _write_version(version_folder, plan, challenger, judgement, fields)
        version = registry.register(settings.registered_model, version_folder, tags)
    left_out = {}
    for (domain, step), report in zip(product(configured_domains(), STEPS), reports, strict=True):
        for scene, reason in report.reasons.items():
            if reason:
                left_out[f"{domain}/{scene}"] = f"{step}: {reason}"
    folder = Path(work) / "nightly" / "report" / plan.name
    remove(folder)
    write_night(folder, plan, challenger.curve, judgement, version, left_out)
    tracking.log_report("night", {path.name: path for path in folder.iterdir()})
    return {plan.name: folder}


def _write_version(
    folder: Path, plan: Plan, challenger: Challenger, judgement: Judgement, fields: CardSettings
) -> dict[str, str]:
    """Write a version's files: the model with its card, unless its training was stopped, and what
    it has learned from. Returns the version's tags."""
    from aerial_depth_pipeline.evaluation.report.model_card import CARD, model_card
    from aerial_depth_pipeline.retraining.night_report import PROMOTE
    from aerial_depth_pipeline.retraining.plan import record_to_json
    from aerial_depth_pipeline.tracking.pyfunc import make_servable

    decision, model = judgement.decision, challenger.model
    remove(folder)
    if model is not None:
        model.save(folder)
        make_servable(folder)
        results = [
            f"On held-out images, beside {judgement.incumbent.replace('_', ' ')}; brackets hold the"
            " 95 % interval of the change.",
            "",
            *(f"- {figure}: {found}" for figure, found in decision.figures.items()),
        ]
        write_text(folder / CARD, model_card(model, results, fields))
    write_json(folder / registry.RECORD, {"scenes": record_to_json(plan.record)})
    otherwise = registry.STOPPED if model is None else registry.REFUSED
    return {
        "decision": PROMOTE if decision.promote else otherwise,
        "parent": plan.champion or "",
        "data.fingerprint": plan.fingerprint,
        "night": plan.name,
    }


def promote_challenger(plan: Plan, parameters: Parameters, reports: Scenes) -> Json:
    """Do what the night's published report says; the only step that changes what is in service.

    Raises:
        UserError: if somebody else changed the champion while the night was at work.
    """
    name = read_settings(NightlySettings, parameters, "nightly").registered_model
    report = cast("Json", reports[plan.name].manifest)
    if report["outcome"] == "promote":
        champion = registry.champion_of(name)
        if (None if champion is None else str(champion.version)) != plan.champion:
            raise UserError(
                f"The champion of '{name}' changed while this night compared with version"
                f" {plan.champion}. Nothing is promoted; the next night starts from the new one."
            )
        registry.promote(name, report["version"])
    for line in (report["message"], *report["reasons"]):
        logger.info("%s", line)
    tracking.set_tags({"night.outcome": report["outcome"], "night.message": report["message"]})
    return report


def roll_back_champion(parameters: Parameters) -> str:
    """Put the version before the champion, or `nightly.roll_back_to`, into service again."""
    settings = read_settings(NightlySettings, parameters, "nightly")
    name = settings.registered_model
    before, after = registry.roll_back(name, settings.roll_back_to)
    message = f"Version {after} of '{name}' is in service again, in place of version {before}."
    logger.info(message)
    tracking.set_tags({"rollback": message})
    return message
