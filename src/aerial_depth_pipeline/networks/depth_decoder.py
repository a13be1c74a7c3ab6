"""From feature maps to inverse depth at several scales."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from aerial_depth_pipeline.networks.normalisation import group_norm
from aerial_depth_pipeline.networks.settings import NetworkSettings


class DepthDecoder(nn.Module):
    """A U-shaped decoder with skips: inverse depth at full size, half, quarter, …

    The sigmoid's range is mapped to inverse depth between 1 / max_depth and 1 / min_depth, as in Godard et al., Digging into
    Self-Supervised Monocular Depth Estimation, ICCV 2019.
    """

    def __init__(self, channels: list[int], reductions: list[int], settings: NetworkSettings) -> None:
        super().__init__()
        self.scales = settings.scales
        self.min_inverse, self.max_inverse = 1 / settings.max_depth, 1 / settings.min_depth
        skips = {int(math.log2(reduction)): index for index, reduction in enumerate(reductions)}
        deepest = max(skips)
        widths = list(settings.decoder_channels)
        widths += [widths[-1]] * (deepest - len(widths))
        self.skip_of_level = [skips.get(level, -1) for level in range(deepest)]
        self.before, self.after, self.heads = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        incoming = channels[skips[deepest]]
        for level in reversed(range(deepest)):
            skip = channels[skips[level]] if level in skips else 0
            self.before[str(level)] = _layer(incoming, widths[level], settings.decoder_norm)
            self.after[str(level)] = _layer(widths[level] + skip, widths[level], settings.decoder_norm)
            incoming = widths[level]
            if level < self.scales:
                self.heads[str(level)] = _head(incoming, self._initial_logit(settings.initial_depth))

    def _initial_logit(self, depth: float | None) -> float | None:
        if depth is None:
            return None
        share = (1 / depth - self.min_inverse) / (self.max_inverse - self.min_inverse)
        return math.log(share / (1 - share))

    def forward(self, features: list[torch.Tensor], size: tuple[int, int], only_finest: bool = False) -> list[torch.Tensor]:
        """Inverse depth [B, 1, H / 2^s, W / 2^s] for s = 0, 1, …, finest first, float32, of an image of `size` (height, width).

        `only_finest` computes the first alone.
        """
        maps = {}
        x = features[-1]
        for level in reversed(range(len(self.skip_of_level))):
            x = self.before[str(level)](x)
            x = F.interpolate(x, size=(math.ceil(size[0] / 2**level), math.ceil(size[1] / 2**level)), mode="nearest")
            if self.skip_of_level[level] >= 0:
                x = torch.cat([x, features[self.skip_of_level[level]]], 1)
            x = self.after[str(level)](x)
            if level < self.scales and (level == 0 or not only_finest):
                share = torch.sigmoid(self.heads[str(level)](x).float())
                maps[level] = self.min_inverse + (self.max_inverse - self.min_inverse) * share
        return [maps[level] for level in sorted(maps)]


class _Convolution(nn.Conv2d):
    """A 3x3 convolution that repeats the picture's border: zeros beyond it would draw a frame into the depth."""

    def __init__(self, incoming: int, outgoing: int, bias: bool = True) -> None:
        super().__init__(incoming, outgoing, 3, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Autocast would pad in float32: two copies of every feature map, a tenth of a training step.
        with torch.autocast(x.device.type, enabled=False):
            padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return super().forward(padded)


def _layer(incoming: int, outgoing: int, norm: str) -> nn.Module:
    if norm != "none":
        layer = nn.BatchNorm2d(outgoing) if norm == "batch" else group_norm(outgoing)
        return nn.Sequential(_Convolution(incoming, outgoing, bias=False), layer, nn.ReLU(inplace=True))
    return nn.Sequential(_Convolution(incoming, outgoing), nn.ELU(inplace=True))


def _head(incoming: int, logit: float | None) -> nn.Module:
    head = _Convolution(incoming, 1)
    if logit is not None:
        # Nearly flat at the start: the first steps then move the level and the large shape instead of undoing random relief.
        nn.init.normal_(head.weight, std=0.1 / math.sqrt(9 * incoming))
        nn.init.constant_(head.bias, logit)
    return head
