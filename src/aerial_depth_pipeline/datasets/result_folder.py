"""A folder of results that one node made: it is there whole, or not at all."""

import json
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from aerial_depth_pipeline.datasets.scene_folders import why_name_is_refused
from aerial_depth_pipeline.datasets.storage import Storage


class ResultFolderDataset(AbstractDataset[Path, dict[str, Any]]):
    """A local folder that a node made, published under its own name below `filepath`, in place of
    an earlier one of that name.

    `save` moves the folder; a JSON file in it comes last and vouches for the rest. `load` gives the
    content of that file, with several folders a dictionary of them by name.

    Args:
        filepath: folder or fsspec URL below which the folder is published.
        table: name of the JSON file that vouches for the others.
        name: the only name there is; without one, any number of folders may lie there, and none
            counts as the result of the next run.
    """

    def __init__(
        self, filepath: str, table: str, name: str | None = None, metadata: dict | None = None
    ) -> None:
        self._filepath, self._table, self._name = filepath, table, name
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        storage = Storage(self._filepath)
        if self._name is not None:
            return json.loads(storage.read_text(self._name, self._table) or "")
        found = {name: storage.read_text(name, self._table) for name in storage.folders()}
        return {name: json.loads(text) for name, text in found.items() if text is not None}

    def save(self, data: Path) -> None:
        folder = Path(data)
        name = self._name or folder.name
        if refused := why_name_is_refused(name):
            raise ValueError(refused)
        Storage(self._filepath).publish_folder(folder, name, last=self._table)

    def _exists(self) -> bool:
        return (
            self._name is not None
            and Storage(self._filepath).read_text(self._name, self._table) is not None
        )

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "name": self._name, "table": self._table}
