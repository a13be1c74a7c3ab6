"""Files that are either whole or not there, and fingerprints that say whether a result is still
current."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from aerial_depth_pipeline.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

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
    for path in sorted(p for p in files_below(Path(folder)) if p.is_file()):
        name = path.relative_to(folder).as_posix()
        size = path.stat().st_size
        digest.update(f"{name}\0{size}\0".encode("utf-8", "surrogateescape"))
        with path.open("rb") as stream:
            for offset in sorted(
                {0, max(0, size // 2 - _SAMPLE_BYTES // 2), max(0, size - _SAMPLE_BYTES)}
            ):
                stream.seek(offset)
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def is_disk_full(error: OSError) -> bool:
    """Whether a disk or a quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def disk_full_as_sentence(folder: Path, advice: str) -> Iterator[None]:
    """Say which disk is full and what to do about it.

    Raises:
        UserError: where the block runs into a full disk.
    """
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise UserError(f"The disk that holds {folder} is full; {advice}") from error


def lock(path: Path, wait_seconds: float = 0.0) -> IO[str] | None:
    """A lock between processes of one machine, held until the returned file is closed or the
    process ends, however it ends.

    Args:
        path: of the lock's file, which stays and names the process that took it last.
        wait_seconds: how long to wait for whoever holds it.

    Returns:
        The open file, or None where another process still holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a+", encoding="utf-8")
    end = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                stream.close()
                return None
            time.sleep(min(1.0, max(0.05, end - time.monotonic())))
            continue
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        return stream


def lock_holder(path: Path) -> str:
    """The process that took a lock last, for messages."""
    try:
        return path.read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        return "unknown"


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Keep two runs on one machine from the same work.

    Args:
        path: of the lock's file.
        what: the work, for the message.

    Raises:
        UserError: where another process is at it.
    """
    held = lock(path)
    if held is None:
        raise UserError(
            f"{what} is already under way in process {lock_holder(path)}. Wait until it has ended,"
            " or stop it, and run again."
        )
    with held:
        yield


class BoundedExecutor:
    """Runs calls on other threads with at most `waiting` of them unfinished, so that memory does
    not grow; a context manager. Errors come back. One thread keeps the order of the calls."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool, self._waiting = ThreadPoolExecutor(threads), waiting
        self._futures: deque[Future[Any]] = deque()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run `function(*arguments)` soon; waits while too many calls are unfinished.

        Raises:
            Exception: whatever an earlier call raised.
        """
        while self._futures and (len(self._futures) >= self._waiting or self._futures[0].done()):
            self._futures.popleft().result()
        self._futures.append(self._pool.submit(function, *arguments))

    def __enter__(self) -> "BoundedExecutor":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            while self._futures:
                self._futures.popleft().result()


def bounded_map(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Results in order, with at most `ahead` items under work, so that neither items nor results
    pile up."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(executor.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def made_ahead(items: Iterable[Item], ahead: int = 2) -> Iterator[Item]:
    """The items in order, made on another thread while those before are used; at most `ahead` of
    them wait."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        waiting: deque[Future[Any]] = deque(pool.submit(next, iterator, end) for _ in range(ahead))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, iterator, end))
            yield item


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, evenly spread from the first to the last, in their order."""
    if count >= len(items):
        return list(items)
    if count == 1:
        return [items[0]]
    # Halves round to even, as numpy does.
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def visible_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files of a folder with one of the suffixes (any case), hidden ones left out, in natural
    order: 2 before 10."""
    if not folder.is_dir():
        return []
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return in_natural_order((p for p in files if p.suffix.lower() in suffixes), folder)


def files_below(folder: Path) -> Iterator[Path]:
    """The visible files below a folder, and links that lead nowhere. Links to folders are followed,
    but no folder is entered twice, so that a circle of links ends."""
    entered = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place) / name for name in names if not name.startswith("."))


def in_natural_order(files: Iterable[Path], folder: Path) -> list[Path]:
    """Files at or below a folder in natural order, 2 before 10; a folder's own before those of the
    folders in it."""

    def key(path: Path) -> list[tuple[int, list[tuple[int, int, str]]]]:
        *folders, name = path.relative_to(folder).parts
        return [*((1, _natural_order(part)) for part in folders), (0, _natural_order(name))]

    return sorted(files, key=key)


def _natural_order(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]
