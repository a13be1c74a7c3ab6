"""Depth of corners in other frames of known pose, against points that are known."""

import numpy as np
import pytest

from aerial_depth_pipeline.capture.motion.triangulation import triangulate
from aerial_depth_pipeline.geometry.poses import look_at, relative_pose

K = np.array([[300.0, 0, 190.0], [0, 310.0, 110.0], [0, 0, 1]])
TARGET = np.array([0.0, 40.0, 0.0])


def view(x: float) -> np.ndarray:
    return look_at(np.array([x, -20.0, 45.0]), TARGET + (0.3 * x, 0, 0))


def project(cam_from_world: np.ndarray, points_N3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = points_N3 @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    pixels = inside @ K.T
    return pixels[:, :2] / pixels[:, 2:], inside[:, 2]


@pytest.fixture
def scene():
    """Points on rough ground, seen from a camera and from one on either side of it."""
    random = np.random.default_rng(0)
    points = random.uniform((-30, 10, 0), (30, 80, 12), (400, 3))
    cameras = [view(0.0), view(-3.0), view(3.5)]
    (starts, depth), *others = [project(camera, points) for camera in cameras]
    T = np.array([relative_pose(camera, cameras[0]) for camera in cameras[1:]])
    return starts, np.array([pixels for pixels, _ in others]), T, depth


def test_exact_corners_give_exact_depth(scene):
    starts, ends, T, depth = scene
    found = triangulate(starts, ends, T, K, 0.7)
    np.testing.assert_allclose(1 / found.inverse_N, depth, rtol=1e-9)
    assert found.agrees_SN.all()


def test_the_unit_is_that_of_the_poses(scene):
    starts, ends, T, depth = scene
    T[:, :3, 3] /= 7.0
    np.testing.assert_allclose(7 / triangulate(starts, ends, T, K, 0.7).inverse_N, depth, rtol=1e-9)


def test_the_stated_deviation_covers_the_error(scene):
    starts, ends, T, depth = scene
    noise = np.random.default_rng(1).normal(0, 0.25, ends.shape)
    found = triangulate(starts, ends + noise, T, K, 2.0)
    within = np.abs(found.inverse_N - 1 / depth) < found.deviation_N
    assert 0.6 <= within[np.isfinite(found.inverse_N)].mean() <= 0.85


def test_a_frame_that_does_not_agree_is_left_out(scene):
    starts, ends, T, depth = scene
    ends[1, :50] += (4.0, 9.0)  # followed to something else
    ends[0, 50:100] = np.nan  # lost
    found = triangulate(starts, ends, T, K, 0.7)
    assert not found.agrees_SN[1, :50].any() and not found.agrees_SN[0, 50:100].any()
    np.testing.assert_allclose(1 / found.inverse_N[:100], depth[:100], rtol=1e-6)


def test_what_no_frame_agrees_with_has_no_depth(scene):
    starts, ends, T, _ = scene
    ends[:, :20] += (0.0, 6.0)  # across the way: moves by itself
    ends[:, 20:30] = np.nan
    found = triangulate(starts, ends, T, K, 0.7)
    assert np.isnan(found.inverse_N[:30]).all() and np.isnan(found.deviation_N[:30]).all()
    assert np.isfinite(found.inverse_N[30:]).all()


def test_without_parallax_the_deviation_says_that_nothing_is_known(scene):
    starts, ends, T, _ = scene
    T[:, :3, 3] *= 1e-3
    still = np.array([_moved(starts, each, 1 / 60.0) for each in T])
    noise = np.random.default_rng(2).normal(0, 0.2, still.shape)
    found = triangulate(starts, still + noise, T, K, 0.7)
    known = np.isfinite(found.inverse_N)
    assert (found.deviation_N[known] > found.inverse_N[known]).mean() > 0.3
    assert (found.deviation_N[known] > 0.5 / 60).all()


def _moved(starts_N2: np.ndarray, T_44: np.ndarray, inverse: float) -> np.ndarray:
    rays = np.concatenate([starts_N2, np.ones((len(starts_N2), 1))], 1) @ np.linalg.inv(K).T
    pixels = (rays @ T_44[:3, :3].T + inverse * T_44[:3, 3]) @ K.T
    return pixels[:, :2] / pixels[:, 2:]
