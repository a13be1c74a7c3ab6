"""Flight logs as tables."""

from datetime import UTC, datetime

import numpy as np
import pytest
from tests.worlds.footage import bracketed_srt

from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry import find_telemetry, read_srt, read_table
from aerial_depth_pipeline.capture.telemetry.telemetry import at_times


def test_subtitles_and_tables_without_angles(tmp_path):
    (tmp_path / "a.srt").write_text(bracketed_srt([(47.0, 8.0, 30.0, 400.0)], 1))
    assert read_srt(tmp_path / "a.srt").attitude_N2 is None
    (tmp_path / "a.csv").write_text(
        "time,latitude,longitude,gimbal_pitch(degrees)\n0,47,8,0\n1,47,8,0\n"
    )
    assert read_table(tmp_path / "a.csv", Recording()).attitude_N2 is None


def test_gimbal_angles_in_tables(tmp_path):
    (tmp_path / "a.csv").write_text(
        "time(millisecond),isVideo,latitude,longitude,height,gimbal_heading(degrees),"
        "gimbal_pitch(degrees),gimbal_roll(degrees)\n"
        "1000,1,47,8,30,10,-50,2\n0,1,47,8,30,10,-45,\n500,1,,,,10,-40,1\n"
    )
    telemetry = read_table(tmp_path / "a.csv", Recording())
    np.testing.assert_array_equal(telemetry.attitude_N2, [[-45, 0], [-50, 2]])
    assert telemetry.position_N3.shape == (2, 3)


