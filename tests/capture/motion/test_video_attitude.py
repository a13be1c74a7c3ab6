"""Up all along a video, from its frames."""

import cv2
import numpy as np
import pytest
import torch
from tests.worlds.flights import circle
from tests.worlds.footage import CAMERA, flight_pose

from aerial_depth_pipeline.capture.motion import video_attitude
from aerial_depth_pipeline.capture.motion.two_view import TwoView
from aerial_depth_pipeline.capture.motion.video_attitude import up_over_time
from aerial_depth_pipeline.geometry.ground import ground_slope, relative_inverse_depth
from aerial_depth_pipeline.geometry.poses import angle_between, camera_center, invert


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


def _take_off(i: int) -> np.ndarray:
    return flight_pose(0.0, 0.0, 16 + 0.5 * i, 0.0, 30.0)


def _take_off_turning(i: int) -> np.ndarray:
    return flight_pose(0.0, 0.0, 16 + 0.5 * i, np.radians(i), 30.0)


def _landing(i: int) -> np.ndarray:
    return flight_pose(0.0, 0.0, 46 - 0.5 * i, 0.0, 70.0)


def _ahead_with_sky(i: int) -> np.ndarray:
    return flight_pose(-60 + 1.5 * i, 0.0, 40.0, 0.0, 10.0)


def _bend_with_sky(i: int) -> np.ndarray:
    heading = np.radians(i)
    return flight_pose(60 * np.sin(heading), -60 * np.cos(heading), 40.0, heading, 10.0)


@pytest.mark.parametrize(
    ("flight", "is_known"),  # without and with heights
    [
        (_take_off, (False, False)),
        (_take_off_turning, (True, True)),
        (_landing, (False, False)),
        (_ahead_with_sky, (False, True)),
        (_bend_with_sky, (True, True)),
    ],
)
def test_level_ground_is_no_worse_for_the_attitude(world, flight, is_known):
    poses = [flight(i) for i in range(60)]
    times = np.arange(60) / 6
    frames, depths = [], []
    columns, rows = np.meshgrid(np.arange(CAMERA.width) + 0.5, np.arange(CAMERA.height) + 0.5)
    pixels = np.stack([columns, rows, np.ones_like(rows)], -1)
    for T, time in zip(poses, times, strict=True):
        image, depth = world.render(T)
        rising = (pixels @ np.linalg.inv(CAMERA.K).T @ invert(T)[2, :3]) > -0.02
        image[rising], depth[rising] = 170, np.nan
        frames.append((time, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)))
        depths.append(depth)
    centers = camera_center(np.array(poses))

    def positions(wanted):
        return np.stack([np.interp(wanted, times, centers[:, axis]) for axis in range(3)], 1)

    size = CAMERA.height, CAMERA.width
    K_N33 = torch.tensor(CAMERA.K).expand(len(poses), 3, 3)
    without = _abs_rel(np.ones((len(poses), *size)), depths)
    for known, positions_at in zip(is_known, (None, positions), strict=True):
        up = up_over_time(frames, CAMERA.K, positions_at).at(times)
        assert np.isfinite(up).all() == np.isfinite(up).any() == known
        slope = ground_slope(torch.tensor(up), K_N33, *size).nan_to_num()
        ground = 1 / relative_inverse_depth(slope, *size)[:, 0].numpy()
        assert _abs_rel(ground, depths) <= (0.8 * without if known else without)


def _abs_rel(ground_NHW: np.ndarray, depths: list[np.ndarray]) -> float:
    """Mean over the frames after a scale by the median."""
    errors = []
    for ground, depth in zip(ground_NHW, depths, strict=True):
        seen = np.isfinite(depth)
        scale = np.median(depth[seen]) / np.median(ground[seen])
        errors.append(np.abs(scale * ground[seen] / depth[seen] - 1).mean())
    return float(np.mean(errors))
