"""The plane and the surface through a flight's own points are measured like any other method."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.worlds.evaluation_scenes import HEIGHT, WIDTH, relief, write_scene

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.methods.method import Frame, model_method, other_uses
from aerial_depth_pipeline.evaluation.methods.own_points import own_point_methods
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings

DEPTHS = [relief(index) for index in range(3)]
SETTINGS = EvaluationSettings(
    bootstrap_samples=0, alignments=["median_per_image", "none"], size=[40, 24]
)


def write_flight(folder, metric=True, scale=1.0, frames=3):
    """A scene whose triplets hold exact points of its first `frames` frames."""
    references = [replace(r, triplets=folder) for r in write_scene(folder, DEPTHS)]
    random = np.random.default_rng(0)
    tables = []
    for reference, depth in list(zip(references, DEPTHS, strict=True))[:frames]:
        x, y = random.integers(0, WIDTH, 400), random.integers(0, HEIGHT, 400)
        inverse = scale / depth[y, x]
        table = {"frame": reference.frame, "x": x + 0.5, "y": y + 0.5, "inverse_depth": inverse}
        tables.append(pd.DataFrame(table | {"deviation": 0.01 * inverse, "views": 2}))
    pd.concat(tables).assign(metric=metric).to_parquet(folder / "own_points.parquet")
    return references


def table_of(references):
    wide = measure(None, {"f": references}, {}, "town", SETTINGS).per_image
    wide = wide[wide["cap"] == "none"]
    return wide.pivot_table(index="contestant", columns="alignment", values="abs_rel")


def test_the_surface_is_better_than_the_plane_and_both_are_in_metres(tmp_path):
    table = table_of(write_flight(tmp_path))
    assert (table.loc["own_points"] < 0.04).all()
    assert (table.loc["own_plane"] > 1.5 * table.loc["own_points"]).all()
    assert table.loc["own_plane", "median_per_image"] < 1.3 * table.loc["tilted_plane"].max()


def test_points_without_a_unit_are_not_measured_in_metres(tmp_path):
    table = table_of(write_flight(tmp_path, metric=False, scale=7.0))
    assert np.isnan(table.loc["own_points", "none"])
    assert table.loc["own_points", "median_per_image"] < 0.04


def test_frames_without_points_are_counted(tmp_path):
    references = write_flight(tmp_path, frames=2)
    problems = measure(None, {"f": references}, {}, "town", SETTINGS).problems
    missing = problems[problems["contestant"] == "own_points"]
    assert missing["frame"].tolist() == [references[2].frame]
    assert "0 points" in missing["detail"].iloc[0]


@pytest.mark.parametrize("known", [True, False])
def test_scenes_without_a_table_have_no_such_method(tmp_path, known):
    references = write_scene(tmp_path, DEPTHS)
    if known:
        references = [replace(r, triplets=tmp_path) for r in references]
    assert own_point_methods(references) == []


def test_a_model_that_starts_from_points_is_measured_with_and_without_them(tmp_path):
    settings = NetworkSettings(
        encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], start="points"
    )
    torch.manual_seed(0)
    model = DepthModel(DepthNetwork(settings), settings, WIDTH, HEIGHT)
    references = write_flight(tmp_path)
    methods = other_uses(model, mirrored=True)
    wide = measure(model, {"f": references}, {}, "town", SETTINGS, methods).per_image
    wide = wide[wide["cap"] == "none"]
    table = wide.pivot_table(index="contestant", columns="alignment", values="abs_rel")
    assert table.loc["model", "none"] < 0.06  # untrained: the surface itself, in metres
    assert table.loc["model_mirrored", "median_per_image"] < 0.06
    assert table.loc["model_without_points", "median_per_image"] > 0.1
    assert np.isnan(table.loc["model_without_points"].get("none", np.nan))


def test_a_model_is_not_metric_where_a_frame_lacks_points(tmp_path):
    settings = NetworkSettings(
        encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], start="points"
    )
    model = DepthModel(DepthNetwork(settings), settings, WIDTH, HEIGHT)
    references = write_flight(tmp_path, frames=2)
    assert not model_method(model, tested=references).metric
    assert model_method(model, tested=references[:2]).metric


def test_a_network_that_harms_is_measured_as_its_start_unless_it_is_to_be_seen(tmp_path):
    settings = NetworkSettings(
        encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], start="points"
    )
    torch.manual_seed(0)
    model = DepthModel(DepthNetwork(settings), settings, WIDTH, HEIGHT)
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight, std=2.0)  # random relief
    frame = Frame("f", write_flight(tmp_path)[0])
    surface = own_point_methods([frame.reference])[0].predict(frame)
    checked, unchecked = (
        model_method(model, checked=choice).predict(frame) for choice in (True, False)
    )
    np.testing.assert_allclose(checked, 1 / surface, rtol=1e-4)
    assert np.abs(np.log(unchecked * surface)).mean() > 0.05
