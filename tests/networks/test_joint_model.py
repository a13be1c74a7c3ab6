"""Pose and depth share an encoder, or not."""

import pytest
import torch

from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.networks.settings import NetworkSettings

SMALL = NetworkSettings(
    encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], pose_channels=16
)


def test_pose_starts_at_no_motion_and_sees_both_images():
    torch.manual_seed(0)
    model = JointModel(SMALL).eval()
    images = torch.rand(1, 3, 3, 64, 96)
    _, numbers, _ = model(images, [0, 2], 1)
    assert numbers.abs().max() < 0.1
    changed = images.clone()
    changed[:, 2] = torch.rand(1, 3, 64, 96)
    _, other, _ = model(changed, [0, 2], 1)
    assert torch.equal(other[:, 0], numbers[:, 0])
    assert not torch.equal(other[:, 1], numbers[:, 1])


@pytest.mark.parametrize("trains", [True, False])
def test_the_pose_gradient_reaches_the_shared_encoder_only_if_wanted(trains):
    settings = NetworkSettings(encoder="resnet10t", pose_trains_encoder=trains)
    model = JointModel(settings)
    model(torch.rand(2, 3, 3, 64, 64), [0, 2], 1)[1].sum().backward()
    assert (
        any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.depth.encoder.parameters())
        == trains
    )


def test_a_separate_pose_encoder_leaves_the_depth_encoder_alone():
    model = JointModel(NetworkSettings(encoder="resnet10t", pose_encoder="separate"))
    model(torch.rand(2, 3, 3, 64, 64), [0, 2], 1)[1].sum().backward()
    assert all(p.grad is None for p in model.depth.parameters())
    assert any(p.grad is not None for p in model.pose_encoder.parameters())
