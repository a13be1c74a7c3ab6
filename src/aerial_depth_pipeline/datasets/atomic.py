"""Files that appear whole or not at all."""

from typing import Any

from kedro.io import AbstractDataset
from kedro.io.core import parse_dataset_definition

from aerial_depth_pipeline.datasets.storage import Storage
from aerial_depth_pipeline.files import remove


class AtomicDataset(AbstractDataset[Any, Any]):
    """A file of one of Kedro's datasets that is written elsewhere and then put in place, so that a
    run that is killed leaves the earlier file or the new one.

    Args:
        filepath: the file or its fsspec URL.
        dataset: Kedro's definition of the dataset, without its `filepath`.
    """

    def __init__(
        self, filepath: str, dataset: str | dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> None:
        self._filepath = filepath
        definition = dataset if isinstance(dataset, dict) else {"type": dataset}
        self._type: Any
        self._type, self._options = parse_dataset_definition(definition)
        self.metadata = metadata

    def _at(self, filepath: str) -> AbstractDataset[Any, Any]:
        return self._type(filepath=filepath, **self._options)

    def load(self) -> Any:
        return self._at(self._filepath).load()

    def save(self, data: Any) -> None:
        parent, _, name = self._filepath.rpartition("/")
        storage = Storage(parent)
        work = storage.workspace(name)
        try:
            self._at(str(work / name)).save(data)
            storage.publish(work / name, name)
        finally:
            remove(work)

    def _exists(self) -> bool:
        return self._at(self._filepath).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "dataset": self._type.__name__}
