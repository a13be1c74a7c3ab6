"""Telemetry in its dialects, brought to frame times and metres."""

import numpy as np
import pytest

from aerial_depth_pipeline.capture.sources.drone_models import drone_in
from aerial_depth_pipeline.capture.telemetry import (
    find_telemetry,
    read_srt,
    read_table,
)
from aerial_depth_pipeline.capture.telemetry.telemetry import (
    Telemetry,
    at_times,
    smooth_positions,
)
from aerial_depth_pipeline.geometry.geodesy import local_metres


def _srt(*entries: str) -> str:
    return "\n".join(
        f"{i + 1}\n00:00:{i:02d},000 --> 00:00:{i + 1:02d},000\n{entry}\n"
        for i, entry in enumerate(entries)
    )


DIALECTS = {
    "bracketed": (
        "[iso : 100] [focal_len : 280] [latitude: 47.25] [longitude: -8.5] [rel_alt: 31.5 abs_alt:"
        " 431.5] [ct : 5500]"
    ),
    "misspelt": "<font>[iso: 110] [latitude : 47.25] [longtitude : -8.5] [altitude: 31.5]</font>",
    "older": (
        "HOME(-8.6,47.2) 2017.08.05 14:11:51\nGPS(-8.5,47.25,16) BAROMETER:31.5 \nISO:100"
        " Shutter:60 EV: Fnum:2.2"
    ),
    "older, with units": (
        "HOME(-8.6,47.2) 2019.08.05 14:11:51\nGPS(-8.5,47.25,400.1M) BAROMETER:31.5M"
    ),
    "small drones": (
        "F/2.8, SS 1667.11, ISO 100, EV 0, DZOOM 1.000, GPS (-8.5, 47.25, 17), D 499.16m, H 31.50m,"
        " H.S 4.81m/s, V.S 0.10m/s"
    ),
    "height last": "GPS(-8.5,47.25,31.5)",
}


@pytest.mark.parametrize("entry", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("line_ends", ["\n", "\r\n"])
def test_dialects(tmp_path, entry, line_ends):
    path = tmp_path / "video.SRT"
    path.write_bytes(("\ufeff" + _srt(entry, entry).replace("\n", line_ends)).encode())
    telemetry = read_srt(path)
    np.testing.assert_array_equal(telemetry.time_N, [0, 1])
    np.testing.assert_allclose(telemetry.position_N3, [[47.25, -8.5, 31.5]] * 2)


def test_longitude_that_cannot_be_a_latitude_tells_the_order(tmp_path):
    (tmp_path / "a.srt").write_text(_srt("GPS(37.81,-122.37,15.3M) BAROMETER:64.3M"))
    np.testing.assert_allclose(read_srt(tmp_path / "a.srt").position_N3, [[37.81, -122.37, 64.3]])


def test_focal_length_is_read_in_millimetres_or_tenths(tmp_path):
    (tmp_path / "a.srt").write_text(_srt(DIALECTS["bracketed"]))
    assert read_srt(tmp_path / "a.srt").focal_35mm == 28


def test_subtitles_that_name_the_drone_tell_its_focal_length(tmp_path):
    (tmp_path / "a.srt").write_text(_srt("DJI Mavic 2 Pro " + DIALECTS["older"]))
    assert read_srt(tmp_path / "a.srt").focal_35mm == 28
    (tmp_path / "b.srt").write_text(_srt(DIALECTS["older"]))
    assert read_srt(tmp_path / "b.srt").focal_35mm is None


@pytest.mark.parametrize(
    ("text", "focal"),
    [
        ("encoder: DJI Mavic3", 24),
        ("FC3411", 22),
        ("Mavic Air 2", 24),
        ("DJI-Air-2S", 22),
        ("FC34110", None),
        ("Mavic", None),
        ("", None),
    ],
)
def test_drones_are_known_by_their_names(text, focal):
    assert drone_in(text) == (None if focal is None else (drone_in(text)[0], focal))


def test_entries_without_a_fix_are_skipped_and_counted(tmp_path):
    lost = "[latitude: 0.000000] [longitude: 0.000000] [rel_alt: 0.0 abs_alt: 0.0]"
    (tmp_path / "a.srt").write_text(
        _srt(lost, DIALECTS["bracketed"], "nothing", DIALECTS["bracketed"])
    )
    telemetry = read_srt(tmp_path / "a.srt")
    assert telemetry.time_N.tolist() == [1, 3] and "2 of 4" in telemetry.warnings[0]


@pytest.mark.parametrize(
    "text",
    [
        "time,latitude,longitude,altitude\n0,47.25,-8.5,31.5\n1.5,47.26,-8.4,32.5\n",
        "Frame, Lat, Lon, rel_alt\n0, 47.25, -8.5, 31.5\n15, 47.26, -8.4, 32.5\n",
        "time(millisecond),latitude,longitude,height_above_takeoff(feet)\n1500,47.26,-8.4,106.6273\n0,47.25,-8.5,103.3465\n",
        "time,latitude,longitude,height\n0,47.25,-8.5,31.5\n0.5,,,\n1.5,47.26,-8.4,32.5\n",
    ],
)
def test_tables(tmp_path, text):
    (tmp_path / "telemetry.csv").write_text(text)
    telemetry, told = find_telemetry(tmp_path, tmp_path / "video.mp4", 10)
    np.testing.assert_allclose(telemetry.time_N, [0, 1.5])
    np.testing.assert_allclose(
        telemetry.position_N3, [[47.25, -8.5, 31.5], [47.26, -8.4, 32.5]], rtol=1e-6
    )
    assert not told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        "time,latitude,longitude\n0,95,8\n",
        '"unclosed\n',
        "frame,latitude,longitude\n0,1,2\n",
    ],
)
def test_tables_that_are_none(tmp_path, text):
    (tmp_path / "telemetry.csv").write_text(text)
    with pytest.raises(ValueError, match=r"telemetry\.csv"):
        read_table(tmp_path / "telemetry.csv", None)
    telemetry, told = find_telemetry(tmp_path, None, None)
    assert telemetry is None and len(told) == 1


def test_the_video_s_own_file_comes_first(tmp_path):
    (tmp_path / "other.SRT").write_text(_srt(DIALECTS["older"]))
    (tmp_path / "Video.srt").write_text(_srt(DIALECTS["bracketed"]))
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


def test_local_metres():
    # On the equator a degree of longitude is a 360th of the equator; at the pole's side the
    # meridian's curvature counts.
    metres = local_metres(np.array([[0.0, 1 / 3600, 0.0], [0.0, 0.0, 12.0]]), (0.0, 0.0, 0.0))
    np.testing.assert_allclose(
        metres, [[2 * np.pi * 6378137 / 360 / 3600, 0, 0], [0, 0, 12]], atol=1e-3
    )
    north = local_metres(np.array([[60.001, 25.0, 0.0]]), (60.0, 25.0, 0.0))[0]
    meridian = (
        6378137
        * (1 - 0.00669437999)
        / (1 - 0.00669437999 * np.sin(np.radians(60.0005)) ** 2) ** 1.5
    )
    np.testing.assert_allclose(north, [0, np.radians(0.001) * meridian, 0], atol=2e-3)


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
