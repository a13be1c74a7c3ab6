"""A model that starts from level ground is told how each test frame's camera was held, as far as
that is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.worlds.evaluation_scenes import HEIGHT, WIDTH, write_scene

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.methods.method import other_uses
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.formats.cameras import camera_to_yaml
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings

SETTINGS = EvaluationSettings(bootstrap_samples=0, alignments=["median_per_image"])


def untrained_model(start: str) -> DepthModel:
    """Predicts level ground where it knows how that slopes, and a wall elsewhere."""
    torch.manual_seed(0)
    network = NetworkSettings(encoder="test_resnet", decoder_channels=[4, 4, 8, 8, 8], start=start)
    return DepthModel(DepthNetwork(network), network, 64, 32)


def write_level_ground(folder, pitches):
    camera = Camera.pinhole(WIDTH, HEIGHT, 70.0, 70.0, WIDTH / 2, HEIGHT / 2)
    y = ((np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / 70.0)[:, None]
    depths = [
        np.broadcast_to(50 / (np.sin(p) + y * np.cos(p)), (HEIGHT, WIDTH)).astype(np.float32)
        for p in np.radians(pitches)
    ]
    references = write_scene(folder, depths)
    (folder / "camera.yaml").write_text(camera_to_yaml(camera))
    up = np.array([(0.0, -np.cos(p), -np.sin(p)) for p in np.radians(pitches)])
    table = pd.DataFrame(
        {
            "frame": [r.frame for r in references],
            "up_x": up[:, 0],
            "up_y": up[:, 1],
            "up_z": up[:, 2],
        }
    )
    table.to_parquet(folder / "attitude.parquet")
    return [replace(reference, triplets=folder) for reference in references]


def errors(model, references, mirrored=False):
    table = measure(
        model, {"flight": references}, {}, "town", SETTINGS, other_uses(model, mirrored)
    ).per_image
    return table.pivot(index="frame", columns="contestant", values="abs_rel")


def test_the_attitude_of_each_frame_counts_and_the_picture_alone_is_measured_beside(tmp_path):
    found = errors(
        untrained_model("level_ground"), write_level_ground(tmp_path / "flight", [35, 50, 65])
    )
    assert (found["model"] < 0.03).all()
    assert (found["level_ground"] < 1e-3).all()
    assert (found["model_picture_alone"] > 2 * found["model"]).all()


def test_frames_without_attitude_are_predicted_from_the_picture(tmp_path):
    references = write_level_ground(tmp_path / "flight", [35, 50])
    table = pd.read_parquet(tmp_path / "flight" / "attitude.parquet")
    table.loc[1, ["up_x", "up_y", "up_z"]] = np.nan
    table.to_parquet(tmp_path / "flight" / "attitude.parquet")
    found = errors(untrained_model("level_ground"), references)
    assert found["level_ground"].notna().tolist() == [True, False]
    assert (
        found["model"].iloc[0] < 0.03
        and found["model"].iloc[1] == found["model_picture_alone"].iloc[1]
    )


def test_a_model_without_level_ground_competes_once(tmp_path):
    found = errors(untrained_model("none"), write_level_ground(tmp_path / "flight", [35, 50]))
    assert "model" in found and "model_picture_alone" not in found


@pytest.mark.parametrize("start", ["level_ground", "none"])
def test_the_mean_with_the_mirrored_picture_competes_where_that_is_wanted(start, tmp_path):
    model, references = (
        untrained_model(start),
        write_level_ground(tmp_path / "flight", [35, 50]),
    )
    assert "model_mirrored" not in errors(model, references)
    found = errors(model, references, mirrored=True)
    # The ground of these cameras is the same mirrored: only the untrained network's relief differs.
    assert (found["model_mirrored"] != found["model"]).all()
    np.testing.assert_allclose(found["model_mirrored"], found["model"], atol=0.02)
