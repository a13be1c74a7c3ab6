"""A night's challenger as a version of the registered model, with its card and what it learned."""

from pathlib import Path

from aerial_depth_pipeline.evaluation.report.card_settings import CardSettings
from aerial_depth_pipeline.evaluation.report.model_card import CARD, model_card
from aerial_depth_pipeline.files import remove, write_json, write_text
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.retraining.decision import Decision
from aerial_depth_pipeline.retraining.night_report import PROMOTE
from aerial_depth_pipeline.retraining.plan import Plan, record_from_json, record_to_json
from aerial_depth_pipeline.tracking import registry
from aerial_depth_pipeline.tracking.pyfunc import make_servable


def register_challenger(
    name: str,
    plan: Plan,
    decision: Decision,
    model: DepthModel | None,
    incumbent: str,
    card: CardSettings,
    folder: Path,
) -> str:
    """Register what a night has trained, refused or stopped.

    Args:
        name: of the registered model.
        model: the challenger; None where its training was stopped.
        incumbent: what it was measured beside.
        folder: local, for the version's files; replaced.

    Returns:
        The version.
    """
    remove(folder)
    if model is not None:
        model.save(folder)
        make_servable(folder)
        beside = incumbent.replace("_", " ")
        results = [
            f"On held-out images, beside {beside}; brackets hold the 95 % interval of the change.",
            "",
        ]
        results += [f"- {figure}: {found}" for figure, found in decision.figures.items()]
        write_text(folder / CARD, model_card(model, results, card))
    write_json(folder / registry.RECORD, {"scenes": record_to_json(plan.record)})
    outcome = registry.REFUSED if model is not None else registry.STOPPED
    tags = {
        "decision": PROMOTE if decision.promote else outcome,
        "parent": plan.champion or "",
        "data.fingerprint": plan.fingerprint,
        "night": plan.name,
    }
    return registry.register(name, folder, tags)


def refused_scenes(name: str) -> dict[tuple[str, str], str]:
    """Scenes, by name and fingerprint, whose challenger was refused, rolled back or stopped.

    Args:
        name: of the registered model.

    Returns:
        The latest such version of each.
    """
    refused = {}
    for version in registry.versions_of(name):
        outcome = version.tags.get("decision")
        if outcome in (registry.REFUSED, registry.ROLLED_BACK, registry.STOPPED):
            scenes = record_from_json(registry.read_record(version)["scenes"])
            for scene, record in scenes.items():
                if record.train:
                    refused[scene, record.fingerprint] = str(version.version)
    return refused
