"""A depth model on disk: `model.safetensors` and `model.json`. Nothing in it can run code when it
is loaded."""

from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from aerial_depth_pipeline.datasets.storage import Storage
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import write_text

if TYPE_CHECKING:
    from aerial_depth_pipeline.networks.depth_model import DepthModel


class DepthModelDataset(AbstractDataset["DepthModel", "DepthModel"]):
    """A trained depth model in a folder or behind an fsspec URL, with its model card."""

    def __init__(
        self, filepath: str, cache: str | None = None, metadata: dict | None = None
    ) -> None:
        self._parent, _, self._name = filepath.rstrip("/").rpartition("/")
        self._filepath, self._cache = filepath, cache
        self.metadata = metadata

    def load(self) -> "DepthModel":
        from aerial_depth_pipeline.networks.depth_model import DepthModel

        if not self._exists():
            raise UserError(
                f"No trained model in {self._filepath}. Train one with 'kedro run"
                " --pipelines=train'."
            )
        storage = Storage(self._parent, self._cache)
        return DepthModel.load(
            storage.local(self._name, version=storage.read_text(self._name, "model.json") or "")
        )

    def save(self, data: "DepthModel") -> None:
        from aerial_depth_pipeline.evaluation.report.model_card import CARD, model_card

        storage = Storage(self._parent, self._cache)
        work = storage.workspace("model")
        folder = work / self._name
        data.save(folder)
        write_text(folder / CARD, model_card(data))
        storage.publish(folder, self._name, last="model.json")
        work.rmdir()

    def _exists(self) -> bool:
        return Storage(self._parent, self._cache).read_text(self._name, "model.json") is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
