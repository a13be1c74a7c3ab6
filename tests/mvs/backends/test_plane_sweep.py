"""Depth of a plane sweep where poses are exact."""

import numpy as np
import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.mvs.backends.plane_sweep import sweep_view
from aerial_depth_pipeline.mvs.settings import DenseSettings


@pytest.mark.parametrize("options", [{}, {"sweep": "frontal"}, {"sweep": "both"}, {"paths": 4}])
def test_depth_of_known_poses_is_exact_to_a_percent(flown, options):
    images, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    raw = sweep_view(model, dict(enumerate(images)), 3, [1, 2, 4, 5], DenseSettings(**options))
    found = raw.depth_HW > 0
    error = np.abs(raw.depth_HW / depths[3] - 1)[found]
    assert found.mean() > 0.85
    assert np.median(error) < 0.003
    assert (error < 0.02).mean() > 0.93
