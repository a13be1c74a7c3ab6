"""Running COLMAP's steps inside this process: quiet, and stoppable by Ctrl-C."""

import threading
from collections.abc import Callable
from typing import Any

from aerial_depth_pipeline.interruption import signals_kept

with signals_kept():  # COLMAP's own answer to SIGTERM is a stack trace
    import pycolmap

__all__ = ["pycolmap", "run_step"]

# COLMAP's own log would run through the progress bars; what matters of it becomes a message of
# ours.
pycolmap.logging.minloglevel = pycolmap.logging.FATAL.value


def run_step(
    step: Callable[..., Any],
    arguments: dict[str, Any],
    tick: Callable[[], None] | None = None,
    cancellable: bool = True,
) -> Any:
    """Run one of pycolmap's functions.

    It runs in a thread, because it does not return to Python before it is done: neither a progress
        bar nor Ctrl-C would work. A database
    that it works on must not be opened with Python's sqlite3 meanwhile: two copies of SQLite in one
    process break each other's locks, and the database is then corrupted.

    Args:
        step: the function.
        arguments: its keyword arguments.
        tick: called a few times a second while it runs.
        cancellable: whether `step` takes a `cancellation_token`.
    """
    token = pycolmap.CancellationToken()
    if cancellable:
        arguments = arguments | {"cancellation_token": token}
    outcome: dict[str, Any] = {}
    done = threading.Event()  # a join that a signal breaks off takes the thread for ended

    def work() -> None:
        try:
            outcome["result"] = step(**arguments)
        except BaseException as error:  # handed to the caller's thread below
            outcome["error"] = error
        done.set()

    thread = threading.Thread(target=work, name=f"colmap {step.__name__}", daemon=True)
    thread.start()
    try:
        while not done.wait(0.1):
            if tick:
                tick()
    except BaseException:
        token.cancel()
        done.wait()
        raise
    finally:
        thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]
