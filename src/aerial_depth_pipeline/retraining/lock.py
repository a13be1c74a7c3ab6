"""A lock between processes of one machine that a crash does not leave behind."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO


def lock(path: Path, wait_seconds: float = 0.0) -> IO[str] | None:
    """Take the lock; it is held until the returned file is closed or the process ends, however it
    ends.

    Args:
        path: of the lock's file, which stays.
        wait_seconds: how long to wait for whoever holds it.

    Returns:
        The open file, or None where somebody else still holds the lock.
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


def holder(path: Path) -> str:
    """The process that took the lock last, for messages."""
    try:
        return path.read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        return "unknown"