@pytest.mark.parametrize(
    "text",
    [
        "time,latitude,longitude,altitude\n0,47.25,-8.5,31.5\n1.5,47.26,-8.4,32.5\n",
        "Frame, Lat, Lon, rel_alt\n0, 47.25, -8.5, 31.5\n15, 47.26, -8.4, 32.5\n",
        "time(millisecond),isVideo,latitude,longitude,height_above_takeoff(feet)\n"
        "1500,1,47.26,-8.4,106.6273\n0,1,47.25,-8.5,103.3465\n",
        "time,latitude,longitude,height\n0,47.25,-8.5,31.5\n0.5,,,\n1.5,47.26,-8.4,32.5\n",
        "time;latitude;longitude;rel_alt\n0;47.25;-8.5;31.5\n1.5;47.26;-8.4;32.5\n",
        "time;latitude;longitude;rel_alt\n0;47,25;-8,5;31,5\n1,5;47,26;-8,4;32,5\n",
        "time\tlat\tlon\trel_alt\n0\t47.25\t-8.5\t31.5\n1.5\t47.26\t-8.4\t32.5\n",
        "time,latitude,longitude,height\n0,47.25,-8.5,103.3465 ft\n1.5,47.26,-8.4,106.6273 ft\n",
        "time,latitude,longitude,height_ft\n0,47.25,-8.5,103.3465\n1.5,47.26,-8.4,106.6273\n",
        "time,latitude,longitude,height(m),speed(mph)\n0,47.25N,8.5W,31.5 m,5 mph\n"
        "1.5,47.26N,8.4W,32.5 m,5 mph\n",
        "time,latitude,longitude,rel_alt\n0.0 s,47.25°,-8.5°,31.5m\n1.5 s,47.26°,-8.4°,32.5m\n",
        "time [s],latitude(rad),longitude(rad),height\n0,0.824668072,-0.148352986,31.5\n"
        "1.5,0.824842605,-0.146607657,32.5\n",
        "time,latitude,longitude,height\n00:00:00.0,47.25,-8.5,31.5\n00:00:01.5,47.26,-8.4,32.5\n",
        "sep=,\nCUSTOM.updateTime,OSD.flyTime [s],OSD.latitude,OSD.longitude,OSD.height [ft],"
        "GIMBAL.pitch,CAMERA.isVideo\nx,99.5,47,-8,1,-45,False\n"
        "x,100,47.25,-8.5,103.3465,-45,True\nx,101.5,47.26,-8.4,106.6273,-45,True\n",
    ],
)
def test_tables(tmp_path, text):
    (tmp_path / "telemetry.csv").write_text(text)
    telemetry, told = find_telemetry(tmp_path, tmp_path / "video.mp4", Recording(10))
    np.testing.assert_allclose(telemetry.time_N[-2:], [0, 1.5])
    np.testing.assert_allclose(
        telemetry.position_N3[-2:], [[47.25, -8.5, 31.5], [47.26, -8.4, 32.5]], rtol=1e-6
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
        read_table(tmp_path / "telemetry.csv", Recording())
    telemetry, told = find_telemetry(tmp_path, None, Recording())
    assert telemetry is None and len(told) == 1


def test_missing_heights_are_not_zero(tmp_path):
    text = "time,latitude,longitude,rel_alt,altitude\n0,47,8,30,430\n1,47,8,,431\n"
    (tmp_path / "a.csv").write_text(text)
    telemetry = read_table(tmp_path / "a.csv", Recording())
    np.testing.assert_array_equal(telemetry.position_N3[:, 2], [30, np.nan])
    assert telemetry.datum == "start" and "1 of 2 of the positions" in telemetry.warnings[0]
    (tmp_path / "b.csv").write_text("time,latitude,longitude\n0,47,8\n")
    assert np.isnan(read_table(tmp_path / "b.csv", Recording()).position_N3[0, 2])


def _log(path, flags, date: str = "") -> None:
    """The log of a flight, a row a second, with the recording flag of each."""
    header = "time(millisecond),isVideo,latitude,longitude" + (",datetime(utc)" if date else "")
    rows = [
        f"{1000 * second},{flag},47.0,{8 + 1e-4 * second:.4f}" + f",{date}{second:02d}" * bool(date)
        for second, flag in enumerate(flags)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize(
    ("flags", "recording", "start"),
    [
        ([0] * 20 + [1] * 30, Recording(), 20),
        ([0] * 5 + [1] * 10 + [0] * 5 + [1] * 21 + [0] * 9, Recording(duration=20.4), 20),
    ],
)
def test_a_video_begins_where_the_log_says_that_it_is_recorded(tmp_path, flags, recording, start):
    _log(tmp_path / "a.csv", flags)
    telemetry = read_table(tmp_path / "a.csv", recording)
    assert telemetry.time_N[0] == -start
    assert at_times(telemetry, np.zeros(1))[0, 1] == pytest.approx(8 + 1e-4 * start)


def test_without_a_flag_the_date_of_the_video_tells_its_place_in_the_log(tmp_path):
    _log(tmp_path / "a.csv", [0] * 50, "2026-05-03 10:00:")
    begun = datetime(2026, 5, 3, 10, 0, 12, tzinfo=UTC).timestamp()
    telemetry = read_table(tmp_path / "a.csv", Recording(start=begun))
    assert telemetry.time_N[0] == pytest.approx(-12)
    for recording in (Recording(), Recording(start=begun + 3600)):
        with pytest.raises(ValueError, match=r"a\.csv is the log of a whole flight.*'time'"):
            read_table(tmp_path / "a.csv", recording)


def test_two_recordings_alike_are_not_guessed_between(tmp_path):
    _log(tmp_path / "a.csv", [1] * 10 + [0] * 5 + [1] * 10)
    with pytest.raises(ValueError, match="does not say when the video begins"):
        read_table(tmp_path / "a.csv", Recording(duration=10))


@pytest.mark.parametrize(
    "flag", ["isVideo,1,0", "CAMERA.recordState,Recording,No", "recording,Yes,"]
)
def test_a_recording_flag_may_be_a_word(tmp_path, flag):
    name, on, off = flag.split(",")
    rows = "".join(f"{i * 100},47,8.{i:03d},{on if i > 4 else off}\n" for i in range(20))
    (tmp_path / "a.csv").write_text(f"time(ms),latitude,longitude,{name}\n{rows}")
    assert read_table(tmp_path / "a.csv", Recording()).time_N[0] == pytest.approx(-0.5)


def test_seconds_since_1970_are_put_beside_the_video_s_own(tmp_path):
    begun = datetime(2026, 5, 3, 10, 0, 12, tzinfo=UTC).timestamp()
    for factor in (1, 1000):
        rows = "".join(f"{(begun - 5 + i) * factor:.0f},47,8.{i:03d}\n" for i in range(20))
        (tmp_path / "a.csv").write_text(f"timestamp,latitude,longitude\n{rows}")
        assert read_table(tmp_path / "a.csv", Recording(start=begun)).time_N[0] == -5
        with pytest.raises(ValueError, match="does not say when the video begins"):
            read_table(tmp_path / "a.csv", Recording())


def test_a_log_in_local_time_is_not_taken_for_utc(tmp_path):
    _log(tmp_path / "a.csv", [0] * 50, "2026-05-03 10:00:")
    text = (tmp_path / "a.csv").read_text().replace("datetime(utc)", "datetime(local)")
    (tmp_path / "a.csv").write_text(text)
    begun = datetime(2026, 5, 3, 10, 0, 12, tzinfo=UTC).timestamp()
    with pytest.raises(ValueError, match="does not say when the video begins"):
        read_table(tmp_path / "a.csv", Recording(start=begun))


def test_the_date_line_in_a_table(tmp_path):
    (tmp_path / "a.csv").write_text("time,latitude,longitude\n0,-17,179.9999\n1,-17,-179.9999\n")
    telemetry = read_table(tmp_path / "a.csv", Recording())
    assert at_times(telemetry, np.array([0.5]))[0, 1] == pytest.approx(180)
