"""Measure the model on the test frames of every domain."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.pipelines import tracking
from aerial_depth_pipeline.pipelines.references import domains_of

if TYPE_CHECKING:
    from aerial_depth_pipeline.networks.depth_model import DepthModel

logger = logging.getLogger(__name__)


def evaluate_depth_model(model: DepthModel, parameters: dict[str, Any], work: str, *domain_inputs: Any) -> Path:
    """Measure the model and the baselines and draw the report.

    Args:
        model: the trained model.
        parameters: `evaluation`.
        work: local folder for unfinished work.
        domain_inputs: triplet lists, frames and ground truth of each domain in turn.

    Returns:
        A local folder with `evaluation.csv` and the pictures.

    Raises:
        UserError: if no domain has a test frame with reference depth.
    """
    import pandas as pd

    from aerial_depth_pipeline.evaluation.evaluate import measure
    from aerial_depth_pipeline.evaluation.panels import panel_frames, write_panels
    from aerial_depth_pipeline.evaluation.table import mlflow_metrics

    settings = read_settings(EvaluationSettings, parameters, "evaluation")
    tables, per_image, problems, panels = [], [], [], []
    for domain in domains_of(domain_inputs):
        test = domain.references("test")
        if not any(test.values()):
            if domain.triplets.splits["test"]:
                logger.warning("evaluation: domain '%s' has no test frame with reference depth and is left out.", domain.name)
            continue
        measured = measure(model, test, domain.references("train"), domain.name, settings)
        tables.append(measured.table)
        per_image.append(measured.per_image)
        problems.append(measured.problems)
        panels += panel_frames(model, test, measured.per_image, domain.name, settings.main_alignment)
    if not tables:
        raise UserError(
            "Nothing can be measured: no domain has a test frame with reference depth. Run 'kedro run --pipelines=prepare', "
            "and see scene_report.csv in the reporting folder for why scenes were left out."
        )
    folder = Path(work) / "evaluation"
    remove(folder)
    folder.mkdir(parents=True)
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(folder / "evaluation.csv", index=False)
    pd.concat(per_image, ignore_index=True).to_csv(folder / "evaluation_per_image.csv", index=False)
    pd.concat(problems, ignore_index=True).to_csv(folder / "evaluation_problems.csv", index=False)
    write_panels(panels, folder / "evaluation_panels.png")
    tracking.log_metrics(mlflow_metrics(table))
    tracking.log_folder(folder, "evaluation")
    return folder
