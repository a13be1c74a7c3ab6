"""Depth of a film that starts from its own points, against the depth it was rendered with."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.worlds.flights import flight, world
from tests.worlds.footage import CAMERA, World, straight_flight, write_camera, write_video

from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings

__all__ = ["flight", "world"]

FILES = PredictSettings(side_by_side=False)


@pytest.fixture(scope="module")
def model() -> DepthModel:
    """Untrained: it leaves the start nearly as it is."""
    torch.manual_seed(0)
    settings = NetworkSettings(
        encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], own_points=True
    )
    return DepthModel(DepthNetwork(settings), settings, 192, 112)


def errors(folder, depths) -> list[float]:
    """Median ratio of predicted to true depth, by frame."""
    ratios = []
    for index, true in enumerate(depths):
        depth = np.array(Image.open(folder / "depth" / f"{index:06d}.tiff"))
        known = true > 0
        ratios.append(float(np.median(depth[known] / true[known])))
    return ratios


def test_a_film_with_telemetry_has_metres_in_every_frame(flight, model, tmp_path):
    report = predict(flight.raw / "video.mp4", model, FILES, tmp_path / "out")
    assert (report["unit"], report["scale"]["origin"]) == ("metres", "own_points")
    assert report["start"]["own_points"] == 1
    ratios = errors(tmp_path / "out", flight.depths)
    assert np.abs(np.array(ratios) - 1).max() < 0.06
    assert np.abs(np.diff(ratios)).max() < 0.04  # no jump from one frame to the next


def test_without_telemetry_the_unit_is_one_for_the_film(flight, model, tmp_path):
    raw = tmp_path / "silent"
    write_video(raw / "video.mp4", flight.images[:20], fps=10)
    write_camera(raw / "camera.yaml")
    report = predict(raw / "video.mp4", model, FILES, tmp_path / "out")
    assert report["unit"] == "model units"
    ratios = np.array(errors(tmp_path / "out", flight.depths[:20]))
    assert np.std(ratios) / ratios.mean() < 0.03


def test_a_camera_that_stands_still_keeps_what_it_saw_while_it_flew(flight, model, tmp_path):
    raw = tmp_path / "hover"
    hovering = flight.images[:20] + [flight.images[19]] * 25
    write_video(raw / "video.mp4", hovering, fps=10)
    write_camera(raw / "camera.yaml")
    report = predict(raw / "video.mp4", model, FILES, tmp_path / "out")
    assert 0.5 < report["start"]["own_points"] < 1
    ratios = np.array(errors(tmp_path / "out", flight.depths[:20] + [flight.depths[19]] * 25))
    assert np.abs(np.diff(np.log(ratios))).max() < 0.08


def test_a_camera_that_never_moves_starts_from_level_ground(model, tmp_path):
    image = World().render(straight_flight(1)[0], CAMERA)[0]
    raw = tmp_path / "still"
    write_video(raw / "video.mp4", [image] * 8, fps=10)
    write_camera(raw / "camera.yaml")
    report = predict(raw / "video.mp4", model, FILES, tmp_path / "out")
    assert "start" not in report and report["unit"] == "model units"


def test_the_points_can_be_left_out(flight, model, tmp_path):
    settings = FILES.model_copy(update={"own_points": False, "stride": 10})
    report = predict(flight.raw / "video.mp4", model, settings, tmp_path / "out")
    assert "start" not in report and report["scale"]["origin"] == "height"
