from pathlib import Path

import numpy as np
import pytest
from tests.worlds.evaluation_scenes import relief, write_scene
from tests.worlds.reconstructed_ground import write_reconstructed_ground

from aerial_depth_pipeline.evaluation.references import Reference


@pytest.fixture
def depths() -> list[np.ndarray]:
    maps = [relief(index) for index in range(5)]
    maps[2][:10] = 0
    return maps


@pytest.fixture
def references(tmp_path: Path, depths: list[np.ndarray]) -> list[Reference]:
    return write_scene(tmp_path / "flight", depths)


@pytest.fixture(scope="session")
def reconstructed_ground(tmp_path_factory: pytest.TempPathFactory) -> list[Reference]:
    """Five frames with exact depth beside a COLMAP model."""
    return write_reconstructed_ground(tmp_path_factory.mktemp("ground"))
