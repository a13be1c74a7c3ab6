"""docs/extending.md: another encoder is a name."""

import numpy as np
import pytest
from tests.worlds.tiny_world import write_domain

from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.train import train


@pytest.mark.parametrize("encoder", ["test_convnext", "test_efficientnet"])
def test_any_timm_encoder_is_trained_saved_and_used(encoder, tmp_path):
    domain = write_domain(tmp_path / "tiny", worlds=[1], triplets=5)
    network = NetworkSettings(encoder=encoder, decoder_channels=[8, 8, 16, 16, 32])
    settings = TrainSettings(network=network, batch_size=2, steps=2, threads=1)
    train({"tiny": domain}, settings, tmp_path / "checkpoints").save(tmp_path / "model")
    model = DepthModel.load(tmp_path / "model")
    depth = model(np.full((64, 96, 3), 120, np.uint8))
    assert model.settings.encoder == encoder and np.isfinite(depth).all() and (depth > 0).all()
