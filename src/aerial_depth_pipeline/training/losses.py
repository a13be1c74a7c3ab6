"""The terms of the self-supervised loss: pure functions of tensors.

Images lie in 0..1. Shape suffixes: B batch, S sources, C channels, H height, W width.
"""

import torch

SSIM_WINDOW = 3


class _Box(torch.autograd.Function):
    """Sum over 3x3 windows without padding. Its adjoint is the same sum over the padded gradient, much cheaper than torch's own."""

    @staticmethod
    def forward(ctx, x):
        return _box_sum(x)

    @staticmethod
    def backward(ctx, gradient):
        return _box_sum(torch.nn.functional.pad(gradient, (2, 2, 2, 2)))


def _box_sum(x: torch.Tensor) -> torch.Tensor:
    rows = x[..., :-2, :] + x[..., 1:-1, :]
    rows += x[..., 2:, :]
    columns = rows[..., :-2] + rows[..., 1:-1]
    columns += rows[..., 2:]
    return columns


def box_mean(image_BCHW: torch.Tensor) -> torch.Tensor:
    """Mean over 3x3 windows [B, C, H - 2, W - 2]."""
    return _Box.apply(image_BCHW) / SSIM_WINDOW**2


def interior(image_BCHW: torch.Tensor) -> torch.Tensor:
    """The part [B, C, H - 2, W - 2] of an image at which 3x3 windows are centred."""
    return image_BCHW[..., 1:-1, 1:-1]


def ssim(x_BCHW: torch.Tensor, y_BCHW: torch.Tensor, value_range: float = 1.0) -> torch.Tensor:
    """Structural similarity [B, C, H - 2, W - 2] over 3x3 windows; 1 where the images agree.

    Args:
        x_BCHW, y_BCHW: images; the batch of `x_BCHW` may be 1 or broadcast over leading dimensions of `y_BCHW`.
        value_range: distance from black to white.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP 2004.
    """
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    mean_x, mean_y = box_mean(x_BCHW), box_mean(y_BCHW)
    xx, yy, xy = mean_x * mean_x, mean_y * mean_y, mean_x * mean_y
    variance_x = box_mean(x_BCHW * x_BCHW) - xx
    variance_y = box_mean(y_BCHW * y_BCHW) - yy
    covariance = box_mean(x_BCHW * y_BCHW) - xy
    return ((2 * xy + c1) * (2 * covariance + c2)) / ((xx + yy + c1) * (variance_x + variance_y + c2))


def photometric_error(
    prediction_BCHW: torch.Tensor, target_BCHW: torch.Tensor, ssim_weight: float = 0.85, value_range: float = 1.0
) -> torch.Tensor:
    """Error [B, 1, H - 2, W - 2]: `ssim_weight` x (1 - SSIM) / 2 + the rest x absolute difference, mean over channels.

    `target_BCHW` broadcasts over leading dimensions of `prediction_BCHW`, so that its windows are summed only once for all warps.

    Source: Godard et al., Unsupervised Monocular Depth Estimation with Left-Right Consistency, CVPR 2017, equation 2.
    """
    error = 0
    if ssim_weight < 1:
        error = (1 - ssim_weight) * interior(prediction_BCHW - target_BCHW).abs().mean(-3, keepdim=True)
    if ssim_weight > 0:
        dissimilarity = ((1 - ssim(target_BCHW, prediction_BCHW, value_range)) / 2).clamp(0, 1)
        error = error + ssim_weight * dissimilarity.mean(-3, keepdim=True)
    return error


def minimum_over_sources(error_BSHW: torch.Tensor, usable_BSHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest error [B, H, W] over the sources that may be used, 0 where none may, and the mask [B, H, W] where one may.

    Source: Godard et al., Digging into Self-Supervised Monocular Depth Estimation, ICCV 2019, section 3.2.
    """
    smallest = error_BSHW.masked_fill(~usable_BSHW, torch.inf).amin(1)
    any_usable = usable_BSHW.any(1)
    return smallest.masked_fill(~any_usable, 0), any_usable


def mean_over_sources(error_BSHW: torch.Tensor, usable_BSHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean error [B, H, W] over the sources that may be used, 0 where none may, and the mask [B, H, W] where one may."""
    count = usable_BSHW.sum(1)
    return (error_BSHW * usable_BSHW).sum(1) / count.clamp_min(1), count > 0


def moving_pixels(warped_error_BHW: torch.Tensor, unwarped_error_BHW: torch.Tensor) -> torch.Tensor:
    """The auto-mask [B, H, W]: true where the warp explains a pixel better than no warp at all, so that it moves as the scene does.

    Source: Godard et al., ICCV 2019, section 3.3.
    """
    return warped_error_BHW < unwarped_error_BHW


def smoothness(inverse_depth_B1HW: torch.Tensor, image_B3HW: torch.Tensor) -> torch.Tensor:
    """Edge-aware smoothness (a scalar) of inverse depth divided by its mean, so that a smaller scene is not a smoother one.

    Source: Godard et al., ICCV 2019, equation 3.
    """
    normalised = inverse_depth_B1HW / inverse_depth_B1HW.mean((2, 3), keepdim=True).clamp_min(1e-7)
    total = 0
    for axis in (-1, -2):
        step = normalised.diff(dim=axis).abs()
        edge = image_B3HW.diff(dim=axis).abs().mean(1, keepdim=True)
        total = total + (step * torch.exp(-edge)).mean()
    return total


def masked_mean(value_BHW: torch.Tensor, mask_BHW: torch.Tensor) -> torch.Tensor:
    """Mean (a scalar) of the values where the mask is true; 0 where it is true nowhere."""
    return (value_BHW * mask_BHW).sum() / mask_BHW.sum().clamp_min(1)


def guide_loss(inverse_depth_B1HW: torch.Tensor, guide_B1HW: torch.Tensor) -> torch.Tensor:
    """Mean absolute logarithm (a scalar) of the ratio of inverse depth to its guide, over the pixels where the guide is not 0.

    The prediction is brought to the guide's size.
    """
    predicted = torch.nn.functional.interpolate(inverse_depth_B1HW, guide_B1HW.shape[-2:], mode="bilinear", align_corners=False)
    known = guide_B1HW > 0
    ratio = predicted / torch.where(known, guide_B1HW, torch.ones_like(guide_B1HW))
    return masked_mean(ratio.log().abs(), known)
