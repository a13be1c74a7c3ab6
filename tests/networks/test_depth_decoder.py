"""Inverse depth at several scales, and its start from level ground."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.ground import relative_inverse_depth
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.encoder import Encoder
from aerial_depth_pipeline.networks.joint_model import DepthNetwork, JointModel
from aerial_depth_pipeline.networks.settings import NetworkSettings

SMALL = NetworkSettings(
    encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], pose_channels=16
)
LEVEL = SMALL.model_copy(update={"start": "level_ground", "initial_depth": 2.0})


@pytest.mark.parametrize("initial", [0.2, 1.0, 7.0])
def test_the_untrained_decoder_starts_at_the_initial_depth(initial):
    torch.manual_seed(1)
    settings = NetworkSettings(encoder="resnet10t", initial_depth=initial)
    with torch.no_grad():
        maps, *_ = JointModel(settings)(torch.rand(2, 3, 3, 64, 96), [0, 2], 1)
    for inverse in maps:
        assert abs(float((1 / inverse).median()) / initial - 1) < 0.1


def test_without_an_initial_depth_the_sigmoid_starts_at_one_half():
    torch.manual_seed(1)
    settings = NetworkSettings(encoder="resnet10t", initial_depth=None, start="none")
    with torch.no_grad():
        maps, *_ = JointModel(settings)(torch.rand(2, 3, 3, 64, 96), [0, 2], 1)
    middle = (1 / settings.min_depth + 1 / settings.max_depth) / 2
    assert abs(float(maps[0].median()) / middle - 1) < 0.15


def test_sizes_that_are_no_multiple_of_32_work():
    maps, *_ = JointModel(SMALL)(torch.rand(1, 3, 3, 50, 75), [0, 2], 1)
    assert [tuple(m.shape[-2:]) for m in maps] == [(50, 75), (25, 38), (13, 19), (7, 10)]


def test_an_untrained_network_predicts_level_ground_where_the_attitude_is_known():
    torch.manual_seed(0)
    network = DepthNetwork(LEVEL).eval()
    image, slope = torch.rand(2, 3, 64, 96), torch.tensor([[0.1, 0.7], [-0.3, 0.4]])
    ground = relative_inverse_depth(slope, 64, 96) / 2.0
    # The heads start nearly flat; a few hundredths of relief are left.
    torch.testing.assert_close(network(image, slope), ground, rtol=0.1, atol=0)
    flat = network(image, torch.full((2, 2), torch.nan))
    torch.testing.assert_close(flat, torch.full_like(flat, 0.5), rtol=0.1, atol=0)
    torch.testing.assert_close(flat, network(image))


def test_the_slope_is_estimated_only_where_it_is_not_given():
    torch.manual_seed(0)
    network = DepthNetwork(LEVEL).eval()
    image, given = torch.rand(2, 3, 64, 96), torch.tensor([[0.1, 0.7], [torch.nan, torch.nan]])
    before = network(image, given)
    with torch.no_grad():
        network.decoder.slope.bias += torch.tensor([0.2, 0.5])
    after = network(image, given)
    torch.testing.assert_close(after[0], before[0])
    assert (after[1, 0, -1] > 1.2 * before[1, 0, -1]).all()
    network(image, given).sum().backward()
    assert network.decoder.slope.weight.grad.abs().sum() > 0


def test_all_scales_start_from_the_same_ground():
    model = JointModel(LEVEL, with_pose=False).eval()
    maps, *_ = model(torch.rand(1, 1, 3, 64, 96), [], 0, torch.tensor([[0.2, 0.6]]))
    for inverse in maps[1:]:
        reduced = F.interpolate(maps[0], inverse.shape[-2:], mode="area")
        torch.testing.assert_close(inverse, reduced, rtol=0.1, atol=0)


def test_level_ground_needs_a_depth_to_start_from():
    with pytest.raises(ValueError, match="level_ground needs an initial_depth"):
        SMALL.model_copy(update={"start": "level_ground", "initial_depth": None})


def test_mixed_precision_leaves_depth_finer_than_a_thousandth():
    torch.manual_seed(0)
    model = JointModel(NetworkSettings(), with_pose=False).eval()
    image = torch.rand(2, 1, 3, 64, 96)
    with torch.no_grad():
        for head in model.depth.decoder.heads.values():
            head.weight *= 8
        exact = model(image, [], 0)[0]
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(image, [], 0)[0]
    for precise, coarse in zip(exact, rounded, strict=True):
        assert (
            0.001 < (precise / precise.mean()).std() < 0.1
        )  # relief as small as that of a flight over open country
        assert (coarse / precise - 1).abs().mean() < 1e-3


def test_mixed_precision_gives_the_gradient_of_full_precision():
    torch.manual_seed(0)
    model = JointModel(NetworkSettings(), with_pose=False).to(memory_format=torch.channels_last)
    image = torch.rand(4, 1, 3, 64, 96)
    gradients = []
    for mixed in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            maps = model(image, [], 0)[0]
        sum(inverse.square().mean() for inverse in maps).backward()
        gradients.append(
            {
                name: p.grad
                for name, p in model.depth.decoder.named_parameters()
                if p.grad is not None
            }
        )
    exact, rounded = gradients
    assert exact.keys() == rounded.keys()
    for name, gradient in exact.items():
        assert torch.cosine_similarity(gradient.flatten(), rounded[name].flatten(), 0) > 0.95, name


POINTS = LEVEL.model_copy(update={"start": "points"})


def test_an_untrained_network_predicts_the_start_and_level_ground_where_it_is_unknown():
    torch.manual_seed(0)
    network = DepthNetwork(POINTS).eval()
    image, slope = torch.rand(1, 3, 64, 96), torch.tensor([[0.1, 0.7]])
    start = torch.rand(1, 2, 64, 96) + 0.5
    start[..., :48] = 0
    ground = relative_inverse_depth(slope, 64, 96)
    expected = torch.where(start[:, :1] > 0, start[:, :1], ground) / 2.0
    torch.testing.assert_close(network(image, slope, start), expected, rtol=0.1, atol=0)
    torch.testing.assert_close(network(image, slope), ground / 2.0, rtol=0.1, atol=0)


def test_without_a_start_the_encoder_sees_the_picture_alone():
    torch.manual_seed(0)
    narrow = Encoder(LEVEL).eval()
    torch.manual_seed(0)
    encoder = Encoder(POINTS).eval()
    image, start = torch.rand(1, 3, 64, 96), torch.rand(1, 2, 64, 96)
    for with_channels, without in zip(encoder(image), narrow(image), strict=True):
        torch.testing.assert_close(with_channels, without)
    assert (encoder(image, start)[0] - narrow(image)[0]).abs().max() > 0.1


def test_depth_has_the_unit_of_the_start():
    torch.manual_seed(0)
    model = DepthModel(DepthNetwork(POINTS), POINTS, 96, 64, {"depth_scale": 5.0})
    images = np.random.default_rng(0).integers(0, 255, (2, 80, 120, 3), np.uint8)
    slope = np.full((2, 2), 0.1)
    start = np.random.default_rng(1).uniform(0.01, 0.03, (2, 2, 80, 120)).astype(np.float32)
    start[1] = 0
    found = model.predict(images, slope, start)
    np.testing.assert_allclose(np.median(found[0]), 1 / np.median(start[0, 0]), rtol=0.1)
    tenth = model.predict(images, slope, start * np.float32([10, 1])[:, None, None])
    np.testing.assert_allclose(tenth[0], found[0] / 10, rtol=1e-5)
    # Without a start the unit is that of the training.
    np.testing.assert_allclose(found[1], model.predict(images, slope)[1], rtol=1e-5)
    np.testing.assert_allclose(np.median(found[1]), 5.0 * 2.0, rtol=0.1)


def test_the_network_does_not_change_the_scale_of_the_points():
    torch.manual_seed(0)
    model = DepthModel(DepthNetwork(POINTS), POINTS, 96, 64)
    images = np.random.default_rng(0).integers(0, 255, (1, 64, 96, 3), np.uint8)
    start = np.random.default_rng(1).uniform(0.01, 0.03, (1, 2, 64, 96)).astype(np.float32)
    start[:, 1] = np.linspace(0, 1, 96)
    before = model.predict(images, None, start)
    model.network.decoder.heads["0"].bias.data += 0.3
    after = model.predict(images, None, start)
    near = start[0, 1] > 0.5
    assert np.median(after[0][near] * start[0, 0][near]) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(after, before, rtol=0.05)
