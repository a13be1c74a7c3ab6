"""What tests of structure from motion share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "mvs"))
import block_world  # noqa: E402


@pytest.fixture(scope="session")
def flown():
    """Images, depth maps, poses and camera of seven views over blocks."""
    return block_world.rendered_flight()
