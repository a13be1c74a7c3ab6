"""Progress bars on everything that takes longer than two seconds."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], description: str, total: int | None = None, unit: str = "it") -> Iterator[Item]:
    """Iterate over `items` behind a bar that appears only once the work has taken two seconds."""
    return iter(progress_bar(items, description, total, unit))


def progress_bar(items: Iterable[Item] | None, description: str, total: int | None = None, unit: str = "it") -> "tqdm[Item]":
    """The bar itself, for work that reports its steps with `bar.update(n)`; use it as a context manager."""
    terminal = sys.stderr.isatty()
    return tqdm(
        items,
        desc=description,
        total=total,
        unit=unit,
        delay=2,
        mininterval=0.2 if terminal else 15,
        dynamic_ncols=terminal,
        leave=terminal,
    )
