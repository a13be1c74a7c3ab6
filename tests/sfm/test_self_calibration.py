"""Self-calibration."""

import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.sfm.self_calibration import self_calibrate


def test_self_calibration_finds_the_focal_length(flown, tmp_path):
    images, _, _, view = flown
    frames = block_world.write_frames(tmp_path / "frames", images, view)
    camera = self_calibrate(sorted((frames / "frames").iterdir()))
    assert (camera.width, camera.height, camera.model) == (view.width, view.height, "SIMPLE_RADIAL")
    assert camera.K[0, 0] == pytest.approx(view.K[0, 0], rel=0.05)
