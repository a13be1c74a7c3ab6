"""Containers, codecs and flags: the same flight comes out of all of them."""

import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from tests.worlds.footage import no_calibration, write_camera, write_video

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources.video import VideoSource


def _frames(path, width=320, height=192):
    return list(VideoSource(path).frames(width, height, lambda index: True))


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("video.MP4", "libx264", "yuv420p"),
        ("video.mov", "libx264", "yuv444p"),
        ("video.mkv", "libx265", "yuv420p10le"),
        ("video.webm", "libvpx-vp9", "yuv420p"),
        ("video.avi", "mjpeg", "yuvj420p"),
        ("video.mov", "prores_ks", "yuv422p10le"),
        ("video.mkv", "ffv1", "yuv420p"),
        ("video.ts", "libx264", "yuv420p"),
    ],
)
def test_containers_and_codecs(flight, tmp_path, name, codec, pixel_format):
    options = (
        {"x265-params": "log-level=none"}
        if codec == "libx265"
        else {"qmin": 2, "qmax": 4}
        if codec == "mjpeg"
        else {}
    )
    write_video(
        tmp_path / name, flight.images[:8], codec=codec, pixel_format=pixel_format, **options
    )
    frames = _frames(tmp_path / name)
    assert [frame.index for frame in frames] == list(range(8))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(8) / 10, atol=2e-3)
    for frame, image in zip(frames, flight.images, strict=False):
        assert frame.image.dtype == np.uint8 and np.abs(frame.image.astype(int) - image).mean() < 8


def _turn(path, matrix: tuple[int, int, int, int]) -> None:
    """Write a display matrix into an MP4's track header (ISO 14496-12, tkhd)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("turns", "matrix"), [(1, (0, 1, -1, 0)), (2, (-1, 0, 0, -1)), (3, (0, -1, 1, 0))]
)
def test_rotation_metadata_turns_the_image_upright(flight, tmp_path, turns, matrix):
    """A camera on its side: the recorded image is turned counter-clockwise, the matrix says to
    turn it back."""
    path = tmp_path / "video.mp4"
    write_video(path, [np.ascontiguousarray(np.rot90(image, turns)) for image in flight.images[:4]])
    _turn(path, matrix)
    source = VideoSource(path)
    assert (source.width, source.height) == (320, 192)
    for frame, image in zip(
        source.frames(320, 192, lambda index: True), flight.images, strict=False
    ):
        assert np.abs(frame.image.astype(int) - image).mean() < 6


def test_variable_frame_rate_keeps_each_frame_s_own_time(flight, tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir(), out.mkdir()
    times = [0, 100, 133, 300, 333, 366, 700, 800, 900, 1500]  # milliseconds
    with av.open(str(raw / "video.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.height, stream.width, stream.pix_fmt = 192, 320, "yuv420p"
        stream.options = {"crf": "16"}
        for i, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(flight.images[2 * i], format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    write_camera(raw / "camera.yaml")
    summary = extract_frames(raw, out, FrameExtractionSettings(stride=1), no_calibration)
    table = pd.read_parquet(out / "frames.parquet")
    assert summary["frames_per_second"] < 30
    np.testing.assert_allclose(table["time"] * 1000, times, atol=1.1)
    assert table["frame"].tolist() == list(range(10))


def test_only_wanted_frames_are_converted(flight, monkeypatch):
    converted = []
    from aerial_depth_pipeline.capture.sources import video

    whole = video._upright_rgb
    monkeypatch.setattr(
        video, "_upright_rgb", lambda *arguments: converted.append(1) or whole(*arguments)
    )
    frames = list(
        VideoSource(flight.raw / "video.mp4").frames(160, 96, lambda index: index % 7 == 0)
    )
    assert [frame.index for frame in frames] == [0, 7, 14, 21, 28, 35] and len(converted) == 6
    assert frames[1].image.shape == (96, 160, 3)


def test_embedded_thumbnail_is_not_the_video(flight, tmp_path):
    """Drones put a still image in front of the video as a stream of its own."""
    path = tmp_path / "video.mp4"
    with av.open(str(flight.raw / "video.mp4")) as source, av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in cover.encode(
            av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        ):
            container.mux(packet)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    source = VideoSource(path)
    assert (source.width, source.height) == (320, 192)
    assert len(list(source.frames(320, 192, lambda index: True))) == 40


@pytest.mark.parametrize(("aspect", "width"), [("4/3", 320), ("8/9", 213), ("1/100", 240)])
def test_pixels_that_are_not_square(flight, tmp_path, aspect, width):
    path = tmp_path / "video.mp4"
    narrow = [cv2.resize(image, (240, 192)) for image in flight.images[:4]]
    write_video(path, narrow, **{"x264-params": f"sar={aspect}"})
    source = VideoSource(path)
    assert (source.width, source.height) == (width, 192)
    frame = next(source.frames(width, 192, lambda index: True))
    expected = cv2.resize(narrow[0], (width, 192)).astype(int)
    assert np.abs(frame.image - expected).mean() < 8


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("layout", ["gray", "gbrp"])
def test_a_sensor_s_own_numbers_are_stretched_by_one_range(flight, tmp_path, bits, layout):
    layout = f"{layout}{bits}le"
    with av.open(str(tmp_path / "video.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 192, layout
        for place, image in enumerate(flight.images[:6]):
            # A tenth of the range is used, brighter from frame to frame
            values = (image[..., 1].astype(float) + 10 * place) * 2**8 / 20 + 2**14
            deep = av.VideoFrame.from_ndarray(values.astype(np.uint16), format="gray16le")
            container.mux(stream.encode(deep.reformat(format=layout)))
        container.mux(stream.encode())
    frames = _frames(tmp_path / "video.mkv")
    assert max(frame.image.max() for frame in frames) > 245
    assert min(frame.image.min() for frame in frames) < 10
    for frame, image in zip(frames, flight.images, strict=False):
        assert np.corrcoef(frame.image[..., 1].ravel(), image[..., 1].ravel())[0, 1] > 0.9
    means = [frame.image.mean() for frame in frames]
    assert np.diff(means).min() > 0


def test_ten_bits_for_the_eye_are_not_stretched(flight, tmp_path):
    path = tmp_path / "video.mkv"
    dark = [image // 4 for image in flight.images[:4]]
    write_video(path, dark, codec="ffv1", pixel_format="yuv420p10le")
    assert np.abs(_frames(path)[0].image.astype(int) - dark[0]).mean() < 4
