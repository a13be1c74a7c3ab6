"""Up all along a video, from its frames."""

import cv2
import numpy as np
from tests.worlds.flights import circle
from tests.worlds.footage import CAMERA, flight_pose

from aerial_depth_pipeline.capture.motion import video_attitude
from aerial_depth_pipeline.capture.motion.two_view import TwoView
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


def test_errors_of_links_do_not_add_up_over_a_long_video(monkeypatch):
    """A camera that winds its way ahead, looking down by 50 degrees; every link is off by 0.05
    degrees about the optical axis, 60 degrees in the end."""
    count = 1200
    headings = np.radians(40) * np.sin(np.arange(count) * 2 * np.pi / 60)
    poses = [flight_pose(0.8 * i, 5 * np.sin(h), 40, h, 50.0) for i, h in enumerate(headings)]
    turn = np.radians(0.05)
    error = np.array(
        [
            [np.cos(turn), -np.sin(turn), 0, 0],
            [np.sin(turn), np.cos(turn), 0, 0],
            [0, 0, 1, 0],
            [0, 0, 0, 1],
        ]
    )

    def link(first, second, _):
        T = error @ poses[second] @ np.linalg.inv(poses[first])
        T[:3, 3] /= np.linalg.norm(T[:3, 3])
        return TwoView(T, 500, 500, 10.0)

    monkeypatch.setattr(video_attitude.attitude, "matchable", lambda gray: int(gray[0, 0]))
    monkeypatch.setattr(video_attitude.attitude, "link", link)
    monkeypatch.setattr(video_attitude._Chain, "flow", lambda *_: 0.04)
    frames = [(float(i), np.full((1, 1), i)) for i in range(count)]
    up = up_over_time(frames, CAMERA.K).at(np.arange(count))
    off = np.degrees(angle_between(up, np.array([T[:3, 2] for T in poses])))
    assert np.isfinite(off).all() and off.max() < 7 and np.median(off) < 3


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
