"""Poses are cam_from_world, relative poses take target points to the source camera."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from aerial_depth_pipeline.geometry import poses


def random_pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return poses.pose(Rotation.random(rng=rng).as_matrix(), rng.normal(size=3))


def test_inverse() -> None:
    T = random_pose(0)
    np.testing.assert_allclose(poses.invert(T) @ T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(
        poses.invert(torch.from_numpy(T)[None])[0].numpy(), np.linalg.inv(T), atol=1e-12
    )


def test_relative_pose_takes_target_points_to_the_source() -> None:
    source, target = random_pose(1), random_pose(2)
    world = np.array([0.3, -2.0, 5.0, 1.0])
    np.testing.assert_allclose(
        poses.relative_pose(source, target) @ (target @ world), source @ world, atol=1e-12
    )


def test_look_at() -> None:
    center, point = np.array([10.0, -5.0, 50.0]), np.array([0.0, 20.0, 0.0])
    T = poses.look_at(center, point)
    np.testing.assert_allclose(poses.camera_center(T), center, atol=1e-9)
    seen = T @ np.append(point, 1)
    np.testing.assert_allclose(seen[:2], 0, atol=1e-9)
    assert seen[2] == pytest.approx(np.linalg.norm(point - center))
    above = T @ np.append(point + [0, 0, 1], 1)
    assert above[1] < 0  # up in the world is up in the image, where y points down
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)


def test_look_straight_down_has_north_at_the_top() -> None:
    T = poses.look_at(np.array([0.0, 0.0, 50.0]), np.zeros(3))
    assert (T @ [0, 1, 0, 1])[1] < 0
    assert (T @ [1, 0, 0, 1])[0] > 0


def test_axis_angle_agrees_with_scipy_and_is_differentiable_at_zero() -> None:
    vectors = torch.tensor([[0.1, -0.2, 0.3], [2.0, 1.0, -0.5], [1e-5, 0, 0]], dtype=torch.float64)
    np.testing.assert_allclose(
        poses.rotation_from_axis_angle(vectors).numpy(),
        Rotation.from_rotvec(vectors.numpy()).as_matrix(),
        atol=1e-7,
    )
    zero = torch.zeros(1, 3, requires_grad=True)
    poses.rotation_from_axis_angle(zero)[0, 1, 0].backward()
    np.testing.assert_allclose(zero.grad.numpy(), [[0, 0, 1]], atol=1e-6)


def test_rotation_angle() -> None:
    for angle in (0.0, 1e-8, 0.3, 3.1):
        assert poses.rotation_angle(
            Rotation.from_rotvec([0, angle, 0]).as_matrix()
        ) == pytest.approx(angle, abs=1e-9)


def test_similarity_is_recovered_also_from_mirrored_noise() -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(30, 3))
    R, t, s = Rotation.random(rng=rng).as_matrix(), np.array([1.0, 2, 3]), 2.5
    scale, rotation, translation = poses.fit_similarity(points, s * points @ R.T + t)
    assert scale == pytest.approx(s)
    np.testing.assert_allclose(rotation, R, atol=1e-9)
    np.testing.assert_allclose(translation, t, atol=1e-9)
    mirrored = poses.fit_similarity(points, points * [1, 1, -1])
    assert np.linalg.det(mirrored[1]) == pytest.approx(1)


def test_similarity_needs_points_off_a_line() -> None:
    line = np.linspace(0, 1, 10)[:, None] * [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="line"):
        poses.fit_similarity(line, line)
    with pytest.raises(ValueError, match="three"):
        poses.fit_similarity(line[:2], line[:2])


def test_pose_from_vectors_is_the_rotation_of_scipy_and_the_translation() -> None:
    vectors = torch.tensor([[0.4, -0.3, 1.2], [0.0, 0.0, -2.0]], dtype=torch.float64)
    translation = torch.tensor([[1.0, 2, 3], [-4, 5, -6]], dtype=torch.float64)
    T = poses.pose_from_vectors(vectors, translation).numpy()
    for matrix, vector, t in zip(T, vectors.numpy(), translation.numpy(), strict=True):
        rotation = Rotation.from_rotvec(vector).as_matrix()
        np.testing.assert_allclose(matrix, poses.pose(rotation, t), atol=1e-9)


def test_similarity_is_that_of_scipy_for_a_rotation_alone() -> None:
    rng = np.random.default_rng(4)
    source, target = rng.normal(size=(2, 20, 3))
    _, rotation, _ = poses.fit_similarity(source, target)
    expected, _ = Rotation.align_vectors(target - target.mean(0), source - source.mean(0))
    np.testing.assert_allclose(rotation, expected.as_matrix(), atol=1e-6)
