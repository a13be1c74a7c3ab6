"""DJI's subtitles in their dialects."""

import numpy as np
import pytest
from tests.worlds.footage import bracketed_srt

from aerial_depth_pipeline.capture.motion.attitude import up_of_gimbal
from aerial_depth_pipeline.capture.telemetry import read_srt
from aerial_depth_pipeline.capture.telemetry.telemetry import at_times, up_at_times


@pytest.mark.parametrize(
    "stated",
    [
        "[gb_yaw: -31.9 gb_pitch: {} gb_roll: {}]",
        "[gb_yaw : 3.0] [gb_pitch : {}] [gb_roll : {}]",
        "[gimbal_pitch: {}] [gimbal_roll: {}]",
    ],
)
def test_gimbal_angles_in_subtitles(tmp_path, stated):
    text = bracketed_srt([(47.0, 8.0, 30.0, 400.0)] * 3, 1)
    for pitch in (-30.0, -60.0):
        text = text.replace(" [ct: 5500]", " " + stated.format(pitch, 0.0), 1)
    (tmp_path / "a.srt").write_text(text)
    telemetry = read_srt(tmp_path / "a.srt")
    np.testing.assert_array_equal(telemetry.attitude_N2, [[-30, 0], [-60, 0], [np.nan, np.nan]])
    up = up_at_times(telemetry, np.array([0.0, 0.5, 1.9, 2.1, np.nan]))
    np.testing.assert_allclose(
        up[:3], up_of_gimbal(np.array([-30.0, -45.0, -60.0]), np.zeros(3)), atol=1e-12
    )
    assert np.isnan(up[3:]).all()


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
    "older, with units": ("2019.08.05 14:11:51\nGPS(47.25,-8.5,400.1M) BAROMETER:31.5M"),
    "small drones": (
        "F/2.8, SS 1667.11, ISO 100, EV 0, DZOOM 1.000, GPS (-8.5, 47.25, 17), D 499.16m, H 31.50m,"
        " H.S 4.81m/s, V.S 0.10m/s"
    ),
    "height last": "GPS(47.25,-8.5,31.5)",
    "barometer in parentheses": "GPS(47.25,-8.5,69.800) BAROMETER(31.5) HOME(47.2,-8.6)",
    "longitude first": "GPS(-8.5,47.25,16) BAROMETER:31.5",
    "poles": "HOME(W:8.600000,N:47.200000)\nGPS(W:8.500000,N:47.250000,31.50m) ISO:100",
    "signed poles": "GPS(E: -8.5, N: 47.25, 31.5m)",
    "decimal commas": "GPS(-8,5,47,25,16) BAROMETER:31,5",
    "decimal commas and blanks": "GPS (-8,5, 47,25, 17), D 499,16m, H 31,50m",
    "decimal commas and semicolons": "GPS(47,25;-8,5;31,5M)",
    "bracketed decimal commas": "[latitude: 47,25] [longitude: -8,5] [rel_alt: 31,5 abs_alt: 4,5]",
    "radians": "[latitude: 0.82466807] [longitude: -0.14835299] [rel_alt: 31.5]",
    "feet": "GPS (-8.5, 47.25, 17), D 1637.66ft, H 103.3465ft, H.S 15.78ft/s",
    "other makers": "Lat: 47.25 N, Lon: 8.5 W, Alt: 31.5m, Speed: 3 m/s",
}


