"""Which model to use: the champion of the MLflow registry, one of its versions, the model that was
trained last, or a folder."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from aerial_depth_pipeline.datasets.depth_model import DepthModelDataset
from aerial_depth_pipeline.tracking import registry

if TYPE_CHECKING:
    from aerial_depth_pipeline.networks.depth_model import DepthModel

logger = logging.getLogger(__name__)

TRAINED = "trained"


class ModelChoiceDataset(AbstractDataset[None, Callable[[str | int | None], "DepthModel"]]):
    """`load` gives a function from the user's wish to a model; it says in a sentence which model
    that is.

    The wish is None (the champion, or the trained model where there is none), `trained`, the number
    of a version, or a folder.

    Args:
        registered_model: name in the MLflow registry.
        trained: folder or fsspec URL of the model that was trained last.
    """

    def __init__(self, registered_model: str, trained: str, metadata: dict | None = None) -> None:
        self._name, self._trained = registered_model, trained
        self.metadata = metadata

    def load(self) -> Callable[[str | int | None], "DepthModel"]:
        return self._choose

    def save(self, data: None) -> None:
        raise NotImplementedError("models are trained, or registered by a night")

    def _choose(self, wanted: str | int | None) -> "DepthModel":
        from aerial_depth_pipeline.networks.depth_model import DepthModel

        if isinstance(wanted, int):
            version = registry.version_of(self._name, wanted)
            logger.info("The model is version %d of '%s'.", wanted, self._name)
            return registry.load_version(version)
        if wanted is not None and wanted != TRAINED:
            logger.info("The model is the one in the folder %s.", wanted)
            return DepthModel.load(Path(wanted).expanduser())
        champion = registry.champion_of(self._name) if wanted is None else None
        if champion is not None:
            logger.info(
                "The model is version %s of '%s', the champion.", champion.version, self._name
            )
            return registry.load_version(champion)
        model = DepthModelDataset(self._trained).load()
        why = (
            "as predict.model asks"
            if wanted == TRAINED
            else f"since '{self._name}' has no champion in the MLflow registry"
        )
        logger.info("The model is the one that was trained last, in %s, %s.", self._trained, why)
        return model

    def _describe(self) -> dict[str, Any]:
        return {"registered_model": self._name, "trained": self._trained}
