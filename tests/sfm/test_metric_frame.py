"""Scale, direction and level of a model."""

import numpy as np
import pytest

from aerial_depth_pipeline.geometry.poses import look_at
from aerial_depth_pipeline.sfm.metric_frame import (
    Similarity,
    estimate_up,
    fit_positions,
    fit_rough_positions,
    height_above_ground,
    level,
)


def rotation(seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def model_of(world_N3, seed=1):
    """World positions as a model of arbitrary frame would hold them, and the similarity back to the
    world."""
    back = Similarity(7.5, rotation(seed), np.array([3.0, -20.0, 8.0]))
    return (world_N3 - back.translation) @ back.rotation / back.scale, back


def orbit(count=30):
    angle = np.linspace(0, 4, count)
    return np.stack([60 * np.cos(angle), 60 * np.sin(angle), 50 + 3 * np.sin(3 * angle)], 1)


def test_scale_is_found_through_noise_and_outliers():
    world = orbit(60)
    centers, truth = model_of(world)
    rng = np.random.default_rng(2)
    measured = world + rng.normal(0, 0.4, world.shape)
    measured[[4, 20, 31, 50]] += 40.0
    measured[10] = np.nan
    fit = fit_positions(centers, measured, None, 1.0, 0)
    assert fit.similarity.scale == pytest.approx(truth.scale, rel=0.005)
    assert fit.used == 59
    assert fit.inliers == 55
    assert 0.4 < fit.residual_m < 1.0
    assert np.linalg.norm(fit.similarity.apply(centers) - world, axis=1).max() < 0.5


def test_a_straight_flight_is_levelled_by_the_cameras():
    world = np.stack([np.linspace(0, 200, 25), np.linspace(0, 40, 25), np.full(25, 80.0)], 1)
    centers, truth = model_of(world)
    rng = np.random.default_rng(0)
    up = truth.rotation.T @ [0, 0, 1]
    fit = fit_positions(centers, world + rng.normal(0, 0.4, world.shape), up, 1.0, 0)
    assert fit.similarity.scale == pytest.approx(truth.scale, rel=0.005)
    assert fit.similarity.rotation @ up @ [0, 0, 1] > np.cos(np.radians(1))


def test_rough_positions_with_a_drifting_altitude_still_tell_the_scale():
    world = orbit(60)
    centers, truth = model_of(world)
    rng = np.random.default_rng(4)
    measured = world + rng.normal(0, 5, world.shape)
    measured[:, 2] += np.linspace(0, 90, 60)
    up = truth.rotation.T @ [0, 0, 1]
    assert fit_positions(centers, measured, up, 1.0, 0) is None
    fit = fit_rough_positions(centers, measured, up, 1.0, 0)
    assert fit.horizontal and 5 < fit.residual_m < 9
    assert (
        fit.similarity.scale == pytest.approx(truth.scale, rel=3 * fit.scale_uncertainty)
        and fit.scale_uncertainty < 0.03
    )
    assert fit.similarity.rotation @ up == pytest.approx([0, 0, 1], abs=1e-6)
    assert fit_rough_positions(centers, rng.uniform(-100, 100, world.shape), up, 1.0, 0) is None


@pytest.mark.parametrize("reason", ["too few", "hovering", "wrong"])
def test_positions_that_tell_no_scale_are_refused(reason):
    world = orbit()
    centers, _ = model_of(world)
    measured = world.copy()
    if reason == "too few":
        measured[2:] = np.nan
    elif reason == "hovering":
        measured = np.random.default_rng(0).normal(0, 0.5, world.shape)
    else:
        measured = np.random.default_rng(0).uniform(-100, 100, world.shape)
    assert fit_positions(centers, measured, None, 1.0, 0) is None


@pytest.mark.parametrize("path", ["orbit", "strip", "nadir strip"])
def test_up_is_found_from_how_drones_hold_cameras(path):
    rng = np.random.default_rng(0)
    points = np.stack(
        [
            rng.uniform(-80, 80, 500),
            rng.uniform(-80, 80, 500),
            np.where(rng.random(500) < 0.2, rng.uniform(0, 12, 500), 0),
        ],
        1,
    )
    if path == "orbit":
        poses = [look_at(c, np.zeros(3)) for c in orbit()]
    elif path == "strip":
        poses = [
            look_at(np.array([x, -60, 50.0]), np.array([x, 0, 0.0]))
            for x in np.linspace(-50, 50, 12)
        ]
    else:
        poses = [
            look_at(np.array([x, 0, 70.0]), np.array([x, 0, 0.0])) for x in np.linspace(-50, 50, 12)
        ]
    turn = np.eye(4)
    turn[:3, :3] = rotation(5)
    turned = np.stack([pose @ np.linalg.inv(turn) for pose in poses])
    up = estimate_up(turned, points @ turn[:3, :3].T)
    assert up @ turn[:3, :3] @ [0, 0, 1] > np.cos(np.radians(2))


def test_level_takes_up_to_z():
    for seed in range(5):
        R = rotation(seed)
        assert np.allclose(level(R[0]) @ R[0], [0, 0, 1])
        assert np.linalg.det(level(R[0])) == pytest.approx(1)


def test_height_is_measured_from_the_ground_not_from_the_roofs():
    rng = np.random.default_rng(0)
    points = np.stack(
        [
            rng.uniform(-80, 80, 500),
            rng.uniform(-80, 80, 500),
            np.where(rng.random(500) < 0.3, 12.0, 0.1),
        ],
        1,
    )
    assert height_above_ground(
        np.array([[0, 0, 60.0], [5, 0, 61], [9, 0, 62]]), points
    ) == pytest.approx(61, abs=0.5)


def test_positions_without_heights_tell_the_scale_by_the_plan():
    world = orbit(40)
    centers, truth = model_of(world)
    measured = world.copy()
    measured[:, 2] = np.nan
    up = truth.rotation.T @ [0, 0, 1]
    assert fit_positions(centers, measured, up, 1.0, 0) is None
    fit = fit_rough_positions(centers, measured, up, 1.0, 0)
    assert fit.similarity.scale == pytest.approx(truth.scale, rel=1e-6)
    moved = fit.similarity.apply(centers)
    np.testing.assert_allclose(moved[:, :2], world[:, :2], atol=1e-6)
    assert np.median(moved[:, 2]) == pytest.approx(0, abs=1e-6)
