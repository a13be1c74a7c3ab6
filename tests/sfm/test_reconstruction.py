"""From rendered frames to a metric model, and the sentence where there is none."""

import cv2
import numpy as np
import pycolmap
import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.poses import camera_center, relative_pose, rotation_angle
from aerial_depth_pipeline.sfm.reconstruction import reconstruct
from aerial_depth_pipeline.sfm.scene_model import read_scene_model, read_sfm_poses
from aerial_depth_pipeline.sfm.settings import SfmSettings
from aerial_depth_pipeline.sfm.sparse_depth import read_sparse_depth, sparse_points


@pytest.fixture(scope="module")
def reconstructed(flown, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    images, _, poses, view = flown
    positions = camera_center(np.stack(poses)) + np.random.default_rng(0).normal(
        0, 0.1, (len(poses), 3)
    )
    frames = block_world.write_frames(folder / "frames", images, view, positions)
    result = reconstruct(frames, folder / "truth", SfmSettings(gps_sigma=0.3), folder / "work")
    return folder, result


def test_all_views_are_registered_in_metres(flown, reconstructed):
    _, _, poses, _ = flown
    _, result = reconstructed
    assert result.summary["registered"] == len(poses)
    assert result.summary["metric"] is True
    assert result.summary["scale_source"] == "telemetry"
    assert result.summary["residual_m"] < 0.4
    assert result.summary["mean_reprojection_error_px"] < 1
    for frame, pose in result.model.poses.items():
        error = relative_pose(pose, poses[frame])
        assert np.degrees(rotation_angle(error[:3, :3])) < 1.0
        assert np.linalg.norm(camera_center(pose) - camera_center(poses[frame])) < 0.6


def test_the_stated_uncertainty_covers_a_focal_length_that_is_off(flown, tmp_path):
    images, depths, poses, view = flown
    focal = 1.03 * view.K[0, 0]
    long = Camera.pinhole(view.width, view.height, focal, focal, view.width / 2, view.height / 2)
    positions = camera_center(np.stack(poses))
    frames = block_world.write_frames(tmp_path / "frames", images, long, positions)
    SceneFolder(frames).write_summary({"camera_source": "exif"})
    result = reconstruct(frames, tmp_path / "truth", SfmSettings(gps_sigma=0.3), tmp_path / "work")
    sparse = read_sparse_depth(tmp_path / "truth", 3)
    known = sparse > 0
    error = abs(float(np.median(sparse[known] / depths[3][known])) - 1)
    assert 0.003 < error < 2 * result.summary["scale_uncertainty"]
    assert result.summary["scale_uncertainty"] >= 0.02


@pytest.mark.parametrize("wrong", ["scale", "up", None])
def test_a_fit_that_contradicts_heights_or_gimbals_is_not_metric(flown, tmp_path, caplog, wrong):
    images, _, poses, view = flown
    true = camera_center(np.stack(poses))
    positions = true * (1.8 if wrong == "scale" else 1.0)
    if wrong == "up":  # height and north change places
        positions = true[:, [0, 2, 1]] * [1, -1, 1]
    frames = block_world.write_frames(tmp_path / "frames", images, view, positions)
    table = SceneFolder(frames).frame_table()
    table["above_start"] = true[:, 2]
    table[["up_x", "up_y", "up_z"]] = np.stack([pose[:3, 2] for pose in poses])
    SceneFolder(frames).write_frame_table(table)
    result = reconstruct(frames, tmp_path / "truth", SfmSettings(), tmp_path / "work")
    assert result.summary["metric"] is (wrong is None)
    if wrong is not None:
        assert result.summary["scale_source"] == "none" and result.summary["contradiction"]
        assert "The scale of the positions is not used" in caplog.text


def test_poses_and_sparse_depth_are_read_back(flown, reconstructed):
    _, depths, _, _ = flown
    folder, result = reconstructed
    poses = read_sfm_poses(folder / "truth")
    assert poses.keys() == result.model.poses.keys()
    assert all(np.allclose(poses[frame], result.model.poses[frame]) for frame in poses)
    sparse = read_sparse_depth(folder / "truth", 3)
    known = sparse > 0
    assert known.sum() > 30
    assert np.median(np.abs(sparse / depths[3] - 1)[known]) < 0.01
    pixels, z = sparse_points(read_scene_model(folder / "truth"), 3)
    assert len(pixels) == len(z) >= known.sum()


def test_colmap_opens_the_model(reconstructed):
    folder, result = reconstructed
    model = pycolmap.Reconstruction(folder / "truth" / "sfm")
    assert model.num_reg_images() == len(result.model.poses)
    assert model.find_image_with_name("000003.jpg") is not None


def test_flying_height_gives_the_scale_without_telemetry(flown, tmp_path):
    images, depths, _, view = flown
    frames = block_world.write_frames(tmp_path / "frames", images, view)
    result = reconstruct(
        frames, tmp_path / "truth", SfmSettings(flying_height_m=45.0), tmp_path / "work"
    )
    assert (result.summary["metric"], result.summary["scale_source"]) == (True, "flying_height")
    _, z = sparse_points(result.model, 3)
    assert np.median(z) == pytest.approx(np.median(depths[3]), rel=0.1)
    unscaled = reconstruct(frames, tmp_path / "other", SfmSettings(), tmp_path / "work")
    assert (unscaled.summary["metric"], unscaled.summary["scale_source"]) == (False, "none")


def refused(images, view, folder, **settings):
    frames = block_world.write_frames(folder / "frames", images, view, motion=0.0)
    with pytest.raises(SceneError) as error:
        reconstruct(frames, folder / "truth", SfmSettings(**settings), folder / "work")
    return str(error.value)


def test_too_few_frames(flown, tmp_path):
    images, _, _, view = flown
    assert "at least 3" in refused(images[:2], view, tmp_path)


def test_one_colour(flown, tmp_path):
    _, _, _, view = flown
    images = [np.full((view.height, view.width), 90 + 5 * i, np.uint8) for i in range(5)]
    assert "too little texture" in refused(images, view, tmp_path)


def test_a_camera_that_stands_still(flown, tmp_path):
    images, _, _, view = flown
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(images[0] + rng.normal(0, 1, images[0].shape), 0, 255).astype(np.uint8)
        for _ in range(5)
    ]
    assert "did not move" in refused(noisy, view, tmp_path)


