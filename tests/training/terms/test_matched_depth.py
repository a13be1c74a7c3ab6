"""Depth by matching as a term of the loss."""

import math

import numpy as np
import pytest
import torch
from tests.training.test_train import Recorder, settings
from tests.worlds.tiny_world import World, calibration, orbit, write_domain

from aerial_depth_pipeline.formats.depth_maps import write_depth
from aerial_depth_pipeline.training.samples import read_triplets
from aerial_depth_pipeline.training.scene_scale import SceneScale
from aerial_depth_pipeline.training.settings import LossSettings, PoseSettings
from aerial_depth_pipeline.training.terms.matched_depth import MatchedDepth, matched_depth_error
from aerial_depth_pipeline.training.train import train

UNSCALED = SceneScale({}, {})


def test_a_factor_and_unknown_pixels_do_not_count():
    random = torch.rand(2, 1, 16, 24) + 0.5
    matched = torch.where(torch.rand(2, 1, 16, 24) < 0.7, random, 0.0)
    scaled = random * torch.tensor([3.0, 0.2]).reshape(2, 1, 1, 1)
    assert matched_depth_error(scaled, matched) < 1e-6
    assert matched_depth_error(scaled, torch.zeros_like(matched)) == 0


def test_a_step_counts_by_its_height_and_its_edge():
    matched = torch.ones(1, 1, 32, 64)
    predicted = matched.clone()
    predicted[..., 48:] *= math.exp(0.2)
    # A quarter is off by 0.2; s of 64 - s differences along a row are, for each step s.
    edges = sum(0.2 * s / (64 - s) for s in (1, 2, 4, 8)) / 8
    assert matched_depth_error(predicted, matched).item() == pytest.approx(0.05 + edges, rel=1e-4)


def test_the_gradient_is_finite_where_nothing_is_known():
    predicted = torch.rand(1, 1, 16, 24).add(0.1).requires_grad_()
    matched = torch.zeros(1, 1, 16, 24)
    matched[..., 5:9, 5:9] = 0.7
    matched_depth_error(predicted, matched).backward()
    assert torch.isfinite(predicted.grad).all() and predicted.grad.abs().sum() > 0


@pytest.fixture
def domain(tmp_path):
    folder = write_domain(tmp_path / "tiny", worlds=[1], triplets=5)
    (folder / "world_1" / "matched").mkdir()
    depth = World.random(1).render(orbit(7, 3.0, start=37.0)[2], calibration(192, 128), 192, 128)[1]
    depth[:10] = 0
    write_depth(folder / "world_1" / "matched" / "000002.tiff", depth * 5)
    return folder


def test_maps_are_read_at_the_images_size_in_any_unit(domain):
    triplets = read_triplets("tiny", domain, "train", PoseSettings())
    fields = MatchedDepth().data(triplets, UNSCALED, settings())["matched"]
    assert fields.shape == (3, 1, 64, 96) and not fields[[0, 2]].any()
    depth = World.random(1).render(orbit(7, 3.0, start=37.0)[2], calibration(96, 64), 96, 64)[1]
    known = fields[1, 0].numpy() > 0
    assert not known[:4].any() and known[6:].all()
    product = fields[1, 0].float().numpy()[known] * depth[known]
    assert np.median(np.abs(product / np.median(product) - 1)) < 0.02


def test_it_takes_part_in_a_training_and_says_where_it_cannot(domain, tmp_path, caplog):
    recorder = Recorder()
    with_teacher = settings(steps=2, loss=LossSettings(matching=1.0))
    train({"tiny": domain}, with_teacher, tmp_path / "run", recorder)
    assert "train/matching" in recorder.metrics
    (domain / "world_1" / "matched" / "000002.tiff").unlink()
    alone = Recorder()
    train({"tiny": domain}, with_teacher, tmp_path / "again", alone)
    assert "No target has depth by matching" in caplog.text
    assert "train/matching" not in alone.metrics
