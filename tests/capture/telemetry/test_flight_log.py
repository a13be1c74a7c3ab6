"""Flight logs as tables."""

import numpy as np
import pytest
from tests.worlds.footage import bracketed_srt

from aerial_depth_pipeline.capture.telemetry import find_telemetry, read_srt, read_table


def test_subtitles_and_tables_without_angles(tmp_path):
    (tmp_path / "a.srt").write_text(bracketed_srt([(47.0, 8.0, 30.0, 400.0)], 1))
    assert read_srt(tmp_path / "a.srt").attitude_N2 is None
    (tmp_path / "a.csv").write_text(
        "time,latitude,longitude,gimbal_pitch(degrees)\n0,47,8,0\n1,47,8,0\n"
    )
    assert read_table(tmp_path / "a.csv", None).attitude_N2 is None


def test_gimbal_angles_in_tables(tmp_path):
    (tmp_path / "a.csv").write_text(
        "time(millisecond),latitude,longitude,height,gimbal_heading(degrees),gimbal_pitch(degrees),gimbal_roll(degrees)\n"
        "1000,47,8,30,10,-50,2\n0,47,8,30,10,-45,\n500,,,,10,-40,1\n"
    )
    telemetry = read_table(tmp_path / "a.csv", None)
    np.testing.assert_array_equal(telemetry.attitude_N2, [[-45, 0], [-50, 2]])
    assert telemetry.position_N3.shape == (2, 3)


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


def test_missing_heights_are_not_zero(tmp_path):
    text = "time,latitude,longitude,rel_alt,altitude\n0,47,8,30,430\n1,47,8,,431\n"
    (tmp_path / "a.csv").write_text(text)
    telemetry = read_table(tmp_path / "a.csv", None)
    np.testing.assert_array_equal(telemetry.position_N3[:, 2], [30, np.nan])
    assert telemetry.datum == "start" and "1 of 2 of the positions" in telemetry.warnings[0]
    (tmp_path / "b.csv").write_text("time,latitude,longitude\n0,47,8\n")
    assert np.isnan(read_table(tmp_path / "b.csv", None).position_N3[0, 2])
