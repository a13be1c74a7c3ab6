"""A scene's ground truth from frames alone, its accuracy, its picture, and what happens where there
is none."""

import json

import cv2
import numpy as np
import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.formats.depth_maps import write_depth
from aerial_depth_pipeline.geometry.poses import camera_center
from aerial_depth_pipeline.mvs.accuracy import COLUMNS, ground_truth_accuracy, measure_depth
from aerial_depth_pipeline.mvs.ground_truth import build_ground_truth
from aerial_depth_pipeline.mvs.scene_image import scene_image
from aerial_depth_pipeline.mvs.settings import GroundTruthSettings


@pytest.fixture(scope="module")
def built(flown, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ground_truth")
    images, depths, poses, view = flown
    frames = block_world.write_frames(
        folder / "frames", images, view, camera_center(np.stack(poses))
    )
    (frames / "depth").mkdir()
    for index, depth in enumerate(depths):
        cv2.imwrite(str(frames / "depth" / f"{index:06d}.tiff"), depth)
    settings = read_settings(
        GroundTruthSettings,
        {"sfm": {"gps_sigma": 0.3}, "dense": {"sources": 4}, "compare": ["sgbm"]},
        "ground_truth",
    )
    content = build_ground_truth(frames, folder / "truth", settings, folder / "work")
    return frames, folder / "truth", content


def test_depth_is_exact_to_a_percent_and_metric(built):
    frames, truth, content = built
    row, compared = ground_truth_accuracy(frames, truth, "test", "blocks")
    assert list(row) == list(compared) == COLUMNS and row["backend"] == "plane_sweep"
    assert row["registered"] == row["frames"] == 7
    assert row["abs_rel"] < 0.01
    assert row["within_5pct"] > 0.97
    assert row["coverage"] > 0.75
    assert abs(row["scale_error"]) < 0.01
    assert content["metric"] is True
    assert (
        compared["backend"] == "sgbm" and compared["abs_rel"] < 0.03 and compared["coverage"] > 0.3
    )


def test_what_is_written_is_what_the_contract_says(built, flown):
    _, truth, content = built
    _, _, _, view = flown
    assert content == json.loads((truth / "ground_truth.json").read_text())
    for key in (
        "metric",
        "scale_source",
        "residual_m",
        "backend",
        "registered",
        "frames",
        "models",
        "mean_reprojection_error_px",
        "seconds",
    ):
        assert key in content
    for name, entry in content["per_frame"].items():
        depth = cv2.imread(str(truth / "depth" / f"{name}.tiff"), cv2.IMREAD_UNCHANGED)
        confidence = cv2.imread(str(truth / "confidence" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.float32 and depth.shape == confidence.shape == (
            view.height,
            view.width,
        )
        assert np.isfinite(depth).all() and (depth >= 0).all()
        assert ((confidence > 0) == (depth > 0)).all()
        assert entry["coverage"] == pytest.approx((depth > 0).mean(), abs=1e-3)
    assert (truth / "sfm" / "points3D.bin").is_file()


def test_the_image_has_a_row_of_four_tiles_per_view(built):
    frames, truth, _ = built
    image = np.asarray(scene_image(frames, truth, rows=3, width=160))
    assert image.shape == (3 * 96, 4 * 160, 3)
    assert all(image[:, i * 160 : (i + 1) * 160].std() > 10 for i in range(4))


def test_accuracy_without_exact_depth_is_no_row(tmp_path):
    assert measure_depth([(0, np.ones((4, 4), np.float32))], tmp_path, metric=True) is None


def test_a_backend_that_finds_nothing_has_a_row_without_coverage(built):
    frames, _, _ = built
    measured = measure_depth([(0, np.zeros((192, 320), np.float32))], frames, metric=True)
    assert measured["coverage"] == 0 and np.isnan(measured["abs_rel"])


def test_depth_that_is_no_depth_is_not_written(tmp_path):
    for bad in (np.nan, -1.0, np.inf):
        with pytest.raises(ValueError, match="finite"):
            write_depth(tmp_path / "000000.tiff", np.array([[1, bad]]))


def test_depth_on_disk_is_compressed_float(tmp_path):
    depth = np.zeros((100, 100), np.float32)
    depth[20:40] = 12.5
    write_depth(tmp_path / "000000.tiff", depth)
    assert (cv2.imread(str(tmp_path / "000000.tiff"), cv2.IMREAD_UNCHANGED) == depth).all()
    assert (tmp_path / "000000.tiff").stat().st_size < 5000


@pytest.mark.slow
def test_what_moves_like_water_has_no_depth(flown, tmp_path):
    images, _, poses, view = flown
    rng = np.random.default_rng(0)
    rippled = []
    for original in images:
        image = original.copy()
        # A lake in the lower left: every frame shows other waves.
        waves = cv2.resize(
            rng.normal(0, 1, (40, 60)).astype(np.float32), (130, 80), interpolation=cv2.INTER_CUBIC
        )
        image[-80:, :130] = np.clip(120 + 40 * waves, 0, 255)
        rippled.append(image)
    frames = block_world.write_frames(
        tmp_path / "frames", rippled, view, camera_center(np.stack(poses))
    )
    build_ground_truth(frames, tmp_path / "truth", GroundTruthSettings(), tmp_path / "work")
    depth = cv2.imread(str(tmp_path / "truth" / "depth" / "000003.tiff"), cv2.IMREAD_UNCHANGED)
    assert (depth[-70:, 10:120] > 0).mean() < 0.15
    assert (depth[:, 150:] > 0).mean() > 0.7


def test_a_scene_without_texture_is_left_out_with_its_reason(flown, tmp_path):
    _, _, _, view = flown
    images = [np.full((view.height, view.width), 120, np.uint8)] * 5
    frames = block_world.write_frames(tmp_path / "frames", images, view)
    with pytest.raises(SceneError, match="texture"):
        build_ground_truth(frames, tmp_path / "truth", GroundTruthSettings(), tmp_path / "work")


def test_unknown_and_impossible_settings_are_explained():
    with pytest.raises(UserError, match="sources"):
        read_settings(GroundTruthSettings, {"dense": {"source": 3}}, "ground_truth")
    with pytest.raises(UserError, match="windows"):
        read_settings(GroundTruthSettings, {"dense": {"windows": [4]}}, "ground_truth")
    with pytest.raises(UserError, match="min_agreeing"):
        read_settings(GroundTruthSettings, {"dense": {"min_agreeing": 0}}, "ground_truth")