def test_a_camera_that_only_rotates(flown, tmp_path):
    images, _, _, view = flown
    rotated = []
    for degrees in np.linspace(-4, 4, 6):
        angle = np.radians(degrees)
        R = np.array(
            [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        )
        H = view.K @ R @ np.linalg.inv(view.K)
        rotated.append(
            cv2.warpPerspective(
                images[3],
                H,
                (view.width, view.height),
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REFLECT,
            )[:, 30:-30]
        )
    narrow = Camera.from_K(
        view.K - [[0, 0, 30], [0, 0, 0], [0, 0, 0]], view.width - 60, view.height
    )
    assert "parallax" in refused(rotated, narrow, tmp_path)


def test_images_of_different_places(flown, tmp_path):
    _, _, poses, view = flown
    images = [
        block_world.render(poses[3], view, block_world.Texture(seed), blocks=[])[0]
        for seed in range(10, 14)
    ]
    assert "matched" in refused(images, view, tmp_path)


def test_the_same_frames_give_the_same_model_to_the_bit(reconstructed):
    folder, result = reconstructed
    again = reconstruct(
        folder / "frames", folder / "again", SfmSettings(gps_sigma=0.3), folder / "other_work"
    )
    assert again.model.poses.keys() == result.model.poses.keys()
    for frame, pose in result.model.poses.items():
        np.testing.assert_array_equal(again.model.poses[frame], pose)
