"""The terms of the self-supervised loss: pure functions of tensors.

Images lie in 0..1. Shape suffixes: B batch, S sources, C channels, H height, W width.
"""

import functools
from dataclasses import dataclass

import torch

from aerial_depth_pipeline.geometry.warping import reproject, sample
from aerial_depth_pipeline.training.compiling import compiled

SSIM_WINDOW = 3


def interior(image_BCHW: torch.Tensor) -> torch.Tensor:
    """The part [B, C, H - 2, W - 2] of an image at which 3x3 windows are centred."""
    return image_BCHW[..., 1:-1, 1:-1]


def box_mean(image_BCHW: torch.Tensor) -> torch.Tensor:
    """Mean over 3x3 windows [B, C, H - 2, W - 2]; rows, then columns: a third of the additions, and torch's own pooling is slower still."""
    rows = image_BCHW[..., :-2, :] + image_BCHW[..., 1:-1, :]
    rows += image_BCHW[..., 2:, :]
    columns = rows[..., :-2] + rows[..., 1:-1]
    columns += rows[..., 2:]
    return columns.mul_(1 / SSIM_WINDOW**2)


def _spread(value_BCHW: torch.Tensor) -> torch.Tensor:
    """The adjoint of `box_mean`: what windows [B, C, H, W] say, handed to their pixels [B, C, H + 2, W + 2]."""
    return box_mean(torch.nn.functional.pad(value_BCHW, (2, 2, 2, 2)))


