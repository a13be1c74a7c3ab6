"""Telemetry inside a video."""

from fractions import Fraction

import av
import numpy as np
import pytest

from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry import find_telemetry


def _video(path, subtitles=(), track: str = "") -> None:
    """Three seconds of grey with a subtitle a second, and a data track of this name."""
    with av.open(str(path), "w") as out:
        images = out.add_stream("libx264", rate=2)
        images.width, images.height, images.pix_fmt = 64, 48, "yuv420p"
        texts = out.add_mux_stream("mov_text") if subtitles else None
        data = out.add_data_stream("bin_data") if track else None
        if data is not None:
            data.metadata["handler_name"] = track
        for _ in range(6):
            grey = np.full((48, 64, 3), 128, np.uint8)
            out.mux(images.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        out.mux(images.encode())
        for second, text in enumerate(subtitles):
            encoded = text.encode()
            packet = av.Packet(len(encoded).to_bytes(2, "big") + encoded)
            packet.stream, packet.time_base = texts, Fraction(1, 1000)
            packet.pts = packet.dts = 1000 * second
            packet.duration = 1000
            out.mux(packet)
        if data is not None:
            packet = av.Packet(b"DEVC\0\0\0\0")
            packet.stream, packet.time_base, packet.pts, packet.dts = data, Fraction(1, 1000), 0, 0
            out.mux(packet)


def test_the_subtitle_track_is_read_like_a_file_beside_it(tmp_path):
    texts = [f"GPS(8.500{i},47.25,16) BAROMETER:{i}.5\nISO:100" for i in range(3)]
    _video(tmp_path / "DJI_0001.mp4", texts)
    telemetry, told = find_telemetry(tmp_path, tmp_path / "DJI_0001.mp4", Recording())
    assert telemetry.source == "DJI_0001.mp4" and telemetry.datum == "start" and not told
    np.testing.assert_allclose(telemetry.time_N, [0, 1, 2])
    np.testing.assert_allclose(
        telemetry.position_N3, [[47.25, 8.5 + i * 1e-4, i + 0.5] for i in range(3)]
    )


def test_the_file_beside_the_video_comes_first(tmp_path):
    _video(tmp_path / "a.mp4", ["GPS(8.5,47.25,16)"])
    (tmp_path / "a.csv").write_text("time,latitude,longitude\n0,46,9\n")
    assert find_telemetry(tmp_path, tmp_path / "a.mp4", Recording())[0].source == "a.csv"


def test_subtitles_of_people_are_no_telemetry(tmp_path):
    _video(tmp_path / "a.mp4", ["Over the river"])
    assert find_telemetry(tmp_path, tmp_path / "a.mp4", Recording()) == (None, [])


@pytest.mark.parametrize(("track", "maker"), [("GoPro MET", "GoPro"), ("DJI meta", "DJI")])
def test_a_track_that_is_not_read_is_named(tmp_path, track, maker):
    _video(tmp_path / "a.mp4", track=track)
    telemetry, told = find_telemetry(tmp_path, tmp_path / "a.mp4", Recording())
    assert telemetry is None and maker in told[0] and "not read" in told[0] and "a.csv" in told[0]