@pytest.mark.parametrize("entry", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("line_ends", ["\n", "\r\n"])
def test_dialects(tmp_path, entry, line_ends):
    path = tmp_path / "video.SRT"
    path.write_bytes(("\ufeff" + _srt(entry, entry).replace("\n", line_ends)).encode())
    telemetry = read_srt(path)
    np.testing.assert_array_equal(telemetry.time_N, [0, 1])
    np.testing.assert_allclose(telemetry.position_N3, [[47.25, -8.5, 31.5]] * 2, rtol=1e-6)


def test_one_longitude_that_cannot_be_a_latitude_tells_the_order_of_the_whole_file(tmp_path):
    (tmp_path / "a.srt").write_text(_srt("GPS(89.9,47.25,31.5M)", "GPS(90.1,47.25,31.5M)"))
    np.testing.assert_allclose(read_srt(tmp_path / "a.srt").position_N3[:, 1], [89.9, 90.1])


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


def test_entries_without_a_fix_keep_the_rest_and_are_counted(tmp_path):
    lost = "[latitude: 0.000000] [longitude: 0.000000] [rel_alt: 0.5 abs_alt: 0.0]"
    (tmp_path / "a.srt").write_text(
        _srt(lost, DIALECTS["bracketed"], "nothing", DIALECTS["bracketed"])
    )
    telemetry = read_srt(tmp_path / "a.srt")
    assert telemetry.time_N.tolist() == [0, 1, 3] and "2 of 4" in telemetry.warnings[0]
    np.testing.assert_array_equal(np.isnan(telemetry.position_N3[:, 0]), [True, False, False])
    np.testing.assert_array_equal(telemetry.position_N3[:, 2], [0.5, 31.5, 31.5])


def test_without_any_fix_height_lens_and_gimbal_count(tmp_path):
    entry = "[focal_len: 24.00] [latitude: 0.0] [longitude: 0.0] [rel_alt: 31.5] [gb_pitch: -44.0]"
    (tmp_path / "a.srt").write_text(_srt(entry, entry))
    telemetry = read_srt(tmp_path / "a.srt")
    assert not telemetry.has_places and telemetry.datum == "start" and telemetry.focal_35mm == 24
    np.testing.assert_array_equal(telemetry.attitude_N2, [[-44, 0]] * 2)
    np.testing.assert_array_equal(telemetry.position_N3[:, 2], [31.5, 31.5])


def test_the_gimbal_and_not_the_drone_is_the_camera_s_attitude(tmp_path):
    entry = "GPS (-8.5, 47.25, 15), F.PRY (2.7°, -7.0°, 110.1°), G.PRY ({}°, 1.0°, 110.4°)"
    (tmp_path / "a.srt").write_text(_srt(entry.format("-24.4"), entry.format("-24,4")))
    np.testing.assert_array_equal(read_srt(tmp_path / "a.srt").attitude_N2, [[-24.4, 1]] * 2)
    entry = "[rel_alt: 3.0] [gb_yaw: {} gb_pitch: 0.0 gb_roll: 0.0]"
    (tmp_path / "a.srt").write_text(_srt(entry.format("-31.9")))
    np.testing.assert_array_equal(read_srt(tmp_path / "a.srt").attitude_N2, [[0, 0]])
    (tmp_path / "a.srt").write_text(_srt(entry.format("0.0")))
    assert read_srt(tmp_path / "a.srt").attitude_N2 is None


def test_parts_written_one_after_the_other_follow_each_other(tmp_path):
    part = _srt(*[DIALECTS["bracketed"]] * 4)
    (tmp_path / "a.srt").write_text(part + "\n" + part)
    telemetry = read_srt(tmp_path / "a.srt")
    assert telemetry.time_N.tolist() == list(range(8))
    assert "starts 2 times" in telemetry.warnings[0]


def test_the_date_line_is_no_way_around_the_earth(tmp_path):
    entries = (f"[latitude: -17.0] [longitude: {lon}]" for lon in (179.9999, -179.9999))
    (tmp_path / "a.srt").write_text(_srt(*entries))
    telemetry = read_srt(tmp_path / "a.srt")
    assert at_times(telemetry, np.array([0.5]))[0, 1] == pytest.approx(180)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "a.srt is empty; copy it again"),
        (b"\xff\xfe\r\0\n\0", "a.srt"),
        (b"1\n2024.05.01 10:00:00\n[latitude: 54.8]\n\n", "a.srt states no times.*telemetry.csv"),
        (b"1\n00:00:00,000 --> 00:00:01,000\nHello\n", "holds no position, height.*telemetry.csv"),
    ],
)
def test_subtitles_that_say_nothing_are_a_sentence(tmp_path, data, sentence):
    (tmp_path / "a.srt").write_bytes(data)
    with pytest.raises(ValueError, match=sentence):
        read_srt(tmp_path / "a.srt")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_encodings(tmp_path, encoding):
    (tmp_path / "a.srt").write_text(_srt(DIALECTS["bracketed"]), encoding=encoding)
    np.testing.assert_array_equal(read_srt(tmp_path / "a.srt").position_N3, [[47.25, -8.5, 31.5]])


