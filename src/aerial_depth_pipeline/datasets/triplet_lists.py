"""The triplets of a domain in the SfMLearner layout: scene folders with list files beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from aerial_depth_pipeline.datasets.storage import Storage
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.formats.file_names import SPLITS
from aerial_depth_pipeline.formats.split_record import (
    SPLIT_RECORD,
    SplitRecord,
    read_split_record,
    write_split_record,
)

if TYPE_CHECKING:
    import pandas as pd

_MANIFEST = ".lists.json"


@dataclass(frozen=True)
class TripletLists:
    """Which triplets are for what, and the relative poses between their frames.

    Attributes:
        splits: `train`, `val` and `test` → pairs of scene and target frame.
        poses: the domain's `poses.parquet`.
        footprints: the domain's `footprints.parquet`.
        record: how the lists were made.
        scene_fingerprints: of the scenes' triplets that the lists name.
    """

    splits: dict[str, list[tuple[str, int]]]
    poses: pd.DataFrame
    footprints: pd.DataFrame
    record: SplitRecord
    scene_fingerprints: dict[str, str]


@dataclass(frozen=True)
class DomainTriplets:
    """A domain's triplets on disk; `record` is None where an earlier version made the lists."""

    domain: str
    folder: Path
    splits: dict[str, list[tuple[str, int]]]
    fingerprint: str
    record: SplitRecord | None = None

    @property
    def poses(self) -> pd.DataFrame:
        """The domain's `poses.parquet`."""
        from aerial_depth_pipeline.formats.triplet_folder import TripletFolder

        return TripletFolder(self.folder).table("poses")

    @property
    def footprints(self) -> pd.DataFrame | None:
        """The domain's `footprints.parquet`; None where an earlier version made the lists."""
        from aerial_depth_pipeline.formats.triplet_folder import TripletFolder

        folder = TripletFolder(self.folder)
        there = folder.table_file("footprints").is_file()
        return folder.table("footprints") if there else None


class TripletListsDataset(AbstractDataset[TripletLists, DomainTriplets]):
    """`train.txt`, `val.txt`, `test.txt`, `split.json`, `poses.parquet` and `footprints.parquet`
    beside the scene folders of a domain.

    `load` gives a `DomainTriplets` with a local folder that also holds the triplets themselves; its
    splits are empty where there are no lists yet.
    """

    def __init__(
        self, filepath: str, domain: str, cache: str | None = None, metadata: dict | None = None
    ) -> None:
        self._filepath, self._domain, self._cache = filepath, domain, cache
        self.metadata = metadata

    def _storage(self) -> Storage:
        return Storage(self._filepath, self._cache)

    def load(self) -> DomainTriplets:
        from aerial_depth_pipeline.formats.triplet_folder import read_list

        storage = self._storage()
        text = storage.read_text(_MANIFEST)
        if text is None:
            return DomainTriplets(
                self._domain, Path(storage.root), {split: [] for split in SPLITS}, fingerprint=""
            )
        fingerprint = json.loads(text)["fingerprint"]
        folder = storage.local(version=fingerprint)
        splits = {split: read_list(folder, split) for split in SPLITS}
        record = read_split_record(folder)
        return DomainTriplets(self._domain, folder, splits, fingerprint, record)

    def save(self, data: TripletLists) -> None:
        from aerial_depth_pipeline.formats.triplet_folder import TripletFolder, write_list

        storage = self._storage()
        storage.remove(_MANIFEST)
        work = storage.workspace("lists")
        for split in SPLITS:
            write_list(work, split, data.splits[split])
        TripletFolder(work).write_table("poses", data.poses)
        TripletFolder(work).write_table("footprints", data.footprints)
        write_split_record(work, data.record)
        fingerprint = fingerprint_of(data.splits, data.scene_fingerprints)
        (work / _MANIFEST).write_text(
            json.dumps({"fingerprint": fingerprint, "scenes": data.scene_fingerprints}, indent=2)
        )
        tables = "poses.parquet", "footprints.parquet"
        for name in [*(f"{split}.txt" for split in SPLITS), *tables, SPLIT_RECORD, _MANIFEST]:
            storage.publish(work / name, name)
        work.rmdir()

    def _exists(self) -> bool:
        return self._storage().read_text(_MANIFEST) is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "domain": self._domain}
