"""From feature maps to inverse depth at several scales."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from aerial_depth_pipeline.geometry.ground import relative_inverse_depth
from aerial_depth_pipeline.networks.kernels.convolutions import (
    convolve,
    convolve_doubled,
    convolve_to_one,
)
from aerial_depth_pipeline.networks.normalisation import group_norm
from aerial_depth_pipeline.networks.settings import NetworkSettings

# With more channels than this, adding up the weights takes what fewer products save.
_WIDEST_DOUBLED = 64


class DepthDecoder(nn.Module):
    """A U-shaped decoder with skip connections: inverse depth at full size, half, quarter, …

    The sigmoid's range is mapped to inverse depth between 1 / max_depth and 1 / min_depth, as in
    Godard et al., Digging into Self-Supervised Monocular Depth Estimation, ICCV 2019.

    The sigmoid's argument is relative to that of level ground, whose slope is given or estimated
    from the deepest features, or to that of a given start (`NetworkSettings.start`).
    """

    def __init__(
        self, channels: list[int], reductions: list[int], settings: NetworkSettings
    ) -> None:
        super().__init__()
        self.scales, self.takes_start = settings.scales, settings.from_points
        self.min_inverse, self.max_inverse = 1 / settings.max_depth, 1 / settings.min_depth
        skips = {reduction.bit_length() - 1: index for index, reduction in enumerate(reductions)}
        deepest = max(skips)
        widths = list(settings.decoder_channels)
        widths += [widths[-1]] * (deepest - len(widths))
        self.skip_of_level = [skips.get(level, -1) for level in range(deepest)]
        self.before, self.after, self.heads = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        incoming, initial, norm = channels[-1], settings.initial_depth, settings.decoder_norm
        self.initial_inverse = 1 / initial if initial and settings.from_level_ground else None
        if self.initial_inverse is not None:
            self.slope = nn.Linear(incoming, 2)
            nn.init.zeros_(self.slope.weight)
            nn.init.zeros_(self.slope.bias)
        for level in reversed(range(deepest)):
            skip = channels[skips[level]] if level in skips else 0
            self.before[str(level)] = _convolution(incoming, widths[level], norm)
            incoming = widths[level]
            self.after[str(level)] = _convolution(incoming + skip, incoming, norm)
            if level < self.scales:
                logit = None if initial is None else self._initial_logit(initial)
                self.heads[str(level)] = _head(incoming, logit)

    def _initial_logit(self, depth: float) -> float:
        share = (1 / depth - self.min_inverse) / (self.max_inverse - self.min_inverse)
        return math.log(share / (1 - share))

    def forward(
        self,
        features: list[torch.Tensor],
        size: tuple[int, int],
        only_finest: bool = False,
        slope_B2: torch.Tensor | None = None,
        start_B2HW: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:
        """Inverse depth [B, 1, H / 2^s, W / 2^s] for s = 0, 1, …, finest first, float32, of an
        image of `size` (height, width).

        `only_finest` computes the first alone. `slope_B2` is that of level ground
        (`geometry.ground.ground_slope`), NaN where it is unknown; unused with `start: none`.
        `start_B2HW` is inverse depth with a median of 1, 0 where unknown, and nearness of a point
        (`geometry.surface.start_of`); used with `start: points`.
        """
        maps: list[torch.Tensor] = []
        x = features[-1]
        slope = self.estimated_slope(features)
        if slope is not None and slope_B2 is not None:
            slope = torch.where(slope_B2.isnan(), slope, slope_B2)
        for level in reversed(range(len(self.skip_of_level))):
            name, index = str(level), self.skip_of_level[level]
            height, width = (math.ceil(side / 2**level) for side in size)
            x = _apply(self.before[name], x)
            skip = features[index] if index >= 0 else None
            x = _apply_upsampled(self.after[name], x, (height, width), skip)
            if level < self.scales and (level == 0 or not only_finest):
                logit = _logit(self.heads[name], x)
                if slope is not None:
                    logit = logit + self._logit_of_start(slope, start_B2HW, *logit.shape[-2:])
                share = torch.sigmoid(logit)
                maps.insert(0, self.min_inverse + (self.max_inverse - self.min_inverse) * share)
        return maps

    def estimated_slope(self, features: list[torch.Tensor]) -> torch.Tensor | None:
        """Slope [B, 2] of level ground estimated from the features; None with `start: none`."""
        if self.initial_inverse is None:
            return None
        deepest = features[-1]
        with torch.autocast(deepest.device.type, enabled=False):
            pooled = deepest.float().mean((2, 3))
            # Of one length: an image unlike those of the training must not tilt the ground at will.
            pooled = F.layer_norm(pooled, pooled.shape[1:]) / pooled.shape[1] ** 0.5
            return F.linear(pooled, self.slope.weight.float(), self.slope.bias.float())

    def _logit_of_start(
        self, slope_B2: torch.Tensor, start_B2HW: torch.Tensor | None, height: int, width: int
    ) -> torch.Tensor:
        """The logit of the start, or of level ground where there is none, less that of the initial
        depth, which the heads' bias holds."""
        initial = self.initial_inverse or 0.0
        relative = relative_inverse_depth(slope_B2, height, width)
        if start_B2HW is not None and self.takes_start:
            start = F.interpolate(start_B2HW[:, :1], (height, width), mode="nearest")
            relative = torch.where(start > 0, start, relative)
        share = (initial * relative - self.min_inverse) / (self.max_inverse - self.min_inverse)
        return torch.logit(share, eps=1e-4) - self._initial_logit(1 / initial)


