"""Relative poses of two frames with known truth: relief, flat ground, things that move, and nothing
to see."""

import cv2
import numpy as np
import pytest
from tests.worlds.footage import CAMERA, World, flight_pose

from aerial_depth_pipeline.capture.motion.two_view import TwoView, prepare
from aerial_depth_pipeline.capture.motion.two_view import relative_pose as estimate
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.poses import (
    angle_between,
    look_at,
    relative_pose,
    rotation_angle,
)


def _see(world, poses, camera=CAMERA, noise=2.0):
    random = np.random.default_rng(0)
    grays = [cv2.cvtColor(world.render(T, camera)[0], cv2.COLOR_RGB2GRAY) for T in poses]
    return [
        np.clip(gray + random.normal(0, noise, gray.shape), 0, 255).astype(np.uint8)
        for gray in grays
    ]


def _errors(found: TwoView, poses) -> tuple[float, float]:
    truth = relative_pose(poses[1], poses[0])
    rotation = np.degrees(rotation_angle(found.T[:3, :3] @ truth[:3, :3].T))
    return rotation, np.degrees(angle_between(found.T[:3, 3], truth[:3, 3]))


def _two_view(world, poses, camera=CAMERA, **options) -> TwoView:
    first, second = (prepare(gray, 1000) for gray in _see(world, poses, camera, **options))
    return estimate(first, second, camera.K, 0.4)


@pytest.mark.parametrize("way", [(3, 0, 0), (-3, 0, 0), (0, 2.5, 0), (0, 0, -3), (1.5, -1.5, 1)])
def test_direction_and_its_sign(world, way):
    poses = [flight_pose(0, 0, 40), flight_pose(way[0], way[1], 40 + way[2], heading=0.01)]
    found = _two_view(world, poses)
    rotation, direction = _errors(found, poses)
    assert rotation < 0.15 and direction < 3, (rotation, direction)
    assert np.linalg.norm(found.T[:3, 3]) == pytest.approx(1) and found.inliers > 150


def test_principal_point_and_pixel_centres_count(world):
    """Half a pixel in the wrong convention would turn the camera by a tenth of a degree in opposite
    senses of these two crops."""
    camera = Camera.pinhole(320, 192, 260, 260, 110, 120)
    poses = [flight_pose(0, 0, 40), flight_pose(3, 0.5, 40.2, heading=0.02)]
    rotation, direction = _errors(_two_view(world, poses, camera), poses)
    assert rotation < 0.1 and direction < 2


@pytest.fixture(scope="module")
def plain() -> World:
    flat = World(3)
    flat.layers = flat.layers[:1]
    return flat


@pytest.mark.parametrize("pitch", [89.0, 60.0, 35.0])
def test_flat_ground_has_two_explanations_and_the_right_one_is_found(plain, pitch):
    for x in range(-30, 31, 15):
        poses = [
            flight_pose(x, 5, 40, 0, pitch),
            flight_pose(x + 2.5, 5.2, 40.2, 0.01, pitch - 0.3),
        ]
        rotation, direction = _errors(_two_view(plain, poses), poses)
        assert rotation < 0.2 and direction < 4, (x, rotation, direction)


@pytest.mark.parametrize(("radius", "height"), [(60, 40), (30, 50)])
def test_orbit_over_flat_ground(plain, radius, height):
    for start in (0.3, 2.0, 4.5):
        places = [
            np.array([radius * np.cos(a), radius * np.sin(a), height])
            for a in (start, start + 0.06)
        ]
        poses = [look_at(place, np.zeros(3)) for place in places]
        rotation, direction = _errors(_two_view(plain, poses), poses)
        assert rotation < 0.2 and direction < 4


def test_parallax_is_what_is_left_without_the_rotation(world):
    still = [flight_pose(0, 0, 40), flight_pose(0.6, 0, 40, heading=0.04)]
    found = _two_view(world, still)
    expected = 0.6 / 44 * 260  # a step across the view, seen at about the range of the ground
    assert found.parallax == pytest.approx(expected, rel=0.35)


def test_moving_things_do_not_move_the_camera(world):
    poses = [flight_pose(0, 0, 40), flight_pose(2.5, 0, 40)]
    first, second = _see(world, poses)
    for x in range(40, 280, 60):  # cars: patches that go their own way
        patch = np.random.default_rng(x).integers(0, 255, (24, 24), np.uint8)
        first[60:84, x : x + 24] = cv2.GaussianBlur(patch, (3, 3), 0.8)
        second[62:86, x + 7 : x + 31] = cv2.GaussianBlur(patch, (3, 3), 0.8)
    rotation, direction = _errors(
        estimate(prepare(first, 1000), prepare(second, 1000), CAMERA.K, 0.4), poses
    )
    assert rotation < 0.15 and direction < 3


def test_nothing_to_follow_is_no_pose(world):
    flat = np.full((192, 320), 128, np.uint8)
    one = _see(world, [flight_pose(0)])[0]
    other = _see(world, [flight_pose(0, 150)])[0]
    assert estimate(prepare(flat, 1000), prepare(flat, 1000), CAMERA.K, 0.4) is None
    lost = estimate(prepare(one, 1000), prepare(other, 1000), CAMERA.K, 0.4)
    assert lost is None or lost.inliers < 100


def test_few_strong_corners_are_joined_by_weak_ones(world):
    """Faint fields beside one bright roof: the roof alone does not tell the motion."""
    poses = [flight_pose(0, 0, 40), flight_pose(2.5, 0, 40)]
    grays = []
    for gray in _see(world, poses, noise=0):
        faint = (128 + 0.06 * (gray.astype(float) - 128)).round().astype(np.uint8)
        faint[90:100, 150:160] = 255
        grays.append(faint)
    first, second = (prepare(gray, 1000) for gray in grays)
    assert len(first.corners) >= 240
    found = estimate(first, second, CAMERA.K, 0.4)
    assert found is not None and _errors(found, poses)[1] < 10
