"""Folders that nodes made, scenes above all: each is there whole or not at all."""

import json
import re
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets.partitions import PartitionedDataset

from aerial_depth_pipeline.datasets.storage import Storage
from aerial_depth_pipeline.files import fingerprint_of_files, write_text

MANIFEST = ".manifest.json"
_SAFE_NAME = re.compile(r"\w[\w.\-+()]*", re.UNICODE)


def why_name_is_refused(name: str) -> str | None:
    """Why a folder's name cannot be a scene's or domain's name; None if it can.

    Names appear in list files that are separated by spaces and in paths below the data folder,
    which they must not be able to leave.
    """
    if _SAFE_NAME.fullmatch(name) and ".." not in name:
        return None
    return (
        f"the folder name {name!r} cannot be used: rename it to letters, digits, '_', '-', '.', '+'"
        " and brackets, without spaces, beginning with a letter or digit"
    )


def write_manifest(folder: Path, fingerprint: str, summary: dict[str, Any]) -> None:
    """Complete a scene's local folder for publication.

    Args:
        folder: holds the scene's result and nothing else.
        fingerprint: of everything the result was made from.
        summary: what reports say of it; anything JSON can hold.
    """
    manifest = {"fingerprint": fingerprint, "summary": summary}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2, default=str))


class PublishedFolder:
    """A folder in its place.

    Attributes:
        name: the folder's name.
        manifest: content of the JSON file that vouches for the folder; None for a user's own.
    """

    def __init__(self, storage: Storage, name: str, manifest: dict[str, Any] | None) -> None:
        self._storage = storage
        self.name = name
        self.manifest = manifest

    @property
    def fingerprint(self) -> str:
        """Changes when the content changes: of a user's folder by its files, of a result by what it
        was made from."""
        if self.manifest is None:
            return fingerprint_of_files(self.path)
        return self.manifest["fingerprint"]

    @property
    def summary(self) -> dict[str, Any]:
        """What was said of the scene when it was published."""
        return {} if self.manifest is None else self.manifest["summary"]

    @property
    def path(self) -> Path:
        """A local folder with the content, fetched first if it lies elsewhere."""
        if self._storage.is_local:
            return self._storage.local(self.name)
        version = (
            self._storage.version(self.name) if self.manifest is None else json.dumps(self.manifest)
        )
        return self._storage.local(self.name, version=version)


class PathDataset(AbstractDataset[Path, PublishedFolder]):
    """A folder, or a file of a kind that Kedro has no dataset for.

    What a node made on the local disk is moved in place by a rename; a folder is trusted only with
    its manifest, which comes last; a local copy of what lies elsewhere is fetched when its path is
    asked for.

    Args:
        filepath: path or fsspec URL.
        manifest: JSON file in the folder that vouches for its other files; None for a user's
            footage and for files.
        cache: local folder for copies of what lies elsewhere.
    """

    def __init__(
        self,
        filepath: str,
        manifest: str | None = MANIFEST,
        cache: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        parent, _, self._name = filepath.rstrip("/").rpartition("/")
        self._filepath = filepath
        self._manifest = manifest
        self._storage = Storage(parent, cache)
        self.metadata = metadata

    def find(self) -> PublishedFolder | None:
        """What is there, None where nothing is that can be trusted."""
        if self._manifest is None:
            there = self._storage.exists(self._name)
            return PublishedFolder(self._storage, self._name, None) if there else None
        text = self._storage.read_text(self._name, self._manifest)
        return (
            None if text is None else PublishedFolder(self._storage, self._name, json.loads(text))
        )

    def load(self) -> PublishedFolder:
        folder = self.find()
        if folder is None:
            raise DatasetError(f"{self._filepath} is not there whole; run the step again")
        return folder

    def save(self, data: Path) -> None:
        self._storage.publish(Path(data), self._name, last=self._manifest)

    def _exists(self) -> bool:
        return self.find() is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "manifest": self._manifest}


class FoldersDataset(PartitionedDataset):
    """Kedro's PartitionedDataset with a folder in place of a file as its partition.

    Like Kedro's IncrementalDataset, `load` gives each partition's content by name, in alphabetical
    order, and is empty where there is none yet. `save` takes local folders by name; None removes an
    earlier one.

    Args:
        path: folder or fsspec URL that holds the folders.
        dataset: Kedro's definition of one of them.
        one_a_run: every run adds a folder, so none counts as the result of the next run.
    """

    def __init__(
        self,
        path: str,
        dataset: str | dict[str, Any] | type[PathDataset] = PathDataset,
        one_a_run: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(path=path, dataset=dataset, metadata=metadata)
        self._one_a_run = one_a_run

    def load(self) -> dict[str, PublishedFolder]:
        folders = {}
        for name in Storage(self._path).folders():
            one = self._dataset_type(filepath=f"{self._path}/{name}", **self._dataset_config)
            folders[name] = one.find()
        return {name: folder for name, folder in folders.items() if folder is not None}

    def save(self, data: dict[str, Path | None]) -> None:
        for name, folder in data.items():
            if refused := why_name_is_refused(name):
                raise ValueError(refused)
            if folder is None:
                Storage(self._path).remove(name)
            else:
                super().save({name: folder})

    def _exists(self) -> bool:
        return not self._one_a_run and bool(self.load())