def test_a_number_that_is_cut_off_is_none(tmp_path):
    (tmp_path / "a.srt").write_text(
        _srt(DIALECTS["bracketed"], "[latitude: 47.2] [longitude: -8"[:31])[:-1]
    )
    telemetry = read_srt(tmp_path / "a.srt")
    assert np.isfinite(telemetry.position_N3[:, 1]).tolist() == [True, False]


def test_a_count_of_satellites_is_no_height(tmp_path):
    (tmp_path / "a.srt").write_text(_srt("GPS(-8.5,47.25,16)", "GPS(-8.5,47.25,17)"))
    telemetry = read_srt(tmp_path / "a.srt")
    np.testing.assert_array_equal(telemetry.position_N3, [[47.25, -8.5, np.nan]] * 2)
    assert "None of the positions in a.srt have a height" in telemetry.warnings[0]


def test_a_file_has_heights_of_one_datum(tmp_path):
    both = "[latitude: 47.25] [longitude: -8.5] [rel_alt: 31.5 abs_alt: 431.5]"
    absolute = "[latitude: 47.25] [longitude: -8.5] [abs_alt: 432.5]"
    (tmp_path / "a.srt").write_text(_srt(both, absolute, both))
    telemetry = read_srt(tmp_path / "a.srt")
    np.testing.assert_array_equal(telemetry.position_N3[:, 2], [31.5, np.nan, 31.5])
    assert telemetry.datum == "start" and "2 of 3" in telemetry.warnings[0]
    (tmp_path / "b.srt").write_text(_srt(absolute, absolute, both))
    assert read_srt(tmp_path / "b.srt").position_N3[:, 2].tolist() == [432.5, 432.5, 431.5]
    assert read_srt(tmp_path / "b.srt").datum == "sea"


@pytest.mark.parametrize(
    ("stated", "focal"),
    [
        ("[focal_len: 162.00]", 162),
        ("[focal_len: 240.70]", 240.7),
        ("[focal_len : 166.00]", 166),
        ("[focal_len: 166]", 166),
        ("[focal_len : 240]", 24),
        ("[focal_len: 24]", 24),
        ("[focal_len: 24.00] [dzoom_ratio: 2.00]", 48),
        ("[focal_len : 240] [dzoom_ratio: 15000, delta:0]", 36),
        ("[focal_len: 24.00] [dzoom_ratio: 0.00]", 24),
        ("[focal_len: 999]", 99.9),
        ("DJI Mavic 2 Pro DZOOM 2.000", 56),
    ],
)
def test_focal_lengths_and_digital_zoom(tmp_path, stated, focal):
    (tmp_path / "a.srt").write_text(_srt(f"{stated} [latitude: 47.25] [longitude: -8.5]"))
    assert read_srt(tmp_path / "a.srt").focal_35mm == pytest.approx(focal)


def test_another_zoom_is_noticed_when_it_is_used(tmp_path):
    entry = "[latitude: 47.25] [longitude: -8.5] [focal_len: 24.00] [dzoom_ratio: {}]"
    (tmp_path / "a.srt").write_text(_srt(*map(entry.format, ("1.00", "1.00", "2.00", "1.00"))))
    telemetry = read_srt(tmp_path / "a.srt")
    assert telemetry.focal_35mm == 24
    zoomed = [telemetry.is_zoomed(time) for time in (0.0, 1.9, 2.0, 2.9, 3.0, 9.0, np.nan)]
    assert zoomed == [False, False, True, True, False, False, False]
