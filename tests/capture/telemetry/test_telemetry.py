"""Telemetry at frame times."""

import numpy as np
from tests.worlds.footage import bracketed_srt

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
    assert find_telemetry(tmp_path, tmp_path / "video.MP4", 10)[0].source == "Video.srt"
    (tmp_path / "Video.srt").unlink()
    assert find_telemetry(tmp_path, tmp_path / "video.MP4", 10)[0].source == "other.SRT"


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
