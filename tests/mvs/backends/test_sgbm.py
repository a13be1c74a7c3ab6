"""Rectified pairs and their depth."""

import numpy as np
import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.geometry.poses import look_at, relative_pose
from aerial_depth_pipeline.mvs.backends.sgbm import match_pair, rectify, sgbm_view
from aerial_depth_pipeline.mvs.settings import DenseSettings


def test_rectified_points_lie_in_one_row(flown):
    _, depths, poses, view = flown
    for source in (1, 5):
        T = relative_pose(poses[source], poses[3])
        pair = rectify(view.K, T, (view.height, view.width))
        rng = np.random.default_rng(0)
        for u, v in rng.uniform(20, 180, (20, 2)):
            point = np.linalg.inv(view.K) @ [u, v, 1] * depths[3][int(v), int(u)]
            here = pair.H_view @ [u, v, 1]
            image = view.K @ (T[:3, :3] @ point + T[:3, 3])
            there = pair.H_source @ (image / image[2])
            here, there = here[:2] / here[2], there[:2] / there[2]
            assert here[1] == pytest.approx(there[1], abs=1e-6)
            # Disparity tells the depth along the common direction.
            z = (pair.rotation @ point)[2]
            offset = pair.K_view[0, 2] - pair.K_source[0, 2]
            assert here[0] - there[0] - offset == pytest.approx(
                pair.K_view[0, 0] * pair.baseline / z, rel=1e-6
            )


def test_a_source_straight_ahead_is_refused(flown):
    _, _, _, view = flown
    ahead = np.eye(4)
    ahead[2, 3] = -5.0
    assert rectify(view.K, ahead, (view.height, view.width)) is None
    image = np.zeros((view.height, view.width), np.uint8)
    assert (match_pair(image, image, view.K, ahead, 10, 100) == 0).all()


def test_a_camera_that_flies_ahead_and_looks_down_by_half_a_right_angle_is_rectified():
    K = np.array([[548.0, 0, 384], [0, 548, 224], [0, 0, 1]])
    here, there = (
        look_at(np.array([0.0, y, 80.0]), np.array([0.0, y + 85, 0.0])) for y in (0.0, 24.0)
    )
    assert rectify(K, relative_pose(there, here), (448, 768)) is not None


def test_sgbm_finds_depth(flown):
    images, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    raw = sgbm_view(model, dict(enumerate(images)), 3, [2, 4, 1], DenseSettings())
    found = raw.depth_HW > 0
    error = np.abs(raw.depth_HW / depths[3] - 1)[found]
    assert found.mean() > 0.6
    assert np.median(error) < 0.005
