"""A set of report files that is published together: tables, pictures, pages."""

from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset

from aerial_depth_pipeline.datasets.storage import Storage
from aerial_depth_pipeline.files import remove


class ReportFilesDataset(AbstractDataset[Path, pd.DataFrame | bytes]):
    """Files and folders that one node made, published into a shared reporting folder.

    `save` takes a local folder and moves what is in it; the table comes last and vouches for the
    rest, so a report that was cut off counts as missing. `load` gives the table, or the content of
    the picture that takes its place.

    Args:
        filepath: reporting folder or fsspec URL.
        table: name of the CSV, or picture, that vouches for the others.
    """

    def __init__(self, filepath: str, table: str, metadata: dict | None = None) -> None:
        self._filepath, self._table = filepath, table
        self.metadata = metadata

    def load(self) -> pd.DataFrame | bytes:
        storage = Storage(self._filepath)
        with storage.filesystem.open(storage.path(self._table)) as stream:
            return pd.read_csv(stream) if self._table.endswith(".csv") else stream.read()

    def save(self, data: Path) -> None:
        storage = Storage(self._filepath)
        storage.remove(self._table)
        for path in sorted(Path(data).iterdir(), key=lambda p: (p.name == self._table, p.name)):
            if path.is_dir():
                storage.publish_folder(path, path.name, last="")
            else:
                storage.publish_file(path, path.name)
        remove(Path(data))

    def _exists(self) -> bool:
        storage = Storage(self._filepath)
        return storage.filesystem.exists(storage.path(self._table))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "table": self._table}
