"""Tables that one part of the study made."""

from typing import Any

import pandas as pd
from kedro.io import AbstractDataset

from aerial_depth_pipeline.datasets.storage import Storage


class StudyTablesDataset(AbstractDataset[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]):
    """CSV files by name. A part of the study that has not been made yet loads as no tables at all,
    so that the report can do without it.

    Args:
        filepath: folder or fsspec URL.
        tables: names of the files, without `.csv`; the last one is written last and vouches for the
            others.
    """

    def __init__(self, filepath: str, tables: list[str], metadata: dict | None = None) -> None:
        self._filepath, self._tables = filepath, tables
        self.metadata = metadata

    def load(self) -> dict[str, pd.DataFrame]:
        if not self._exists():
            return {}
        storage = Storage(self._filepath)
        found = {}
        for name in self._tables:
            with storage.filesystem.open(storage.path(f"{name}.csv")) as stream:
                found[name] = pd.read_csv(stream)
        return found

    def save(self, data: dict[str, pd.DataFrame]) -> None:
        storage = Storage(self._filepath)
        storage.remove(f"{self._tables[-1]}.csv")
        work = storage.workspace("tables")
        for name in self._tables:
            data[name].to_csv(work / f"{name}.csv", index=False)
            storage.publish_file(work / f"{name}.csv", f"{name}.csv")
        work.rmdir()

    def _exists(self) -> bool:
        storage = Storage(self._filepath)
        return storage.filesystem.exists(storage.path(f"{self._tables[-1]}.csv"))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "tables": self._tables}
