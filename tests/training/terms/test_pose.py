"""The distance of poses."""

import pytest
import torch

from aerial_depth_pipeline.geometry.poses import rotation_from_axis_angle
from aerial_depth_pipeline.training.terms.pose import pose_distance


def test_the_difference_of_poses_is_a_share_of_the_step(scene):
    given, usable = scene["T"], scene["usable"]
    assert pose_distance(given, given, usable, 1.0) == 0
    longer = given.clone()
    longer[..., :3, 3] *= 1.25
    assert float(pose_distance(longer, given, usable, 1.0)) == pytest.approx(0.25, abs=1e-5)
    # A turn by a small angle moves what lies at depth 2 by twice the angle; here that is a tenth of
    # the step.
    angle = 0.05 * float(given[0, 1, :3, 3].norm())
    turn = rotation_from_axis_angle(torch.tensor([[0.0, angle, 0.0]]))
    turned = given.clone()
    turned[:, 1, :3, :3] = turn @ given[:, 1, :3, :3]
    only_second = torch.tensor([[False, True]])
    assert float(pose_distance(turned, given, only_second, 2.0)) == pytest.approx(0.1, rel=0.01)
