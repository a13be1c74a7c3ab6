"""Positions of stated accuracy in bundle adjustment."""

import numpy as np
import pycolmap
import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.poses import camera_center
from aerial_depth_pipeline.sfm.position_adjustment import adjust_to_positions
from aerial_depth_pipeline.sfm.reconstruction import reconstruct
from aerial_depth_pipeline.sfm.scene_model import to_scene_model
from aerial_depth_pipeline.sfm.settings import SfmSettings


@pytest.fixture(scope="module")
def bent(flown, tmp_path_factory):
    """A folder with a model in metres whose views have been moved by some decimetres."""
    folder = tmp_path_factory.mktemp("scene")
    images, _, poses, view = flown
    frames = block_world.write_frames(
        folder / "frames", images, view, camera_center(np.stack(poses))
    )
    reconstruct(frames, folder / "truth", SfmSettings(gps_sigma=0.3), folder / "work")
    model = pycolmap.Reconstruction(SceneFolder(folder / "truth").sfm)
    rng = np.random.default_rng(0)
    for image_id in model.reg_image_ids():
        moved = model.image(image_id).frame.rig_from_world
        moved.translation = moved.translation + rng.normal(0, 0.3, 3)
    model.write_binary(folder)
    return folder


def _errors(model, poses):
    found = to_scene_model(model).poses
    return {
        frame: np.linalg.norm(camera_center(pose) - camera_center(poses[frame]))
        for frame, pose in found.items()
    }


def test_views_come_to_where_the_positions_are(flown, bent):
    poses = flown[2]
    model = pycolmap.Reconstruction(bent)
    assert np.mean(list(_errors(model, poses).values())) > 0.3
    positions = {frame: camera_center(pose) for frame, pose in enumerate(poses)}
    wrong = 3  # which its stated accuracy does not say
    positions[wrong] = positions[wrong] + [0.0, 4.0, 0.0]
    used = adjust_to_positions(model, positions, dict.fromkeys(positions, 0.02), threads=1)
    assert used == len(poses)
    errors = _errors(model, poses)
    assert max(errors.values()) < 0.15
    assert np.mean([error for frame, error in errors.items() if frame != wrong]) < 0.05
    assert model.compute_mean_reprojection_error() < 1


def test_without_a_stated_accuracy_the_model_stays(flown, bent):
    poses = flown[2]
    model = pycolmap.Reconstruction(bent)
    positions = {frame: camera_center(pose) for frame, pose in enumerate(poses)}
    before = _errors(model, poses)
    deviations = {0: 0.02, 1: 0.02, 2: np.nan}
    assert adjust_to_positions(model, positions, deviations, threads=1) == 0
    assert _errors(model, poses) == before
