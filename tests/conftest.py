"""What tests share."""

import gc
import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with flights and photographs, which is not part of the repository."""
    shared = Path(os.environ.get("AERIAL_DEPTH_SHARED", REPOSITORY.parent / "shared")) / "data"
    if not shared.is_dir():
        pytest.skip(f"development data is not there: {shared} (set AERIAL_DEPTH_SHARED)")
    return shared
