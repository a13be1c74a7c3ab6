"""Predict the depth of one video, picture or folder."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.pipelines.node_types import DepthModel, Parameters
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.tracking import runs as tracking

logger = logging.getLogger(__name__)


def choose_model(
    models: Callable[[str | int | None], DepthModel], parameters: Parameters
) -> DepthModel:
    """The champion of the MLflow registry, or what `predict.model` names.

    Args:
        models: from a wish to a model (`ModelChoiceDataset`).
        parameters: `predict`.
    """
    return models(read_settings(PredictSettings, parameters, "predict").model)


def predict_depth(model: DepthModel, parameters: Parameters, work: str) -> Path:
    """Predict the depth of the footage that `predict.source` names.

    Args:
        model: the trained `DepthModel`.
        parameters: `predict`.
        work: local folder for unfinished work.

    Returns:
        A local folder, named after the source, with `prediction.json` and what the parameters ask
        for.

    Raises:
        UserError: if no source is named, or it cannot be used.
    """
    from aerial_depth_pipeline.prediction.predict import REPORT, predict

    settings = read_settings(PredictSettings, parameters, "predict")
    if not settings.source:
        example = "kedro run --pipelines=predict --params=predict.source=flight.mp4"
        raise UserError(
            f"Say what to predict (a video, a picture or a folder of pictures): '{example}'."
        )
    source = Path(settings.source).expanduser()
    folder = Path(work) / "predict" / folder_name(source)
    remove(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    report = predict(source, model, settings, folder)
    logger.info(
        "Depth of %d frames of %s in %s. %s",
        report["frames"],
        source,
        report["unit"],
        report["scale"]["explanation"],
    )
    logger.info(
        "It is the folder '%s' of the catalog entry 'prediction' (data/07_model_output unless"
        " configured otherwise).",
        folder.name,
    )
    tracking.log_dict(report, REPORT)
    return folder


def folder_name(source: Path) -> str:
    """The source's name with everything replaced that could not stand in a folder's name; of a
    scene's video, the scene's name."""
    source = source.resolve()
    name = (
        source.parent.name
        if source.stem.lower() == "video" and source.is_file()
        else source.name
        if source.is_dir()
        else source.stem
    )
    return (
        re.sub(r"\.{2,}", ".", re.sub(r"[^\w.\-+()]+", "_", name)).lstrip("._-+()") or "prediction"
    )