@dataclass
class _Similarity:
    """SSIM of y to x over 3x3 windows, and what its derivatives are made of.

    With the windows' means, variances and covariance it is p q, where p = (2 mx my + c1) / d1, d1 = mx^2 + my^2 + c1, compares brightness
    and q = (2 cov + c2) / d2, d2 = var x + var y + c2, compares structure.
    """

    mean_x: torch.Tensor
    mean_y: torch.Tensor
    p: torch.Tensor
    q: torch.Tensor
    d1: torch.Tensor
    d2: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, y: torch.Tensor, value_range: float) -> "_Similarity":
        c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
        mean_x, mean_y = box_mean(x), box_mean(y)
        product = mean_x * mean_y
        squares = mean_x.square() + mean_y.square()
        q = box_mean(x * y).sub_(product).mul_(2).add_(c2)
        d2 = box_mean(y.square()).add_(box_mean(x.square())).sub_(squares).add_(c2)
        d1 = squares.add_(c1)
        return cls(mean_x, mean_y, product.mul_(2).add_(c1).div_(d1), q.div_(d2), d1, d2)

    def gradient(self, x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to y of the sum of `weight` [B, 1, H - 2, W - 2] x SSIM, by way of the windows' means of y, y^2 and x y."""
        structure = (self.p / self.d2).mul_(weight)
        brightness = (self.q / self.d1).mul_(weight)
        to_mean = torch.addcmul(self.mean_x, self.mean_y, self.p, value=-1).mul_(brightness)
        to_mean.add_(torch.addcmul(-self.mean_x, self.mean_y, self.q).mul_(structure))
        result = _spread(to_mean)
        result.addcmul_(x, _spread(structure))
        return result.addcmul_(y, _spread(structure.mul_(self.q)), value=-1).mul_(2)


def ssim(x_BCHW: torch.Tensor, y_BCHW: torch.Tensor, value_range: float = 1.0) -> torch.Tensor:
    """Structural similarity [B, C, H - 2, W - 2] over 3x3 windows; 1 where the images agree. Without a gradient.

    Args:
        x_BCHW, y_BCHW: images; `x_BCHW` broadcasts over leading dimensions of `y_BCHW`.
        value_range: distance from black to white.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP 2004.
    """
    with torch.no_grad():
        similarity = _Similarity.of(x_BCHW, y_BCHW, value_range)
        return similarity.p * similarity.q


def _error(
    prediction: torch.Tensor, target: torch.Tensor, ssim_weight: float, value_range: float
) -> tuple[torch.Tensor, _Similarity | None]:
    channels = prediction.shape[-3]
    error, similarity = 0, None
    if ssim_weight > 0:
        similarity = _Similarity.of(target, prediction, value_range)
        # Between -1 and 1 by Cauchy and Schwarz; rounding alone could leave the range.
        error = (0.5 * ssim_weight) - (0.5 * ssim_weight / channels) * (similarity.p * similarity.q).sum(-3, keepdim=True)
        error.clamp_(min=0)
    if ssim_weight < 1:
        difference = interior(prediction) - interior(target)
        error = error + (1 - ssim_weight) / channels * difference.abs_().sum(-3, keepdim=True)
    return error, similarity


def _gradient(
    gradient: torch.Tensor, prediction: torch.Tensor, target: torch.Tensor, ssim_weight: float, similarity: _Similarity | None
) -> torch.Tensor:
    """Gradient with respect to the prediction, from that with respect to its error."""
    channels = prediction.shape[-3]
    if similarity is None:
        result = torch.zeros_like(prediction)
    else:
        result = similarity.gradient(target, prediction, gradient * (-0.5 * ssim_weight / channels))
    if ssim_weight < 1:
        sign = (interior(prediction) - interior(target)).sign_()
        interior(result).addcmul_(sign, gradient * ((1 - ssim_weight) / channels))
    return result


def _error_alone(prediction, target, ssim_weight, value_range):
    return _error(prediction, target, ssim_weight, value_range)[0]


def _gradient_anew(gradient, prediction, target, ssim_weight, value_range):
    similarity = _Similarity.of(target, prediction, value_range) if ssim_weight > 0 else None
    return _gradient(gradient, prediction, target, ssim_weight, similarity)


class _PhotometricError(torch.autograd.Function):
    """The photometric error with its gradient by hand: a third of the passes over memory that automatic differentiation makes."""

    @staticmethod
    def forward(ctx, prediction, target, ssim_weight, value_range, fast):
        ctx.similarity, ctx.constants, ctx.fast = None, (ssim_weight, value_range), fast
        ctx.save_for_backward(prediction, target)
        if fast:
            return compiled(_error_alone)(prediction, target, ssim_weight, value_range)
        error, ctx.similarity = _error(prediction, target, ssim_weight, value_range)
        return error

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        prediction, target = ctx.saved_tensors
        if ctx.fast:
            # Computing the windows once more is faster than reading them from memory.
            result = compiled(_gradient_anew)(gradient, prediction, target, *ctx.constants)
        else:
            result = _gradient(gradient, prediction, target, ctx.constants[0], ctx.similarity)
        return result, None, None, None, None


def photometric_error(
    prediction_BCHW: torch.Tensor,
    target_BCHW: torch.Tensor,
    ssim_weight: float = 0.85,
    value_range: float = 1.0,
    fast: bool = False,
) -> torch.Tensor:
    """Error [B, 1, H - 2, W - 2]: `ssim_weight` x (1 - SSIM) / 2 + the rest x absolute difference, mean over channels.

    `target_BCHW` broadcasts over leading dimensions of `prediction_BCHW`, so that its windows are summed only once for all warps. It is
    fixed: only the prediction has a gradient. `fast` makes one loop of all passes, by torch.compile.

    Source: Godard et al., Unsupervised Monocular Depth Estimation with Left-Right Consistency, CVPR 2017, equation 2.
    """
    return _PhotometricError.apply(prediction_BCHW, target_BCHW, ssim_weight, value_range, fast)


def minimum_over_sources(error_BSHW: torch.Tensor, usable_BSHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest error [B, H, W] over the sources that may be used, 0 where none may, and the mask [B, H, W] where one may.

    Source: Godard et al., Digging into Self-Supervised Monocular Depth Estimation, ICCV 2019, section 3.2.
    """
    # Pair by pair: with a handful of sources that is faster than a reduction.
    smallest = functools.reduce(torch.minimum, error_BSHW.masked_fill(~usable_BSHW, torch.inf).unbind(1))
    any_usable = functools.reduce(torch.logical_or, usable_BSHW.unbind(1))
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
    # Counting is many times as fast as the sum of a mask, which becomes 64-bit integers first.
    return (value_BHW * mask_BHW).sum() / mask_BHW.count_nonzero().clamp_min(1)


def guide_loss(inverse_depth_B1HW: torch.Tensor, guide_B1HW: torch.Tensor) -> torch.Tensor:
    """Mean absolute logarithm (a scalar) of the ratio of inverse depth to its guide, over the pixels where the guide is not 0.

    The prediction is brought to the guide's size.
    """
    predicted = torch.nn.functional.interpolate(inverse_depth_B1HW, guide_B1HW.shape[-2:], mode="bilinear", align_corners=False)
    known = guide_B1HW > 0
    ratio = predicted / torch.where(known, guide_B1HW, torch.ones_like(guide_B1HW))
    return masked_mean(ratio.log().abs(), known)


def robust_weight(error_BHW: torch.Tensor, mask_BHW: torch.Tensor, tolerance: float) -> torch.Tensor:
    """Weights [B, H, W] in 0..1, without a gradient: 1 for no error, a half for `tolerance` times the image's median error, less beyond.

    What moves by itself fits no depth; it stands out by its error and would otherwise pull the depth to where it explains the motion best.

    Args:
        error_BHW: photometric error.
        mask_BHW: the pixels whose median counts; an image without any keeps its weights.

    Source: the weight of a Lorentzian error, Black and Rangarajan, On the Unification of Line Processes, Outlier Rejection, and Robust
    Statistics with Applications in Early Vision, IJCV 1996.
    """
    with torch.no_grad():
        typical = error_BHW.masked_fill(~mask_BHW, torch.nan).flatten(1).nanmedian(1).values
        limit = (tolerance * torch.nan_to_num(typical, nan=torch.inf)).clamp_min(1e-6)
        return 1 / (1 + (error_BHW / limit[:, None, None]).square())


def depth_inconsistency(
    depth_B1HW: torch.Tensor, source_depth_B1HW: torch.Tensor, K_B33: torch.Tensor, T_source_from_target_B44: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """How much two frames disagree about the same points: difference over sum of their depths [B, H, W] in 0..1, 0 where they agree.

    Args:
        depth_B1HW: z-depth of the target.
        source_depth_B1HW: z-depth of the source.
        T_source_from_target_B44: in the unit of depth.

    Returns:
        The disagreement, and the mask [B, H, W] of the target's pixels that the source saw.

    Source: Bian et al., Unsupervised Scale-consistent Depth and Ego-motion Learning from Monocular Video, NeurIPS 2019, equation 3.
    """
    pixels, there_B1HW, inside = reproject(depth_B1HW, K_B33, T_source_from_target_B44)
    seen_B1HW = sample(source_depth_B1HW, pixels)
    disagreement = (there_B1HW - seen_B1HW).abs() / (there_B1HW.abs() + seen_B1HW)
    return disagreement[:, 0], inside[:, 0]


def sparse_point_loss(inverse_B1HW: torch.Tensor, points_BN3: torch.Tensor, K_B33: torch.Tensor) -> torch.Tensor:
    """Mean absolute logarithm (a scalar) of the ratio of depth to that of known points, freed of its median in each picture.

    The median takes the unit away, which structure from motion need not share with the given poses.

    Args:
        inverse_B1HW: inverse depth of the target.
        points_BN3: points in the target camera's axes; z of 0 where there is none. Those outside of the picture do not count.
        K_B33: calibration in pixels at that size.
    """
    height, width = inverse_B1HW.shape[-2:]
    z = points_BN3[..., 2]
    image = points_BN3 @ K_B33.transpose(1, 2)
    pixels = image[..., :2] / z.clamp_min(1e-9)[..., None]
    size = pixels.new_tensor([width, height])
    inside = (z > 0) & ((pixels >= 0) & (pixels <= size)).all(-1)
    predicted = sample(inverse_B1HW, pixels.transpose(1, 2)[:, :, None])[:, 0, 0]
    ratio = torch.log(predicted.clamp_min(1e-9) * torch.where(inside, z, torch.ones_like(z)))
    middle = torch.where(inside, ratio, torch.nan).nanmedian(1, keepdim=True).values.detach()
    return masked_mean((ratio - middle.nan_to_num()).abs(), inside)


def pose_difference(T_BS44: torch.Tensor, given_BS44: torch.Tensor, usable_BS: torch.Tensor, depth: float) -> torch.Tensor:
    """How far predicted poses are from given ones (a scalar), as a share of the given step's length, over the pairs that may be trusted.

    A wrong rotation counts by how far it moves what lies at `depth`, in the unit of the translations.
    """
    difference = T_BS44 - given_BS44
    moved = difference[..., :3, 3].norm(dim=-1) + depth * difference[..., :3, :3].flatten(2).norm(dim=-1) / 2**0.5
    return masked_mean(moved / given_BS44[..., :3, 3].norm(dim=-1).clamp_min(1e-6), usable_BS)
