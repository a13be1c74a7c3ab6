import io

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from aerial_depth_pipeline.evaluation.poses.trajectories import (
    chain,
    draw_trajectories,
    relative_pose_errors,
    trajectory_error,
)
from aerial_depth_pipeline.geometry.poses import camera_center, invert, look_at, pose, relative_pose


def orbit(count=20):
    angles = np.linspace(0, 2, count)
    return {
        10 * i: look_at(
            np.array([80 * np.cos(a), 80 * np.sin(a), 50 + 4 * a]), np.array([0.0, 0.0, 0.0])
        )
        for i, a in enumerate(angles)
    }


def line(count=12):
    return {
        i: look_at(np.array([3.0 * i, 0.0, 60.0]), np.array([3.0 * i, 50.0, 0.0]))
        for i in range(count)
    }


def moved(poses, scale=0.02):
    """The same trajectory in another world: x_other = scale R x + t."""
    rotation, shift = (
        Rotation.from_euler("xyz", [0.4, -1.1, 2.0]).as_matrix(),
        np.array([4.0, -7, 1]),
    )
    result = {}
    for frame, T in poses.items():
        center = scale * rotation @ camera_center(T) + shift
        attitude = T[:3, :3] @ rotation.T
        result[frame] = pose(attitude, -attitude @ center)
    return result


@pytest.mark.parametrize("truth", [orbit(), line()])
def test_another_world_and_unit_is_no_error(truth):
    error = trajectory_error(moved(truth), truth)
    assert error.scale == pytest.approx(50)
    for value in (
        error.ate_rmse,
        error.ate_rotation_deg,
        error.rpe_translation,
        error.rpe_rotation_deg,
    ):
        assert value == pytest.approx(0, abs=1e-6)
    assert error.frames == len(truth)


def test_errors_by_hand():
    truth = orbit()
    noise = np.random.default_rng(0).normal(0, 0.3, (len(truth), 3))
    estimate = {}
    for (frame, T), shift in zip(truth.items(), noise, strict=True):
        estimate[frame] = pose(T[:3, :3], -T[:3, :3] @ (camera_center(T) + shift))
    error = trajectory_error(estimate, truth)
    # The similarity takes up a little of the noise: 7 of 60 degrees of freedom.
    assert error.ate_rmse == pytest.approx(0.3 * np.sqrt(3) * np.sqrt(53 / 60), rel=0.15)
    assert error.ate_rmse <= np.sqrt((noise**2).sum(1).mean())
    assert error.rpe_translation == pytest.approx(0.3 * np.sqrt(6), rel=0.2)
    assert error.rpe_rotation_deg == pytest.approx(0, abs=1e-5)


def test_a_turned_camera_is_a_relative_rotation_error():
    truth = line()
    estimate = dict(truth)
    turn = pose(Rotation.from_euler("y", 5, degrees=True).as_matrix(), np.zeros(3))
    estimate[5] = turn @ truth[5]
    error = trajectory_error(estimate, truth)
    assert error.rpe_rotation_deg == pytest.approx(
        np.sqrt(2 * 25 / 11), rel=1e-3
    )  # two of eleven steps touch it
    assert error.ate_rotation_deg < 1  # the median does not notice


def test_frames_that_only_one_side_has_do_not_count_and_three_are_needed():
    truth = orbit()
    part = {frame: T for frame, T in moved(truth).items() if frame < 100}
    part[999] = np.eye(4)
    assert trajectory_error(part, truth).frames == 10
    with pytest.raises(ValueError, match="three are needed"):
        trajectory_error({0: np.eye(4), 10: np.eye(4)}, truth)
    with pytest.raises(ValueError, match="one place"):
        trajectory_error({frame: np.eye(4) for frame in truth}, truth)


def test_relative_poses_chain_in_any_direction():
    truth = orbit(6)
    frames = sorted(truth)
    steps = [
        (b, a, relative_pose(truth[b], truth[a]))
        for a, b in zip(frames[:3], frames[1:4], strict=True)
    ]
    steps += [(frames[3], frames[4], relative_pose(truth[frames[3]], truth[frames[4]]))]
    poses = chain(steps)
    assert sorted(poses) == frames[:5]
    for frame, T in poses.items():
        np.testing.assert_allclose(
            T @ invert(poses[frames[0]]), truth[frame] @ invert(truth[frames[0]]), atol=1e-9
        )
    assert chain([]) == {}


def test_relative_poses_without_length():
    truth = orbit()
    frames = sorted(truth)
    pairs = []
    for i, (a, b) in enumerate(zip(frames, frames[1:], strict=False)):
        T = relative_pose(truth[b], truth[a])
        T[:3, 3] /= np.linalg.norm(T[:3, 3]) * (-1 if i == 0 else 1)
        if i == 1:
            T[:3, :3] = Rotation.from_euler("z", 2, degrees=True).as_matrix() @ T[:3, :3]
        pairs.append((b, a, T))
    errors = relative_pose_errors([*pairs, (12345, 0, np.eye(4))], truth)
    assert errors["pairs"] == 19 and errors["pairs_reversed"] == 1
    assert errors["pair_rotation_deg"] == pytest.approx(0, abs=1e-6) and errors[
        "pair_direction_deg"
    ] == pytest.approx(0, abs=1e-5)
    assert relative_pose_errors(pairs[1:2], truth)["pair_rotation_deg"] == pytest.approx(2)
    assert relative_pose_errors(pairs[:1], truth)["pair_direction_deg"] == pytest.approx(180)
    assert np.isnan(relative_pose_errors([], truth)["pair_rotation_deg"])


def test_the_plot_is_drawn():
    truth = orbit()
    errors = {
        "sfm": trajectory_error(moved(truth), truth),
        "two_view": trajectory_error(truth, truth),
    }
    picture = Image.open(io.BytesIO(draw_trajectories({"a": errors, "b": errors})))
    assert picture.size[0] > 800 and np.asarray(picture.convert("L")).std() > 5
