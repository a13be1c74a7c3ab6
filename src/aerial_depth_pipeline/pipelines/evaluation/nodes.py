"""Measure the model on the test frames of every domain."""

import logging
from pathlib import Path

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.report.card_settings import CardSettings
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.pipelines.domain_data import domains_of
from aerial_depth_pipeline.pipelines.node_types import DepthModel, DomainInput, Parameters
from aerial_depth_pipeline.tracking import runs as tracking

logger = logging.getLogger(__name__)

ENTRIES = (
    "evaluation_tables",
    "evaluation_summary",
    "evaluation_markdown",
    "evaluation_latex",
    "evaluation_page",
    "evaluation_images",
    "evaluation_videos",
    "evaluation_point_clouds",
    "model_card",
    "evaluation_metrics",
)


def evaluate_depth_model(
    model: DepthModel,
    parameters: Parameters,
    work: str,
    card: Parameters,
    *domain_inputs: DomainInput,
) -> dict[str, object]:
    """Measure the model and the baselines, draw the report, and write the figures into the model
    card.

    Args:
        model: the trained `DepthModel`.
        parameters: `evaluation`.
        work: local folder for unfinished work.
        card: `model_card`.
        domain_inputs: triplet lists, frames and ground truth of each domain in turn.

    Returns:
        The content of each catalog entry (`ENTRIES`).

    Raises:
        UserError: if no domain has a test frame with reference depth.
    """
    from aerial_depth_pipeline.evaluation.report.evaluation_report import evaluation_report
    from aerial_depth_pipeline.evaluation.report.model_card import CARD, model_card

    settings = read_settings(EvaluationSettings, parameters, "evaluation")
    test, train, poses, splits = {}, {}, {}, {}
    for domain in domains_of(domain_inputs):
        references = domain.references("test")
        train[domain.name] = domain.references("train")
        if any(references.values()):
            test[domain.name] = references
            poses[domain.name] = domain.triplets.poses
            splits[domain.name] = domain.triplets.record
        elif domain.triplets.splits["test"]:
            logger.warning(
                "evaluation: domain '%s' has no test frame with reference depth and is left out.",
                domain.name,
            )
    if not test:
        raise UserError(
            "Nothing can be measured: no domain has a test frame with reference depth. Run 'kedro"
            " run --pipelines=prepare', and see scene_report.csv in the reporting folder for why"
            " scenes were left out."
        )
    # Baselines of a domain that is for testing alone know what the model knows.
    everywhere = {f"{name}/{scene}": r for name, of in train.items() for scene, r in of.items()}
    train = {name: train[name] or everywhere for name in test}
    folder = Path(work) / "evaluation"
    remove(folder)
    folder.mkdir(parents=True)
    report = evaluation_report(
        model, test, train, settings, folder, triplet_poses=poses, split_records=splits
    )
    text = model_card(model, report.results, read_settings(CardSettings, card, "model_card"))
    tracking.log_metrics(report.metrics)
    tracking.log_report("evaluation", report.files | {CARD: text})

    def those_with(suffix: str) -> dict[str, object]:
        files = report.files.items()
        return {Path(name).stem: item for name, item in files if name.endswith(suffix)}

    tables = those_with(".csv")
    return {
        "evaluation_metrics": tables.pop("evaluation"),
        "evaluation_tables": tables,
        "evaluation_summary": report.files["evaluation.txt"],
        "evaluation_markdown": report.files["evaluation.md"],
        "evaluation_latex": report.files["evaluation.tex"],
        "evaluation_page": report.files["evaluation.html"],
        "evaluation_images": those_with(".png"),
        "evaluation_videos": those_with(".mp4"),
        "evaluation_point_clouds": those_with(".ply"),
        "model_card": text,
    }
