"""What tests of dense depth share."""

import pytest
from tests.worlds import block_world


@pytest.fixture(scope="session")
def flown():
    """Images, depth maps, poses and camera of seven views over blocks."""
    return block_world.rendered_flight()
