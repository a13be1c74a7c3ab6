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

if TYPE_CHECKING:
    import pandas as pd

_MANIFEST = ".lists.json"


@dataclass(frozen=True)
class TripletLists:
    """Which triplets are for what, and the relative poses between their frames.

    Attributes:
        splits: `train`, `val` and `test` → pairs of scene and target frame.
        poses: the domain's `poses.parquet`.
        scene_fingerprints: of the scenes' triplets that the lists name.
    """

    splits: dict[str, list[tuple[str, int]]]
    poses: pd.DataFrame
    scene_fingerprints: dict[str, str]


@dataclass(frozen=True)
class DomainTriplets:
    """A domain's triplets on disk."""

    domain: str
    folder: Path
    splits: dict[str, list[tuple[str, int]]]
    fingerprint: str

    @property
    def poses(self) -> pd.DataFrame:
        """The domain's `poses.parquet`."""
        from aerial_depth_pipeline.formats.triplet_folder import TripletFolder

        return TripletFolder(self.folder).table("poses")


class TripletListsDataset(AbstractDataset[TripletLists, DomainTriplets]):
    """`train.txt`, `val.txt`, `test.txt` and `poses.parquet` beside the scene folders of a domain.

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
        return DomainTriplets(self._domain, folder, splits, fingerprint)

    def save(self, data: TripletLists) -> None:
        from aerial_depth_pipeline.formats.triplet_folder import TripletFolder, write_list

        storage = self._storage()
        storage.remove(_MANIFEST)
        work = storage.workspace("lists")
        for split in SPLITS:
            write_list(work, split, data.splits[split])
        TripletFolder(work).write_table("poses", data.poses)
        fingerprint = fingerprint_of(data.splits, data.scene_fingerprints)
        (work / _MANIFEST).write_text(
            json.dumps({"fingerprint": fingerprint, "scenes": data.scene_fingerprints}, indent=2)
        )
        for name in [*(f"{split}.txt" for split in SPLITS), "poses.parquet", _MANIFEST]:
            storage.publish(work / name, name)
        work.rmdir()

    def _exists(self) -> bool:
        return self._storage().read_text(_MANIFEST) is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "domain": self._domain}
