"""docs/extending.md: a loss term from outside the package, with data of its own."""

import numpy as np
import torch
from tests.worlds.tiny_world import write_domain

from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.training.batch import InverseDepth
from aerial_depth_pipeline.training.settings import LossSettings, TrainSettings
from aerial_depth_pipeline.training.terms import Term, register
from aerial_depth_pipeline.training.train import train


class FarAbove(Term):
    """The upper half of the image lies farther than a prior map says."""

    name = "far_above"
    fields = {"prior": InverseDepth()}

    def data(self, triplets, scale, settings):
        ramp = torch.linspace(0.5, 1.5, 8)[:, None].expand(8, 12)
        return {"prior": ramp.repeat(len(triplets), 1, 1, 1)}

    def __call__(self, context):
        prior = context.batch["prior"].mean((2, 3), keepdim=True)
        top = context.inverse_depths[0].chunk(2, 2)[0]
        return torch.relu(top - prior).mean()


class Log:
    """Stands in for a Lightning logger."""

    def __init__(self):
        self.metrics = {}

    def log_metrics(self, metrics, step):
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append(value)


def test_a_term_is_trained_with_by_its_weight(tmp_path):
    register(FarAbove())
    domain = write_domain(tmp_path / "tiny", worlds=[1], triplets=5)
    network = NetworkSettings(encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32])
    common = {"network": network, "batch_size": 2, "steps": 2, "log_every": 1, "threads": 1}
    logs = {}
    for weight in (0.0, 2.0):
        loss = LossSettings(extra={"far_above": weight})
        settings = TrainSettings(loss=loss, precision="32", **common)
        logs[weight] = Log()
        train({"tiny": domain}, settings, tmp_path / f"{weight}", logs[weight])
    without, with_term = logs[0.0].metrics, logs[2.0].metrics
    assert "train/far_above" not in without and with_term["train/far_above"][0] > 0
    difference = with_term["train/total"][0] - without["train/total"][0]
    assert np.isclose(difference, 2 * with_term["train/far_above"][0], rtol=1e-4)
