"""Up from a gimbal's angles and from the motion of the camera."""

import cv2
import numpy as np
import pytest
from tests.worlds.flights import circle
from tests.worlds.footage import flight_pose

from aerial_depth_pipeline.capture.motion.attitude import known_angles, up_from_motion, up_of_gimbal
from aerial_depth_pipeline.geometry.poses import angle_between, camera_center

HALF = np.sqrt(0.5)


@pytest.mark.parametrize(
    ("pitch", "roll", "up"),
    [
        (0, 0, (0, -1, 0)),
        (-90, 0, (0, 0, -1)),
        (-45, 0, (0, -HALF, -HALF)),
        (30, 0, (0, -np.sqrt(0.75), 0.5)),
        (0, 90, (-1, 0, 0)),  # turned clockwise: the right side is below, so up is to the left
        (-45, 30, (-HALF / 2, -HALF * np.sqrt(0.75), -HALF)),
    ],
)
def test_signs_of_the_gimbal_s_angles(pitch, roll, up):
    np.testing.assert_allclose(up_of_gimbal(np.float64(pitch), np.float64(roll)), up, atol=1e-12)


def test_a_rolled_horizon_appears_turned_counter_clockwise():
    left, middle, right = np.array([-0.2, 0, 1]), np.array([0, 0, 1]), np.array([0.2, 0, 1])
    up = up_of_gimbal(np.float64(0), np.float64(10))
    assert (
        up @ left > up @ middle > up @ right
    )  # sky on the left, ground on the right: the horizon's left end is lower, its right end higher


def test_angles_that_were_never_set_are_unknown():
    assert known_angles([[0.0, 0.0], [0.0, 3.0]]) is None
    assert known_angles([[np.nan, 1.0]]) is None
    np.testing.assert_array_equal(
        known_angles([[0.0, np.nan], [-1.0, 2.0], [np.nan, 2.0]]),
        [[0, 0], [-1, 2], [np.nan, np.nan]],
    )


def _chain(poses: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rotations and directions in the first camera's axes, positions, and the upward direction in
    these axes."""
    poses = np.array(poses)
    centers = camera_center(poses)
    steps = np.diff(centers, axis=0) @ poses[0, :3, :3].T
    return (
        poses[:, :3, :3] @ poses[0, :3, :3].T,
        steps / np.linalg.norm(steps, axis=1, keepdims=True),
        centers,
        poses[0, :3, 2],
    )


def _straight(climb: float, pitch: float = 50.0, frames: int = 30) -> list[np.ndarray]:
    return [flight_pose(3.0 * i, 0.0, 40 + climb * i, 0.0, pitch) for i in range(frames)]


@pytest.mark.parametrize("positions_known", [True, False])
def test_a_circle_tells_up(positions_known):
    rotations, directions, positions, up = _chain(circle(90))
    found = up_from_motion(rotations, directions, positions if positions_known else None)
    assert np.degrees(angle_between(found, up)) < 0.1


@pytest.mark.parametrize("climb", [1.0, 0.0, -0.5])
@pytest.mark.parametrize("pitch", [10.0, 50.0, 85.0])
def test_heights_tell_up_on_a_straight_flight(climb, pitch):
    rotations, directions, positions, up = _chain(_straight(climb, pitch))
    assert np.degrees(angle_between(up_from_motion(rotations, directions, positions), up)) < 0.1


def test_noise_of_receiver_and_gimbal():
    rotations, directions, positions, up = _chain(_straight(0.3))
    random = np.random.default_rng(0)
    found = up_from_motion(
        rotations, directions, positions + random.normal(0, 0.7, positions.shape)
    )
    assert np.degrees(angle_between(found, up)) < 1.5
    rolled = np.array(
        [cv2.Rodrigues(np.array([0, 0, roll]))[0] for roll in np.radians(random.normal(0, 1, 30))]
    )
    rotations, directions, positions, up = _chain(circle(90))
    assert np.degrees(angle_between(up_from_motion(rolled @ rotations, directions, None), up)) < 1.5


def test_what_the_motion_does_not_determine_is_unknown():
    rotations, directions, positions, _ = _chain(_straight(0.0))
    assert up_from_motion(rotations, directions, None) is None
    rotations, directions, positions, _ = _chain(
        [flight_pose(0.0, 2.0 * i, 40.0, 0.0, 50.0) for i in range(30)]
    )  # sideways
    assert up_from_motion(rotations, directions, positions) is None
    rotations, directions, positions, _ = _chain(circle(10))
    assert up_from_motion(rotations, directions, positions) is None