def _apply(layer: Any, x: torch.Tensor) -> torch.Tensor:
    if not torch.is_autocast_enabled(x.device.type):
        return layer(x)
    convolution, *rest = layer
    return _in_turn(rest, convolve(x, convolution.weight, convolution.bias))


def _apply_upsampled(
    layer: Any, x: torch.Tensor, size: tuple[int, int], skip: torch.Tensor | None
) -> torch.Tensor:
    """The layer on the map upsampled to `size` by repeating pixels, and the skip connection."""
    channels, doubled = x.shape[1], size == (2 * x.shape[2], 2 * x.shape[3])
    mixed_on_cpu = x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    if mixed_on_cpu and doubled and channels <= _WIDEST_DOUBLED and layer[0].bias is None:
        convolution, *rest = layer
        result = convolve_doubled(x, convolution.weight[:, :channels])
        if skip is not None:
            result = convolve(skip, convolution.weight[:, channels:]).add_(result)
        return _in_turn(rest, result)
    x = F.interpolate(x, size=size, mode="nearest")
    return _apply(layer, x if skip is None else torch.cat([x, skip], 1))


def _in_turn(modules: list[nn.Module], x: torch.Tensor) -> torch.Tensor:
    for module in modules:
        x = module(x)
    return x


def _logit(head: Any, x: torch.Tensor) -> torch.Tensor:
    if not torch.is_autocast_enabled(x.device.type):
        return head(x)
    to_one = convolve_to_one if x.device.type == "cpu" else convolve
    # Added in bfloat16, a bias far from 0 would leave depth in steps of a hundredth and more.
    return to_one(x, head.weight).float() + head.bias[:, None, None]


def _convolution(incoming: int, outgoing: int, norm: str) -> nn.Module:
    # Repeated borders: zeros beyond the image would draw a frame into the depth.
    convolution = nn.Conv2d(
        incoming, outgoing, 3, bias=norm == "none", padding=1, padding_mode="replicate"
    )
    if norm == "none":
        return nn.Sequential(convolution, nn.ELU(inplace=True))
    layer = nn.BatchNorm2d(outgoing) if norm == "batch" else group_norm(outgoing)
    return nn.Sequential(convolution, layer, nn.ReLU(inplace=True))


def _head(incoming: int, logit: float | None) -> nn.Module:
    head = nn.Conv2d(incoming, 1, 3, padding=1, padding_mode="replicate")
    if logit is not None:
        # Nearly flat at the start: the first steps then move the level and the large shape instead
        # of undoing random relief.
        nn.init.normal_(head.weight, std=0.1 / math.sqrt(9 * incoming))
        nn.init.constant_(head.get_parameter("bias"), logit)
    return head
