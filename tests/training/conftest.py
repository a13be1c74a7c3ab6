"""The scene on which terms and augmentation are tried."""

import pytest
from tests.worlds.loss_scene import rendered_triplet


@pytest.fixture(scope="session")
def scene():
    return rendered_triplet()
