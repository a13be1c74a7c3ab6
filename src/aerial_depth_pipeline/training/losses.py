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
    """Mean over 3x3 windows [B, C, H - 2, W - 2]; rows, then columns: a third of the additions, and
    torch's own pooling is slower still."""
    rows = image_BCHW[..., :-2, :] + image_BCHW[..., 1:-1, :]
    rows += image_BCHW[..., 2:, :]
    columns = rows[..., :-2] + rows[..., 1:-1]
    columns += rows[..., 2:]
    return columns.mul_(1 / SSIM_WINDOW**2)


@dataclass
class _Similarity:
    """SSIM of y to x over 3x3 windows, and what its derivatives are made of.

    With the windows' means, variances and covariance it is n1 n2 / (d1 d2), where n1 = 2 mx my + c1
    and d1 = mx^2 + my^2 + c1 compare brightness, n2 = 2 cov + c2 and d2 = var x + var y + c2
    structure. `inverse` is 1 / (d1 d2): one division for everything.
    """

    mean_x: torch.Tensor
    mean_y: torch.Tensor
    n1: torch.Tensor
    n2: torch.Tensor
    d1: torch.Tensor
    d2: torch.Tensor
    inverse: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, y: torch.Tensor, value_range: float) -> "_Similarity":
        c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
        mean_x, mean_y = box_mean(x), box_mean(y)
        product = mean_x * mean_y
        squares = mean_x.square() + mean_y.square()
        n2 = box_mean(x * y).sub_(product).mul_(2).add_(c2)
        d2 = box_mean(x.square() + y.square()).sub_(squares).add_(c2)
        d1 = squares.add_(c1)
        return cls(mean_x, mean_y, product.mul_(2).add_(c1), n2, d1, d2, (d1 * d2).reciprocal_())

    def value(self) -> torch.Tensor:
        return (self.n1 * self.n2).mul_(self.inverse)

    def derivatives(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What each window has for its pixels: the derivative of `weight` x SSIM is the first + x
        times the second - y times the third.

        They are halves of the derivatives with respect to the windows' mean of y, mean of x y and,
        negative, mean of y^2.
        """
        weight = self.inverse * weight
        structure, brightness = self.n1 * weight, self.n2 * weight
        p, q = (self.n1 * self.inverse).mul_(self.d2), (self.n2 * self.inverse).mul_(self.d1)
        to_mean = torch.addcmul(self.mean_x, self.mean_y, p, value=-1).mul_(brightness)
        to_mean.add_(torch.addcmul(-self.mean_x, self.mean_y, q).mul_(structure))
        return to_mean, structure, q.mul_(structure)


def ssim(x_BCHW: torch.Tensor, y_BCHW: torch.Tensor, value_range: float = 1.0) -> torch.Tensor:
    """Structural similarity [B, C, H - 2, W - 2] over 3x3 windows; 1 where the images agree.
    Without a gradient.

    Args:
        x_BCHW, y_BCHW: images; `x_BCHW` broadcasts over leading dimensions of `y_BCHW`.
        value_range: distance from black to white.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity,
        IEEE TIP 2004.
    """
    with torch.no_grad():
        return _Similarity.of(x_BCHW, y_BCHW, value_range).value()


def _error(
    prediction: torch.Tensor, target: torch.Tensor, ssim_weight: float, value_range: float
) -> tuple[torch.Tensor, _Similarity | None]:
    channels = prediction.shape[-3]
    error, similarity = 0, None
    if ssim_weight > 0:
        similarity = _Similarity.of(target, prediction, value_range)
        # Between -1 and 1 by Cauchy and Schwarz; rounding alone could leave the range.
        error = (0.5 * ssim_weight) - (0.5 * ssim_weight / channels) * similarity.value().sum(
            -3, keepdim=True
        )
        error.clamp_(min=0)
    if ssim_weight < 1:
        difference = interior(prediction) - interior(target)
        error = error + (1 - ssim_weight) / channels * difference.abs_().sum(-3, keepdim=True)
    return error, similarity


def _derivatives(
    gradient: torch.Tensor, similarity: _Similarity, ssim_weight: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return similarity.derivatives(gradient * (-ssim_weight / similarity.n1.shape[-3]))


def _gradient(
    gradient: torch.Tensor,
    prediction: torch.Tensor,
    target: torch.Tensor,
    ssim_weight: float,
    derivatives: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    """Gradient with respect to the prediction, from that with respect to its error and the windows'
    derivatives, both padded by 2.

    The mean over windows is its own adjoint: what windows have for their pixels is summed as the
        pixels of a window are.
    """
    result = torch.zeros_like(prediction)
    if derivatives is not None:
        to_mean, to_product, to_square = (box_mean(d) for d in derivatives)
        result = to_mean.addcmul_(target, to_product).addcmul_(prediction, to_square, value=-1)
    if ssim_weight < 1:
        result.addcmul_(
            (prediction - target).sign_(),
            interior(gradient),
            value=(1 - ssim_weight) / prediction.shape[-3],
        )
    return result


def _padded(window_map: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pad(window_map, (2, 2, 2, 2))


def _error_alone(prediction, target, ssim_weight, value_range):
    return _error(prediction, target, ssim_weight, value_range)[0]


def _derivatives_anew(gradient, prediction, target, ssim_weight, value_range):
    return _derivatives(gradient, _Similarity.of(target, prediction, value_range), ssim_weight)


class _PhotometricError(torch.autograd.Function):
    """The photometric error with its gradient by hand: a third of the passes over memory that
    automatic differentiation makes."""

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
        ssim_weight, derivatives, padded = ctx.constants[0], None, _padded(gradient)
        if ctx.fast and ssim_weight > 0:
            # Computing the windows once more is faster than reading them from memory, and padding
            # the pictures than padding what follows.
            derivatives = compiled(_derivatives_anew)(
                padded, _padded(prediction), _padded(target), *ctx.constants
            )
        elif ssim_weight > 0:
            derivatives = tuple(
                _padded(d) for d in _derivatives(gradient, ctx.similarity, ssim_weight)
            )
        gradient_of = compiled(_gradient) if ctx.fast else _gradient
        return (
            gradient_of(padded, prediction, target, ssim_weight, derivatives),
            None,
            None,
            None,
            None,
        )


def photometric_error(
    prediction_BCHW: torch.Tensor,
    target_BCHW: torch.Tensor,
    ssim_weight: float = 0.85,
    value_range: float = 1.0,
    fast: bool = False,
) -> torch.Tensor:
    """Error [B, 1, H - 2, W - 2]: `ssim_weight` x (1 - SSIM) / 2 + the rest x absolute difference,
    mean over channels.

    `target_BCHW` broadcasts over leading dimensions of `prediction_BCHW`, so that its windows are
    summed only once for all warps. It is
    fixed: only the prediction has a gradient. `fast` makes one loop of all passes, by
        torch.compile.

    Source: Godard et al., Unsupervised Monocular Depth Estimation with Left-Right Consistency, CVPR
        2017, equation 2.
    """
    return _PhotometricError.apply(prediction_BCHW, target_BCHW, ssim_weight, value_range, fast)


class _Smallest(torch.autograd.Function):
    """The smallest error over the usable sources; all of its gradient goes to that source, the
    first of equals."""

    @staticmethod
    def forward(ctx, error, usable):
        # Pair by pair: with a handful of sources that is faster than a reduction.
        candidates = error.masked_fill(~usable, torch.inf).unbind(1)
        smallest, nearer = candidates[0], []
        for candidate in candidates[1:]:
            nearer.append(candidate < smallest)
            smallest = torch.minimum(smallest, candidate)
        any_usable = functools.reduce(torch.logical_or, usable.unbind(1))
        ctx.save_for_backward(any_usable, *nearer)
        ctx.mark_non_differentiable(any_usable)
        return smallest.masked_fill(~any_usable, 0), any_usable

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient, _):
        any_usable, *nearer = ctx.saved_tensors
        rest = gradient * _as_numbers(any_usable)
        result = rest.new_empty((len(rest), len(nearer) + 1, *rest.shape[1:]))
        for s in range(len(nearer), 0, -1):
            torch.mul(rest, _as_numbers(nearer[s - 1]), out=result[:, s])
            rest -= result[:, s]
        result[:, 0] = rest
        return result, None


def _as_numbers(mask: torch.Tensor) -> torch.Tensor:
    """A mask's memory as 0 and 1, which torch turns into other numbers many times as fast as it
    does a mask."""
    return mask.view(torch.uint8)


def minimum_over_sources(
    error_BSHW: torch.Tensor, usable_BSHW: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest error [B, H, W] over the sources that may be used, 0 where none may, and the
    mask [B, H, W] where one may.

    Source: Godard et al., Digging into Self-Supervised Monocular Depth Estimation, ICCV 2019,
        section 3.2.
    """
    return _Smallest.apply(error_BSHW, usable_BSHW)


def mean_over_sources(
    error_BSHW: torch.Tensor, usable_BSHW: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean error [B, H, W] over the sources that may be used, 0 where none may, and the mask
    [B, H, W] where one may."""
    count = usable_BSHW.sum(1)
    return (error_BSHW * usable_BSHW).sum(1) / count.clamp_min(1), count > 0


def moving_pixels(warped_error_BHW: torch.Tensor, unwarped_error_BHW: torch.Tensor) -> torch.Tensor:
    """The auto-mask [B, H, W]: true where the warp explains a pixel better than no warp at all, so
    that it moves as the scene does.

    Source: Godard et al., ICCV 2019, section 3.3.
    """
    return warped_error_BHW < unwarped_error_BHW


def smoothness(inverse_depth_B1HW: torch.Tensor, image_B3HW: torch.Tensor) -> torch.Tensor:
    """Edge-aware smoothness (a scalar) of inverse depth divided by its mean, so that a smaller
    scene is not a smoother one.

    Source: Godard et al., ICCV 2019, equation 3.
    """
    normalised = inverse_depth_B1HW / inverse_depth_B1HW.mean((2, 3), keepdim=True).clamp_min(1e-7)
    total = 0
    for axis in (-1, -2):
        step = normalised.diff(dim=axis).abs()
        edge = image_B3HW.diff(dim=axis).abs().mean(1, keepdim=True)
        total = total + (step * torch.exp(-edge)).mean()
    return total


def enlarged(map_B1HW: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A map at another size, bilinear, as `interpolate` does without aligned corners; as two
    products of matrices, three times as fast."""
    if map_B1HW.shape[-2:] == (height, width):
        return map_B1HW
    rows, columns = (
        _interpolation(old, new, map_B1HW.device, map_B1HW.dtype)
        for old, new in zip(map_B1HW.shape[-2:], (height, width), strict=True)
    )
    return rows.T @ (map_B1HW @ columns)


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)  # what a validation makes, a training must be able to use
def _interpolation(old: int, new: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """What `old` values contribute to `new` ones between them [old, new]."""
    each = torch.eye(old, device=device, dtype=dtype)[None]
    return torch.nn.functional.interpolate(each, size=new, mode="linear", align_corners=False)[0]


def masked_mean(value_BHW: torch.Tensor, mask_BHW: torch.Tensor) -> torch.Tensor:
    """Mean (a scalar) of the values where the mask is true; 0 where it is true nowhere."""
    # Counting is many times as fast as the sum of a mask, which becomes 64-bit integers first.
    return (value_BHW * _as_numbers(mask_BHW)).sum() / mask_BHW.count_nonzero().clamp_min(1)


def guide_loss(inverse_depth_B1HW: torch.Tensor, guide_B1HW: torch.Tensor) -> torch.Tensor:
    """Mean absolute logarithm (a scalar) of the ratio of inverse depth to its guide, over the
    pixels where the guide is not 0.

    The prediction is brought to the guide's size.
    """
    predicted = torch.nn.functional.interpolate(
        inverse_depth_B1HW, guide_B1HW.shape[-2:], mode="bilinear", align_corners=False
    )
    known = guide_B1HW > 0
    ratio = predicted / torch.where(known, guide_B1HW, torch.ones_like(guide_B1HW))
    return masked_mean(ratio.log().abs(), known)


def robust_weight(
    error_BHW: torch.Tensor, mask_BHW: torch.Tensor, tolerance: float
) -> torch.Tensor:
    """Weights [B, H, W] in 0..1, without a gradient: 1 for no error, a half for `tolerance` times
    the image's median error, less beyond.

    What moves by itself fits no depth; it stands out by its error and would otherwise pull the
    depth to where it explains the motion best.

    Args:
        error_BHW: photometric error.
        mask_BHW: the pixels whose median counts; an image without any keeps its weights.

    Source: the weight of a Lorentzian error, Black and Rangarajan, On the Unification of Line
        Processes, Outlier Rejection, and Robust
    Statistics with Applications in Early Vision, IJCV 1996.
    """
    with torch.no_grad():
        typical = error_BHW.masked_fill(~mask_BHW, torch.nan).flatten(1).nanmedian(1).values
        limit = (tolerance * torch.nan_to_num(typical, nan=torch.inf)).clamp_min(1e-6)
        return 1 / (1 + (error_BHW / limit[:, None, None]).square())


def depth_inconsistency(
    depth_B1HW: torch.Tensor,
    source_depth_B1HW: torch.Tensor,
    K_B33: torch.Tensor,
    T_source_from_target_B44: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """How much two frames disagree about the same points: difference over sum of their depths [B,
    H, W] in 0..1, 0 where they agree.

    Args:
        depth_B1HW: z-depth of the target.
        source_depth_B1HW: z-depth of the source.
        T_source_from_target_B44: in the unit of depth.

    Returns:
        The disagreement, and the mask [B, H, W] of the target's pixels that the source saw.

    Source: Bian et al., Unsupervised Scale-consistent Depth and Ego-motion Learning from Monocular
        Video, NeurIPS 2019, equation 3.
    """
    pixels, there_B1HW, inside = reproject(depth_B1HW, K_B33, T_source_from_target_B44)
    seen_B1HW = sample(source_depth_B1HW, pixels)
    disagreement = (there_B1HW - seen_B1HW).abs() / (there_B1HW.abs() + seen_B1HW)
    return disagreement[:, 0], inside[:, 0]


def sparse_point_loss(
    inverse_B1HW: torch.Tensor, points_BN3: torch.Tensor, K_B33: torch.Tensor
) -> torch.Tensor:
    """Mean absolute logarithm (a scalar) of the ratio of depth to that of known points, freed of
    its median in each picture.

    The median takes the unit away, which structure from motion need not share with the given poses.

    Args:
        inverse_B1HW: inverse depth of the target.
        points_BN3: points in the target camera's axes; z of 0 where there is none. Those outside of
            the picture do not count.
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


def pose_difference(
    T_BS44: torch.Tensor, given_BS44: torch.Tensor, usable_BS: torch.Tensor, depth: float
) -> torch.Tensor:
    """How far predicted poses are from given ones (a scalar), as a share of the given step's
    length, over the pairs that may be trusted.

    A wrong rotation counts by how far it moves what lies at `depth`, in the unit of the
    translations.
    """
    difference = T_BS44 - given_BS44
    moved = (
        difference[..., :3, 3].norm(dim=-1)
        + depth * difference[..., :3, :3].flatten(2).norm(dim=-1) / 2**0.5
    )
    return masked_mean(moved / given_BS44[..., :3, 3].norm(dim=-1).clamp_min(1e-6), usable_BS)
