"""What resizing and flipping do to a camera is what they do to the image."""

import numpy as np
import pycolmap
import pytest

from aerial_depth_pipeline.formats.cameras import camera_to_yaml, read_camera
from aerial_depth_pipeline.geometry.cameras import Camera, flip_K, scale_K

CAMERA = Camera.pinhole(96, 64, 80.0, 90.0, 50.0, 30.0)
POINTS = np.random.default_rng(0).uniform([-2, -1.5, 4], [2, 1.5, 9], (200, 3))


def pixels(camera: Camera, points: np.ndarray) -> np.ndarray:
    image = points @ camera.K.T
    return image[:, :2] / image[:, 2:]


def test_resizing_multiplies_pixels() -> None:
    resized = CAMERA.resized(48, 16)
    np.testing.assert_allclose(pixels(resized, POINTS), pixels(CAMERA, POINTS) * [0.5, 0.25])


def test_resizing_keeps_the_corner_and_moves_the_first_centre() -> None:
    # The corner (0, 0) stays the corner: a ray through it still goes through it, so the first
    # centre (0.5, 0.5) is that of a larger pixel.
    corner = np.linalg.inv(CAMERA.K) @ [0, 0, 1]
    np.testing.assert_allclose(pixels(CAMERA.resized(192, 128), corner[None]), [[0, 0]], atol=1e-12)


def test_flipping_mirrors_pixels_of_mirrored_points() -> None:
    flipped = Camera.from_K(flip_K(CAMERA.K, CAMERA.width), CAMERA.width, CAMERA.height)
    mirrored = POINTS * [-1, 1, 1]
    expected = pixels(CAMERA, POINTS) * [-1, 1] + [CAMERA.width, 0]
    np.testing.assert_allclose(pixels(flipped, mirrored), expected)


@pytest.mark.parametrize("change", [lambda K: scale_K(K, 2, 3), lambda K: flip_K(K, 96)])
def test_torch_and_numpy_agree_and_leave_their_input(change) -> None:
    import torch

    K = CAMERA.K
    before = K.copy()
    changed = change(K)
    batch = torch.from_numpy(K)[None]
    np.testing.assert_allclose(change(batch)[0].numpy(), changed)
    np.testing.assert_array_equal(K, before)


def test_camera_file_round_trip(tmp_path) -> None:
    camera = Camera("OPENCV", 640, 480, (500.123456789, 501, 320, 240, 0.1, -0.01, 1e-4, -2e-4))
    path = tmp_path / "camera.yaml"
    path.write_text(camera_to_yaml(camera))
    assert read_camera(path) == camera


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model: PINHOLE",
        "model: PINHOLE\nwidth: 4\nheight: 3\nparams: [1, 2]",
        "model: X\nwidth: 1\nheight: 1\nparams: []",
        "{",
        "[1]",
    ],
)
def test_broken_camera_file_is_named(tmp_path, text) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="camera.yaml"):
        read_camera(path)


def test_one_focal_length_cannot_be_scaled_two_ways() -> None:
    camera = Camera("SIMPLE_RADIAL", 640, 480, (500, 320, 240, 0.1))
    with pytest.raises(ValueError, match="one focal length"):
        camera.resized(320, 480)
    assert camera.resized(320, 240).params == (250, 160, 120, 0.1)


MODELS = {
    "SIMPLE_PINHOLE": [500, 321, 238],
    "PINHOLE": [500, 510, 321, 238],
    "SIMPLE_RADIAL": [500, 321, 238, 0.1],
    "RADIAL": [500, 321, 238, 0.1, -0.02],
    "OPENCV": [500, 510, 321, 238, 0.1, -0.02, 1e-3, -2e-3],
    "FULL_OPENCV": [500, 510, 321, 238, 0.1, -0.02, 1e-3, -2e-3, 0.01, 0.02, 0.01, 0.005],
    "OPENCV_FISHEYE": [500, 510, 321, 238, 0.1, -0.02, 1e-3, -2e-3],
    "SIMPLE_RADIAL_FISHEYE": [500, 321, 238, 0.1],
    "RADIAL_FISHEYE": [500, 321, 238, 0.1, -0.02],
}


def colmap_camera(camera: Camera) -> pycolmap.Camera:
    width, height, params = camera.width, camera.height, camera.params
    return pycolmap.Camera(model=camera.model, width=width, height=height, params=params)


@pytest.mark.parametrize(("model", "params"), MODELS.items(), ids=MODELS)
def test_parameters_stand_where_colmap_reads_them(model, params) -> None:
    camera = Camera(model, 640, 480, tuple(params))
    colmap = colmap_camera(camera)
    np.testing.assert_allclose(camera.K, colmap.calibration_matrix())
    assert camera.is_distorted == (not colmap.is_undistorted())
    with pytest.raises(ValueError, match="parameters"):
        Camera(model, 640, 480, (*params, 0.0))


@pytest.mark.parametrize(("model", "params"), MODELS.items(), ids=MODELS)
def test_colmap_projects_into_the_resized_image(model, params) -> None:
    camera = Camera(model, 640, 480, tuple(params))
    points = POINTS[:50] * [0.5, 0.5, 1]
    whole = colmap_camera(camera).img_from_cam(points)
    resized = colmap_camera(camera.resized(320, 240)).img_from_cam(points)
    np.testing.assert_allclose(resized, whole / 2, atol=1e-9)


def test_distortion_is_noticed() -> None:
    assert Camera("SIMPLE_RADIAL", 640, 480, (500, 320, 240, 0.1)).is_distorted
    assert not Camera("SIMPLE_RADIAL", 640, 480, (500, 320, 240, 0.0)).is_distorted
    assert not CAMERA.is_distorted
