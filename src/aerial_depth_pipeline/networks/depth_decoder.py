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
            self.after[str(level)] = _layer(widths[level] + skip, widths[level], settings.decoder_norm, _EnlargingConvolution)
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
            skip = features[self.skip_of_level[level]] if self.skip_of_level[level] >= 0 else None
            enlarging, *rest = self.after[str(level)]
            x = enlarging(x, skip, (math.ceil(size[0] / 2**level), math.ceil(size[1] / 2**level)))
            for module in rest:
                x = module(x)
            if level < self.scales and (level == 0 or not only_finest):
                share = torch.sigmoid(self.heads[str(level)](x).float())
                maps[level] = self.min_inverse + (self.max_inverse - self.min_inverse) * share
        return [maps[level] for level in sorted(maps)]


class _Convolution(nn.Conv2d):
    """A 3x3 convolution that repeats the picture's border: zeros beyond it would draw a frame into the depth."""

    def __init__(self, incoming: int, outgoing: int, bias: bool = True) -> None:
        super().__init__(incoming, outgoing, 3, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(_with_border(x))


class _EnlargingConvolution(_Convolution):
    """The same of maps enlarged to `size` by repeating pixels, with the skip's maps behind them."""

    def forward(self, x: torch.Tensor, skip: torch.Tensor | None, size: tuple[int, int]) -> torch.Tensor:
        # For training on a CPU; elsewhere, and in what is exported, the plain form is as good.
        doubled = size == (2 * x.shape[-2], 2 * x.shape[-1])
        if doubled and x.device.type == "cpu" and self.training and torch.is_grad_enabled():
            return self._doubled(x, skip)
        x = F.interpolate(x, size=size, mode="nearest")
        return super().forward(x if skip is None else torch.cat([x, skip], 1))

    def _doubled(self, x: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
        """Four ninths of the multiplications: of a window's nine repeated pixels only four differ, and which depends on the row and column
        being even or odd."""
        incoming = x.shape[1]
        taps = self.weight.new_tensor([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])  # [even or odd, small pixel, tap of the kernel]
        with torch.autocast("cpu", enabled=False):
            kernels = torch.einsum("pur,qvs,oirs->pqoiuv", taps, taps, self.weight[:, :incoming]).flatten(0, 2)
        result = _Interleave.apply(F.conv2d(_with_border(x), kernels))
        if skip is not None:
            result = result + F.conv2d(_with_border(skip), self.weight[:, incoming:])
        return result if self.bias is None else result + self.bias[:, None, None]


class _Interleave(torch.autograd.Function):
    """[B, 4 C, H + 1, W + 1] to [B, C, 2 H, 2 W]: the pixels of even and odd rows and columns, each from its own quarter and offset."""

    @staticmethod
    def forward(ctx, x):
        quarters, ctx.shape = x.unflatten(1, (2, 2, -1)), x.shape
        height, width = x.shape[-2] - 1, x.shape[-1] - 1
        result = x.new_empty(len(x), x.shape[1] // 4, 2 * height, 2 * width).contiguous(memory_format=torch.channels_last)
        for p in (0, 1):
            for q in (0, 1):
                result[..., p::2, q::2] = quarters[:, p, q, :, p : p + height, q : q + width]
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        height, width = ctx.shape[-2] - 1, ctx.shape[-1] - 1
        result = gradient.new_zeros(ctx.shape).contiguous(memory_format=torch.channels_last)
        quarters = result.unflatten(1, (2, 2, -1))
        for p in (0, 1):
            for q in (0, 1):
                quarters[:, p, q, :, p : p + height, q : q + width] = gradient[..., p::2, q::2]
        return result


def _with_border(x: torch.Tensor) -> torch.Tensor:
    # Autocast would pad in float32: two copies of every feature map, a tenth of a training step.
    with torch.autocast(x.device.type, enabled=False):
        return F.pad(x, (1, 1, 1, 1), mode="replicate")


def _layer(incoming: int, outgoing: int, norm: str, convolution: type[_Convolution] = _Convolution) -> nn.Module:
    if norm != "none":
        layer = nn.BatchNorm2d(outgoing) if norm == "batch" else group_norm(outgoing)
        return nn.Sequential(convolution(incoming, outgoing, bias=False), layer, nn.ReLU(inplace=True))
    return nn.Sequential(convolution(incoming, outgoing), nn.ELU(inplace=True))


def _head(incoming: int, logit: float | None) -> nn.Module:
    head = _Convolution(incoming, 1)
    if logit is not None:
        # Nearly flat at the start: the first steps then move the level and the large shape instead of undoing random relief.
        nn.init.normal_(head.weight, std=0.1 / math.sqrt(9 * incoming))
        nn.init.constant_(head.bias, logit)
    return head
