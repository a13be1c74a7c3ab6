"""Undistorted images are a pinhole camera's."""

import cv2
import numpy as np
import pytest
from tests.worlds.footage import no_calibration, straight_flight, write_camera, write_video

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.undistortion import distort, plan_undistortion, undistort
from aerial_depth_pipeline.formats.cameras import read_camera
from aerial_depth_pipeline.formats.images import read_image
from aerial_depth_pipeline.geometry.cameras import Camera


def _distorted(world, camera: Camera, pose: np.ndarray) -> np.ndarray:
    """What a lens would see: a wide pinhole image, bent."""
    wide = Camera.pinhole(
        camera.width * 2, camera.height * 2, *(camera.K[0, 0],) * 2, camera.width, camera.height
    )
    image, _ = world.render(pose, wide)
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    x, y = undistort(
        camera,
        (columns - camera.K[0, 2]) / camera.K[0, 0],
        (rows - camera.K[1, 2]) / camera.K[1, 1],
    )
    u, v = wide.K[0, 0] * x + wide.K[0, 2] - 0.5, wide.K[1, 1] * y + wide.K[1, 2] - 0.5
    return cv2.remap(image, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR)


LENSES = [
    Camera("SIMPLE_RADIAL", 320, 192, (260, 160, 96, -0.12)),
    Camera("OPENCV", 320, 192, (260, 262, 158, 97, 0.08, -0.02, 0.003, -0.002)),
    Camera("OPENCV_FISHEYE", 320, 192, (220, 220, 160, 96, 0.02, -0.004, 0.0, 0.0)),
]


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
def test_undistorted_frames_are_a_pinhole_camera_s(world, lens, tmp_path):
    poses = straight_flight(6, step=2.0)
    raw = tmp_path / "raw"
    write_video(raw / "video.mp4", [_distorted(world, lens, T) for T in poses], fps=5, crf=8)
    write_camera(raw / "camera.yaml", lens)
    (tmp_path / "out").mkdir()
    extract_frames(raw, tmp_path / "out", FrameExtractionSettings(), no_calibration)
    camera = read_camera(tmp_path / "out" / "camera.yaml")
    assert camera.model == "PINHOLE" and camera.width <= 320 and camera.height <= 192
    image = read_image(tmp_path / "out" / "frames" / "000003.jpg")
    expected, _ = world.render(poses[3], camera)
    assert np.abs(image.astype(int) - expected).mean() < 8
    assert (image.max(2) > 0).mean() > 0.999  # no black border


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
def test_undistortion_reads_only_inside_of_the_image(lens):
    plan = plan_undistortion(lens)
    assert (
        plan.x_HW.min() >= 0
        and plan.x_HW.max() <= 320
        and plan.y_HW.min() >= 0
        and plan.y_HW.max() <= 192
    )
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 11), np.linspace(-0.3, 0.3, 7))
    np.testing.assert_allclose(undistort(lens, *distort(lens, x, y)), (x, y), atol=1e-9)


def test_distorted_depth_goes_where_the_pixels_go():
    lens = LENSES[0]
    plan = plan_undistortion(lens)
    columns, rows = np.meshgrid(np.arange(320) + 0.5, np.arange(192) + 0.5)
    moved = plan.image(np.dstack([columns / 2, rows, rows]).astype(np.uint8))
    nearest = plan.depth(columns.astype(np.float32))
    assert np.abs(moved[..., 0].astype(float) - nearest / 2).max() <= 1.6
    half = plan.depth(
        cv2.resize(columns, (160, 96), interpolation=cv2.INTER_AREA).astype(np.float32)
    )
    assert np.abs(half - nearest).max() <= 1.01
