"""Scenes of a domain, one folder each, published whole or not at all."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from aerial_depth_pipeline.datasets.storage import Storage
from aerial_depth_pipeline.files import fingerprint_of_files

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


@dataclass(frozen=True)
class FinishedScene:
    """A scene's result in a local folder, ready to be published.

    Attributes:
        folder: holds the result and nothing else; it is moved away.
        fingerprint: of everything the result was made from.
        summary: what reports say of it; anything JSON can hold.
    """

    folder: Path
    fingerprint: str
    summary: dict[str, Any] = field(default_factory=dict)


class SceneFolder:
    """One scene on disk."""

    def __init__(
        self, storage: Storage | None, domain: str, name: str, manifest: dict[str, Any] | None
    ) -> None:
        self._storage, self._manifest = storage, manifest
        self.domain, self.name = domain, name

    @property
    def fingerprint(self) -> str:
        """Changes when the scene's content changes. Raw footage is fingerprinted by its files,
        results by what they were made from."""
        return (
            fingerprint_of_files(self.path)
            if self._manifest is None
            else self._manifest["fingerprint"]
        )

    @property
    def summary(self) -> dict[str, Any]:
        """What was said of the scene when it was published."""
        return {} if self._manifest is None else self._manifest["summary"]

    @property
    def path(self) -> Path:
        """A local folder with the scene's content, fetched first if it lies elsewhere."""
        if self._storage is None:
            raise FileNotFoundError(f"scene {self.domain}/{self.name} is not on disk yet")
        if self._storage.is_local:
            return self._storage.local(self.name)
        version = (
            self._storage.version(self.name)
            if self._manifest is None
            else self._manifest["fingerprint"]
        )
        return self._storage.local(self.name, version=version)


class SceneFolders(Mapping[str, SceneFolder]):
    """The scenes of one domain by name, in alphabetical order.

    `strangers` are names of folders there that this project did not make and therefore never
    overwrites.
    """

    def __init__(
        self,
        domain: str,
        location: str,
        scenes: list[SceneFolder],
        strangers: list[str] | None = None,
    ) -> None:
        self.domain, self.location, self.strangers = domain, location, strangers or []
        self._scenes = {scene.name: scene for scene in scenes}

    def __getitem__(self, name: str) -> SceneFolder:
        return self._scenes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scenes)

    def __len__(self) -> int:
        return len(self._scenes)


class SceneFoldersDataset(AbstractDataset[dict[str, FinishedScene | None], SceneFolders]):
    """The scenes of a domain below one folder.

    `load` gives a `SceneFolders`, empty where there is nothing yet. `save` takes scenes that are
    finished, by name, and publishes each atomically; None removes a scene's earlier result. A
    result is trusted only with its manifest, which is written with it.

    Args:
        filepath: folder or fsspec URL that holds one folder per scene.
        domain: the domain's name.
        raw: whether the folders are a user's footage, which needs no manifest.
        cache: local folder for copies of remote scenes.
    """

    def __init__(
        self,
        filepath: str,
        domain: str,
        raw: bool = False,
        cache: str | None = None,
        metadata: dict | None = None,
    ) -> None:
        self._filepath, self._domain, self._raw, self._cache = filepath, domain, raw, cache
        self.metadata = metadata

    def _storage(self) -> Storage:
        return Storage(self._filepath, self._cache)

    def load(self) -> SceneFolders:
        storage = self._storage()
        scenes, strangers = [], []
        for name in storage.folders():
            text = None if self._raw else storage.read_text(name, MANIFEST)
            if text is None and not self._raw:
                strangers.append(name)
            else:
                scenes.append(
                    SceneFolder(
                        storage, self._domain, name, None if text is None else json.loads(text)
                    )
                )
        return SceneFolders(self._domain, self._filepath, scenes, strangers)

    def save(self, data: dict[str, FinishedScene | None]) -> None:
        storage = self._storage()
        for name, scene in data.items():
            if refused := why_name_is_refused(name):
                raise ValueError(refused)
            if scene is None:
                storage.remove(name)
                continue
            manifest = {"fingerprint": scene.fingerprint, "summary": scene.summary}
            (scene.folder / MANIFEST).write_text(
                json.dumps(manifest, indent=2, default=str), encoding="utf-8"
            )
            storage.publish_folder(scene.folder, name, last=MANIFEST)

    def _exists(self) -> bool:
        return len(self.load()) > 0

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "domain": self._domain, "raw": self._raw}
