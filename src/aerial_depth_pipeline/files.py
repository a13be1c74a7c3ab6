"""Files that are either whole or not there, and fingerprints that say whether a result is still
current."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SAMPLE_BYTES = 1 << 20


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, moved over it when the block ends without an error and
    removed otherwise.

    Works for a file and for a folder. A killed process leaves at worst a `.partial-*` entry that
    nobody reads.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays: image writers choose their format by it.
    partial = path.parent / f".partial-{uuid.uuid4().hex[:12]}{path.suffix}"
    try:
        yield partial
        _sync(partial)
        replace(partial, path)
    finally:
        remove(partial)


def replace(new: Path, path: Path) -> None:
    """Move `new` to `path`; a folder that stands there is put aside first and removed
    afterwards."""
    if (
        new.stat().st_dev != path.parent.stat().st_dev
    ):  # a rename cannot cross file systems; a copy beside the target can be renamed
        copy = path.parent / f".partial-{uuid.uuid4().hex[:12]}"
        shutil.move(new, copy)
        new = copy
    if path.is_dir() and not path.is_symlink():
        aside = path.parent / f".partial-{uuid.uuid4().hex[:12]}"
        os.rename(path, aside)
        os.rename(new, path)
        remove(aside)
    else:
        os.replace(new, path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    if not path.is_file():
        return
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(Path(path)) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, readable for people."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def fingerprint_of(*parts: Any) -> str:
    """A short hash of anything JSON can hold: parameters, versions, other fingerprints."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def fingerprint_of_files(folder: Path) -> str:
    """A hash of all visible files below `folder`: their names, sizes and a sample of their content.

    Large files are sampled at the beginning, the middle and the end, so that gigabytes of video do
    not have to be read; copying a file, which changes its time but not its content, does not change
    the fingerprint.
    """
    digest = hashlib.blake2b(digest_size=12)
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in name.split("/")):
            continue
        size = path.stat().st_size
        digest.update(f"{name}\0{size}\0".encode("utf-8", "surrogateescape"))
        with path.open("rb") as stream:
            for offset in sorted(
                {0, max(0, size // 2 - _SAMPLE_BYTES // 2), max(0, size - _SAMPLE_BYTES)}
            ):
                stream.seek(offset)
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()
