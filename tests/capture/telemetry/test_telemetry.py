"""Telemetry at frame times."""

import numpy as np
from tests.worlds.footage import bracketed_srt

from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry import find_telemetry
from aerial_depth_pipeline.capture.telemetry.telemetry import (
    Telemetry,
    at_times,
    smooth_positions,
    up_at_times,
)

SUBTITLES = bracketed_srt([(47.0, 8.0, 30.0, 400.0)], 10)


def test_roll_that_jumps_beyond_straight_down_is_no_turn_between():
    telemetry = Telemetry(
        "x",
        np.array([0.0, 1.0]),
        np.zeros((2, 3)),
        attitude_N2=np.array([[-89.0, 0.0], [-89.0, 180.0]]),
    )
    np.testing.assert_allclose(up_at_times(telemetry, np.array([0.5])), [[0, 0, -1]], atol=1e-9)


def test_the_video_s_own_file_comes_first(tmp_path):
    (tmp_path / "other.SRT").write_text(SUBTITLES)
    (tmp_path / "Video.srt").write_text(SUBTITLES)
    assert find_telemetry(tmp_path, tmp_path / "video.MP4", Recording(10))[0].source == "Video.srt"
    (tmp_path / "Video.srt").unlink()
    assert find_telemetry(tmp_path, tmp_path / "video.MP4", Recording(10))[0].source == "other.SRT"


def test_positions_between_entries_are_interpolated_and_never_made_up():
    telemetry = Telemetry(
        "x",
        np.array([0.0, 1.0, 2.0]),
        np.array([[47.0, 8.0, 10.0], [47.1, 8.2, 20.0], [47.1, 8.2, 20.0]]),
    )
    positions = at_times(telemetry, np.array([-2.0, 0.25, 1.5, 2.9, 3.1, np.nan]))
    np.testing.assert_allclose(
        positions[1:4], [[47.025, 8.05, 12.5], [47.1, 8.2, 20.0], [47.1, 8.2, 20.0]]
    )
    assert np.isnan(positions[[0, 4, 5]]).all()


def test_a_hole_of_minutes_is_not_filled():
    times = np.array([0.0, 1.0, 2.0, 122.0, 123.0])
    positions = np.column_stack([47 + times * 1e-6, 8 + times * 1e-6, times])
    telemetry = Telemetry("x", times, positions, attitude_N2=np.full((5, 2), -45.0))
    asked = np.array([1.5, 2.9, 60.0, 121.2, 122.5])
    for found in (at_times(telemetry, asked), up_at_times(telemetry, asked)):
        assert np.isnan(found).any(1).tolist() == [False, False, True, False, False]
    slow = Telemetry("x", np.arange(5) * 10.0, positions)  # a log of every tenth second
    assert np.isfinite(at_times(slow, np.array([5.0, 25.0]))).all()


def test_several_files_of_other_names_are_named_and_none_is_taken(tmp_path):
    for name, count in (("DJI_0007.SRT", 20), ("DJI_0008.SRT", 300)):
        text = bracketed_srt([(47.0, 8.0, 30.0, 400.0)] * count, 10)
        (tmp_path / name).write_text(text)
    video = tmp_path / "video.mp4"
    telemetry, told = find_telemetry(tmp_path, video, Recording(10, None, 30.0))
    assert telemetry is None
    for words in ("DJI_0007.SRT (2 s)", "DJI_0008.SRT would be taken", "to video.SRT"):
        assert words in told[0]
    assert "do not tell" in find_telemetry(tmp_path, video, Recording(10))[1][0]


def test_a_table_of_another_name_is_named_and_other_tables_are_not(tmp_path):
    (tmp_path / "poses.csv").write_text("frame,qw,qx\n0,1,2\n")
    assert find_telemetry(tmp_path, tmp_path / "video.mp4", Recording()) == (None, [])
    (tmp_path / "flight.csv").write_text("time,latitude,longitude\n0,47,8\n")
    telemetry, told = find_telemetry(tmp_path, tmp_path / "video.mp4", Recording())
    assert telemetry is None and "flight.csv" in told[0] and "to video.csv" in told[0]


def test_smoothing_takes_noise_and_keeps_a_parabola():
    times = np.arange(0, 10, 0.1)
    truth = np.stack([3 * times, 0.5 * times**2, 40 - 0.1 * times**2], 1)
    np.testing.assert_allclose(smooth_positions(times, truth, 1.0), truth, atol=1e-9)
    noisy = truth + np.random.default_rng(0).normal(0, 0.4, truth.shape)
    assert (
        np.abs(smooth_positions(times, noisy, 1.0) - truth).mean()
        < 0.5 * np.abs(noisy - truth).mean()
    )
    noisy[5] = np.nan
    smooth = smooth_positions(times, noisy, 1.0)
    assert np.isnan(smooth[5]).all() and np.isfinite(np.delete(smooth, 5, 0)).all()
