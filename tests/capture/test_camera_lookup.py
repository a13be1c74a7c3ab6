"""A camera.yaml for other images, or for none."""

import cv2
import pytest
from tests.worlds.flights import extract, refused
from tests.worlds.footage import CAMERA, write_camera, write_video

from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.geometry.cameras import Camera


def test_camera_for_another_size_is_rescaled(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    write_camera(raw / "camera.yaml", CAMERA.resized(3840, 2304))
    summary, _ = extract(raw, out)
    assert summary["focal_length"] == pytest.approx(260)


def test_camera_for_another_shape_is_refused(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    write_camera(raw / "camera.yaml", Camera.pinhole(4000, 3000, 3000, 3000, 2000, 1500))
    refused(raw, out, "camera.yaml", "4000x3000", "320x192", "remove the file")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model: PINHOLE",
        "model: MAGIC\nwidth: 1\nheight: 1\nparams: [1]",
        "{[",
        "model: PINHOLE\nwidth: 320\nheight: 192\nparams: [.nan, 1, 1, 1]",
        "model: PINHOLE\nwidth: 320\nheight: 192\nparams: '1234'",
        "model: PINHOLE\nwidth: .inf\nheight: 192\nparams: [260, 260, 160, 96]",
        "model: PINHOLE\nwidth: 320\nheight: true\nparams: [260, 260, 160, 96]",
        "model: PINHOLE\nwidth: 320\nheight: 192\nparams: [2, 2, 160, 96]",
        "model: PINHOLE\nwidth: 320\nheight: 192\nparams: [260000, 260, 160, 96]",
        "model: PINHOLE\nwidth: 320\nheight: 192\nparams: [260, 260, 1600, 96]",
        "model: PINHOLE\nwidth: 320\nheight: 192\nparams: " + "[" * 3000,
        "- 1\n- 2",
    ],
)
def test_camera_file_that_is_none(flight, raw, out, text):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "camera.yaml").write_text(text)
    refused(raw, out, "camera.yaml", "remove it")


def test_camera_asked_for_and_not_there(flight, raw, out):
    (raw / "camera.yaml").unlink()
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    refused(
        raw, out, "camera.yaml", "camera: auto", settings=FrameExtractionSettings(camera="file")
    )
    refused(raw, out / "b", "EXIF", "camera: auto", settings=FrameExtractionSettings(camera="exif"))


def test_camera_of_pixels_that_are_not_square(flight, raw, out):
    narrow = [cv2.resize(image, (240, 192)) for image in flight.images[:10]]
    write_video(raw / "video.mp4", narrow, **{"x264-params": "sar=4/3"})
    write_camera(raw / "camera.yaml", Camera.pinhole(240, 192, 195, 260, 120, 96))
    summary, _ = extract(raw, out)
    assert summary["width"] == 320 and summary["focal_length"] == pytest.approx(260)
