"""A folder anywhere fsspec reaches, with a local copy for the programs that need real files."""

import tempfile
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from aerial_depth_pipeline.files import fingerprint_of, remove, replace


class Storage:
    """A root folder on the local disk or behind an fsspec URL.

    On the local disk nothing is copied and folders are published by a rename. Elsewhere folders are
    uploaded file by file, the one that vouches for the others last, and fetched into a cache when
    they are read.
    """

    def __init__(self, url: str, cache: str | None = None) -> None:
        self.filesystem, self.root = fsspec.core.url_to_fs(str(url))
        self.is_local = isinstance(self.filesystem, LocalFileSystem)
        self._cache = Path(
            cache or Path(tempfile.gettempdir()) / "aerial_depth_pipeline"
        ) / fingerprint_of(str(url))

    def path(self, *parts: str) -> str:
        """The full path of something below the root."""
        return "/".join([self.root.rstrip("/"), *parts])

    def folders(self) -> list[str]:
        """Names of the visible folders directly below the root, sorted."""
        if not self.filesystem.isdir(self.root):
            return []
        found = (
            self.filesystem.ls(self.root, detail=True, refresh=True)
            if not self.is_local
            else self.filesystem.ls(self.root, detail=True)
        )
        names = [
            entry["name"].rstrip("/").rsplit("/", 1)[-1]
            for entry in found
            if self._is_folder(entry)
        ]
        return sorted(name for name in names if not name.startswith("."))

    def _is_folder(self, entry: dict) -> bool:
        return entry["type"] == "directory" or (self.is_local and Path(entry["name"]).is_dir())

    def read_text(self, *parts: str) -> str | None:
        """The text of a file, None where there is none."""
        try:
            return self.filesystem.cat_file(self.path(*parts)).decode("utf-8")
        except FileNotFoundError:
            return None

    def local(self, *parts: str, version: str = "") -> Path:
        """A local path that holds the folder's content: itself on the local disk, a fetched copy
        elsewhere.

        The copy is fetched again when `version` differs from the one it was fetched for.
        """
        if self.is_local:
            return Path(self.path(*parts))
        copy = self._cache.joinpath(*parts)
        stamp = copy.parent / f".{copy.name}.version"
        if not (copy.is_dir() and stamp.is_file() and stamp.read_text() == version and version):
            remove(stamp)
            remove(copy)
            copy.parent.mkdir(parents=True, exist_ok=True)
            self.filesystem.get(self.path(*parts), str(copy), recursive=True)
            stamp.write_text(version)
        return copy

    def version(self, *parts: str) -> str:
        """Changes when a file below is added, removed or replaced, by what the file system lists of
        them; nothing is fetched."""
        self.filesystem.invalidate_cache()  # others write there too
        found = self.filesystem.find(self.path(*parts), detail=True)
        stamps = ("ETag", "etag", "md5Hash", "LastModified", "updated", "mtime", "created")
        return fingerprint_of(
            [
                [name, entry.get("size"), *(entry.get(stamp) for stamp in stamps)]
                for name, entry in sorted(found.items())
            ]
        )

    def exists(self, name: str) -> bool:
        """Whether a file or folder of that name is below the root."""
        return self.filesystem.exists(self.path(name))

    def publish(self, path: Path, name: str, last: str | None = None) -> None:
        """Put a finished local file or folder in place under `name`; `last` is the file of the
        folder that vouches for the others."""
        if self.is_local:
            target = Path(self.path(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            replace(path, target)
            return
        if path.is_file():
            self.filesystem.put_file(str(path), self.path(name))
        else:
            self.remove(name)
            files = [file for file in path.rglob("*") if file.is_file()]
            for file in sorted(files, key=lambda file: (file == path / str(last), file)):
                parts = file.relative_to(path).parts
                self.filesystem.put_file(str(file), self.path(name, *parts))
        remove(path)

    def remove(self, name: str) -> None:
        """Remove a file or folder below the root, if it is there."""
        if self.exists(name):
            self.filesystem.rm(self.path(name), recursive=True)

    def workspace(self, prefix: str) -> Path:
        """A new local folder from which something can be published by a rename."""
        if self.is_local:
            Path(self.root).mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=f".partial-{prefix}-", dir=self.root))
        return Path(tempfile.mkdtemp(prefix=f"{prefix}-"))
