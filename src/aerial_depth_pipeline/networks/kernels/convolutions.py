"""The decoder's 3x3 convolutions with repeated borders, in the forms that are cheapest in bfloat16
on a CPU.

Each takes images [B, C, H, W] in channels-last order and the weight [O, C, 3, 3] of `conv2d`, and
equals the plain `convolve` up to rounding.
"""

from typing import Any

import torch
import torch.nn.functional as F


def padded(x_BCHW: torch.Tensor) -> torch.Tensor:
    """The image with its border repeated once [B, C, H + 2, W + 2]."""
    # Autocast would copy every feature map in float32: a tenth of a training step.
    with torch.autocast(x_BCHW.device.type, enabled=False):
        return F.pad(x_BCHW, (1, 1, 1, 1), mode="replicate")


def convolve(
    x_BCHW: torch.Tensor, weight_OC33: torch.Tensor, bias_O: torch.Tensor | None = None
) -> torch.Tensor:
    """The plain convolution [B, O, H, W]."""
    return F.conv2d(padded(x_BCHW), weight_OC33, bias_O)


def convolve_doubled(x_BCHW: torch.Tensor, weight_OC33: torch.Tensor) -> torch.Tensor:
    """The convolution [B, O, 2 H, 2 W] of the image upsampled by repeating pixels, for four ninths
    of the products: `convolve(interpolate(x, scale_factor=2), weight)`.

    A window there sees at most two pixels of each row and column. So four 2x2 windows of the image
    itself, with the weights of the same pixel added, give the four outputs in a pixel's place.
    """
    # [b, a, O, C, 2, 2], for row a and column b within a pixel's place
    weight = _added(_added(weight_OC33, 2), 4).transpose(0, 1).flatten(0, 2)
    weight = weight.contiguous(memory_format=torch.channels_last)
    return _Interleaved.apply(F.conv2d(padded(x_BCHW), weight))


def _added(weight: torch.Tensor, axis: int) -> torch.Tensor:
    """Three weights along an axis become two for the first copy of a pixel, which sees the pixel
    before, and two for the second."""
    before, at, after = weight.split(1, axis)
    first, second = (before, at + after), (before + at, after)
    return torch.stack([torch.cat(first, axis), torch.cat(second, axis)])


class _Interleaved(torch.autograd.Function):
    """The image [B, O, 2 H, 2 W] of the windows' outputs [B, 4 O, H + 1, W + 1]."""

    @staticmethod
    def forward(ctx: Any, places: torch.Tensor) -> torch.Tensor:
        places = places.permute(0, 2, 3, 1).unflatten(3, (2, 2, -1))
        batch, height, width, *_, channels = places.shape
        image = places.new_empty(batch, height - 1, 2, width - 1, 2, channels)
        for a in range(2):
            for b in range(2):
                image[:, :, a, :, b] = places[:, a : a + height - 1, b : b + width - 1, a, b]
        return image.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.permute(0, 2, 3, 1).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
        batch, height, _, width, _, channels = gradient.shape
        places = gradient.new_zeros(batch, height + 1, width + 1, 2, 2, channels)
        for a in range(2):
            for b in range(2):
                places[:, a : a + height, b : b + width, a, b] = gradient[:, :, a, :, b]
        return places.flatten(3).permute(0, 3, 1, 2)


def convolve_to_one(x_BCHW: torch.Tensor, weight_1C33: torch.Tensor) -> torch.Tensor:
    """The convolution [B, 1, H, W] to a single channel, in float32: matrix products, where `conv2d`
    works for sixteen channels."""
    device, dtype = x_BCHW.device.type, x_BCHW.dtype
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    with torch.autocast(device, enabled=False):
        return _ToOne.apply(x_BCHW.to(dtype), weight_1C33[0].flatten(1).T.to(dtype))


class _ToOne(torch.autograd.Function):
    """Nine weighted sums of the channels, each shifted to the window's middle, and added."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight_9C: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # [B, H W, C]
        ctx.save_for_backward(pixels, weight_9C)
        sums = (weight_9C @ pixels.transpose(1, 2)).unflatten(2, (height, width))
        sums = padded(sums.to(_exact(x.dtype)))
        total = sums[:, 0, :height, :width].clone()
        for place in range(1, 9):
            row, column = divmod(place, 3)
            total += sums[:, place, row : row + height, column : column + width]
        return total[:, None]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pixels, weight = ctx.saved_tensors
        batch, _, height, width = gradient.shape
        sums = gradient.new_zeros(batch, 9, height + 2, width + 2)
        for place in range(9):
            row, column = divmod(place, 3)
            sums[:, place, row : row + height, column : column + width] = gradient[:, 0]
        for border, beside in ((0, 1), (-1, -2)):  # a repeated pixel's gradient is its original's
            sums[:, :, beside] += sums[:, :, border]
            sums[..., beside] += sums[..., border]
        sums = sums[:, :, 1:-1, 1:-1].to(pixels.dtype).flatten(2)
        to_x = (sums.transpose(1, 2) @ weight).unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return to_x, (sums @ pixels).to(_exact(pixels.dtype)).sum(0).to(weight.dtype)


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
