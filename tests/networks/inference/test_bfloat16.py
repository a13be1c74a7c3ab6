"""Inference in bfloat16."""

import numpy as np
import pytest
import torch

from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference.bfloat16 import in_bfloat16
from aerial_depth_pipeline.networks.inference.onnx_model import resize
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["resnet10t", "mobilenetv4_conv_small"])
def test_half_the_bits_change_depth_little_and_leave_the_model_alone(encoder):
    torch.manual_seed(0)
    settings = NetworkSettings(encoder=encoder, decoder_channels=[8, 8, 16, 16, 32])
    model = DepthModel(DepthNetwork(settings), settings, 96, 64, {"depth_scale": 30.0})
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight, std=1.0)
    image = resize(
        np.random.default_rng(0).integers(0, 256, (1, 6, 8, 3)).astype(np.float32), 80, 120, False
    )[0].astype(np.uint8)
    before = model(image)
    fast = in_bfloat16(model)
    depth = fast(image)
    assert {weight.dtype for weight in fast.network.encoder.body.parameters()} == {torch.bfloat16}
    if encoder == "resnet10t":
        assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in fast.network.modules())
    assert before.max() / before.min() > 1.2
    difference = np.abs(depth / before - 1)
    assert 0 < difference.mean() < 0.01 and difference.max() < 0.1
    assert len(np.unique(depth)) > 1000  # no steps
    np.testing.assert_array_equal(model(image), before)
    assert (fast.width, fast.height, fast.metadata) == (96, 64, {"depth_scale": 30.0})
