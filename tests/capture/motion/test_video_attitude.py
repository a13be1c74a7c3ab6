"""Up all along a video, from its frames."""

import cv2
import numpy as np
from tests.worlds.flights import circle
from tests.worlds.footage import CAMERA, flight_pose

from aerial_depth_pipeline.capture.motion.video_attitude import up_over_time
from aerial_depth_pipeline.geometry.poses import angle_between, camera_center


def _look(world, poses: list[np.ndarray], start: float = 0.0) -> list[tuple[float, np.ndarray]]:
    return [
        (start + i / 6, cv2.cvtColor(world.render(T)[0], cv2.COLOR_RGB2GRAY))
        for i, T in enumerate(poses)
    ]


def test_a_video_tells_up_at_every_moment_also_after_a_cut(world):
    around = circle(50, 60)
    still = [around[-1]] * 12
    elsewhere = [
        flight_pose(-60 + 20 * np.cos(a), 20 * np.sin(a), 45, a + np.pi, 65)
        for a in np.radians(np.linspace(180, 260, 60))
    ]
    poses = [*around, *still, *elsewhere]
    up = up_over_time(iter(_look(world, poses)), CAMERA.K).at(np.arange(len(poses)) / 6)
    truth = np.array([T[:3, 2] for T in poses])
    assert np.degrees(angle_between(up, truth)).max() < 1.5
    assert np.degrees(angle_between(truth[0], truth[-1])) > 20


def test_a_straight_video_tells_up_only_with_heights(world):
    poses = [flight_pose(-30 + 0.8 * i, 0.0, 40 + 0.1 * i, 0.0, 50.0) for i in range(60)]
    times = np.arange(len(poses)) / 6
    video = _look(world, poses)
    assert np.isnan(up_over_time(video, CAMERA.K).at(times)).all()
    centers = camera_center(np.array(poses))

    def positions(wanted):
        return np.stack([np.interp(wanted, times, centers[:, axis]) for axis in range(3)], 1)

    up = up_over_time(video, CAMERA.K, positions).at([*times, np.nan])
    assert (
        np.degrees(angle_between(up[:-1], np.array([T[:3, 2] for T in poses]))).max() < 1.5
        and np.isnan(up[-1]).all()
    )
    assert np.isnan(up_over_time([], CAMERA.K).at(times)).all()
