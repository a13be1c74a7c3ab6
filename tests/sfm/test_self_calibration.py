"""Self-calibration."""

import cv2
import pycolmap
import pytest
from tests.worlds import block_world
from tests.worlds.footage import World, flight_pose

from aerial_depth_pipeline.sfm import self_calibration
from aerial_depth_pipeline.sfm.self_calibration import calibrate, self_calibrate


@pytest.mark.slow
def test_self_calibration_finds_the_focal_length(flown, tmp_path):
    images, _, _, view = flown
    frames = block_world.write_frames(tmp_path / "frames", images, view)
    camera, deviation = calibrate(sorted((frames / "frames").iterdir()))
    assert (camera.width, camera.height, camera.model) == (view.width, view.height, "SIMPLE_RADIAL")
    assert camera.K[0, 0] == pytest.approx(view.K[0, 0], rel=0.01)
    assert 0 < deviation < 0.05


@pytest.mark.slow
def test_a_straight_flight_leaves_the_focal_length_open(tmp_path, caplog):
    world, images = World(), []
    for index in range(8):
        image, _ = world.render(flight_pose(-20.0 + 5 * index, pitch=50.0))
        images.append(tmp_path / f"{index:06d}.png")
        cv2.imwrite(str(images[-1]), image[..., ::-1])
    self_calibrate(images)
    assert "leaves the focal length" in caplog.text


def test_a_camera_that_has_not_settled_is_adjusted_until_it_has():
    options = pycolmap.SyntheticDatasetOptions(num_rigs=1, num_frames_per_rig=10, num_points3D=300)
    model = pycolmap.synthesize_dataset(options)
    pycolmap.synthesize_noise(pycolmap.SyntheticNoiseOptions(point2D_stddev=0.2), model)
    camera = next(iter(model.cameras.values()))
    true = camera.params[0]
    camera.params = camera.params * [1.2, 1, 1, 1]
    self_calibration._settle(model)
    assert camera.params[0] == pytest.approx(true, rel=0.002)
    assert self_calibration._deviation(model) < 0.01
