"""Progress bars on everything that takes longer than two seconds, and quiet loggers."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(
    items: Iterable[Item], description: str, total: int | None = None, unit: str = "it"
) -> Iterator[Item]:
    """Iterate over `items` behind a bar that appears only once the work has taken two seconds."""
    return iter(progress_bar(items, description, total, unit))


def progress_bar(
    items: Iterable[Item] | None, description: str, total: int | None = None, unit: str = "it"
) -> "tqdm[Item]":
    """The bar itself, for work that reports its steps with `bar.update(n)`; use it as a context
    manager.

    On a terminal the bar stays in its line; in a log file it leaves a line every fifteen seconds.
    """
    terminal = sys.stderr.isatty()
    bar: tqdm[Any] = tqdm(
        items,
        desc=description,
        total=total,
        unit=unit,
        delay=2,
        file=sys.stderr if terminal else _Lines(),
        ascii=None if terminal else True,
        mininterval=0.2 if terminal else 15,
        maxinterval=10 if terminal else 60,
        dynamic_ncols=terminal,
        ncols=None if terminal else 100,
        leave=terminal,
    )
    return bar


class _Lines:
    """Turns a bar's rewriting of its line into lines of a log."""

    def write(self, text: str) -> None:
        line = text.strip("\r\n ")
        if line:
            sys.stderr.write(line + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


class _BesideBars:
    """A stream for log lines that come while a bar is shown on the terminal: they appear above
    it."""

    def write(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr, end="")

    def flush(self) -> None:
        sys.stderr.flush()


def log_beside_bars() -> None:
    """Let the root logger's lines appear above progress bars instead of through them."""
    if not sys.stderr.isatty():
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setStream(_BesideBars())


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Only errors of these loggers are logged."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
