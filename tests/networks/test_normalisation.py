"""Normalisation that is independent of the batch."""

import copy

import pytest
import torch

from aerial_depth_pipeline.networks.joint_model import DepthNetwork, JointModel
from aerial_depth_pipeline.networks.settings import NetworkSettings

SMALL = NetworkSettings(
    encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], pose_channels=16
)


@pytest.mark.parametrize("encoder", ["test_resnet", "mobilenetv4_conv_small", "efficientnet_b0"])
def test_group_normalisation_leaves_no_trace_of_the_batch(encoder):
    settings = NetworkSettings(
        encoder=encoder,
        encoder_norm="group",
        decoder_norm="group",
        decoder_channels=[8, 8, 16, 16, 32],
    )
    torch.manual_seed(0)
    network = DepthNetwork(settings)
    assert not [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    network.train()
    images = torch.rand(3, 3, 64, 96)
    with torch.no_grad():
        together, alone = network(images)[:1], network(images[:1])
    assert torch.allclose(together, alone, atol=1e-5)


def test_frozen_normalisation_neither_learns_nor_counts():
    model = JointModel(SMALL.model_copy(update={"encoder_norm": "frozen"})).train()
    frozen = [m for m in model.depth.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = copy.deepcopy(model.depth.encoder.state_dict())
    maps, numbers, _ = model(torch.rand(2, 3, 3, 64, 96), [0, 2], 1)
    (sum(m.mean() for m in maps) + numbers.square().mean()).backward()
    assert frozen and all(p.grad is None for m in frozen for p in m.parameters())
    assert all(
        p.grad is not None for n, p in model.depth.encoder.named_parameters() if p.requires_grad
    )
    assert all(torch.equal(v, before[k]) for k, v in model.depth.encoder.state_dict().items())
