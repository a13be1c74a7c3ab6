"""Predict the depth of one video, image or folder."""

import itertools
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.trained_model import DepthModelDataset
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.pipelines.node_types import DepthModel, Parameters, Scenes
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.tracking import runs as tracking

logger = logging.getLogger(__name__)

TRAINED = "trained"


def choose_model(parameters: Parameters, registered_model: str, trained: str) -> DepthModel:
    """The champion of the MLflow registry, the model that was trained last where there is none, or
    what `predict.model` names: `trained`, the number of a version, or a folder.

    Args:
        parameters: `predict`.
        registered_model: name in the MLflow registry.
        trained: folder or fsspec URL of the model that was trained last.
    """
    from aerial_depth_pipeline.networks.depth_model import DepthModel
    from aerial_depth_pipeline.tracking import registry

    wanted = read_settings(PredictSettings, parameters, "predict").model
    if isinstance(wanted, int):
        version = registry.version_of(registered_model, wanted)
        logger.info("The model is version %d of '%s'.", wanted, registered_model)
        return registry.load_version(version)
    if wanted is not None and wanted != TRAINED:
        logger.info("The model is the one in the folder %s.", wanted)
        return DepthModel.load(Path(wanted).expanduser())
    champion = registry.champion_of(registered_model) if wanted is None else None
    if champion is not None:
        sentence = "The model is version %s of '%s', the champion."
        logger.info(sentence, champion.version, registered_model)
        return registry.load_version(champion)
    model = DepthModelDataset(trained).load()
    why = (
        "as predict.model asks"
        if wanted == TRAINED
        else f"since '{registered_model}' has no champion in the MLflow registry"
    )
    logger.info("The model is the one that was trained last, in %s, %s.", trained, why)
    return model


def predict_depth(
    model: DepthModel, parameters: Parameters, work: str, earlier: Scenes
) -> dict[str, Path]:
    """Predict the depth of the footage that `predict.source` names.

    Args:
        model: the trained `DepthModel`.
        parameters: `predict`.
        work: local folder for unfinished work.
        earlier: predictions on disk; that of another source of the same name is kept.

    Returns:
        A local folder with `prediction.json` and what the parameters ask for, by a name after the
        source.

    Raises:
        UserError: if no source is named, or it cannot be used.
    """
    from aerial_depth_pipeline.prediction.predict import REPORT, predict

    settings = read_settings(PredictSettings, parameters, "predict")
    if not settings.source:
        example = "kedro run --pipelines=predict --params=predict.source=flight.mp4"
        raise UserError(
            f"Say what to predict (a video, an image or a folder of images): '{example}'."
        )
    source = Path(settings.source).expanduser()
    place = str(source.resolve())
    name = next(
        name
        for name in _names(source)
        if name not in earlier or (earlier[name].manifest or {}).get("place", place) == place
    )
    folder = Path(work) / "predict" / name
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
        "It is the folder '%s' of the catalog entry 'predictions' (data/07_model_output unless"
        " configured otherwise).",
        folder.name,
    )
    tracking.log_dict(report, REPORT)
    return {folder.name: folder}


def _names(source: Path) -> Iterator[str]:
    """Names for a prediction, the shortest first; the folders that the source lies in tell films of
    one name apart."""
    source = source.resolve()
    name = folder_name(source)
    yield name
    for folder in source.parents[int(_is_of_scene(source)) :]:
        name = _safe(f"{folder.name}_{name}")
        yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def folder_name(source: Path) -> str:
    """The source's name with everything replaced that could not stand in a folder's name; of a
    scene's video, the scene's name."""
    source = source.resolve()
    if _is_of_scene(source):
        return _safe(source.parent.name)
    return _safe(source.name if source.is_dir() else source.stem)


def _is_of_scene(source: Path) -> bool:
    return source.stem.lower() == "video" and source.is_file()


def _safe(name: str) -> str:
    joined = re.sub(r"[^\w.\-+()]+", "_", name)
    return re.sub(r"\.{2,}", ".", joined).lstrip("._-+()") or "prediction"
