"""The photometric error with its gradient by hand: a third of automatic differentiation's passes
over memory.

Images lie in 0..1. Shape suffixes: B batch, C channels, H height, W width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.training.kernels.compiling import compiled

SSIM_WINDOW = 3


def photometric_error(
    prediction_BCHW: torch.Tensor,
    target_BCHW: torch.Tensor,
    ssim_weight: float = 0.85,
    value_range: float = 1.0,
    fast: bool = False,
) -> torch.Tensor:
    """Error [B, 1, H - 2, W - 2]: `ssim_weight` x (1 - SSIM) / 2 + the rest x absolute difference,
    mean over channels.

    Args:
        prediction_BCHW: warped source; it alone has a gradient.
        target_BCHW: broadcasts over the prediction's leading dimensions, so that its windows are
            summed once for all warps.
        value_range: distance from black to white in SSIM's constants.
        fast: compile the passes into one loop.

    Source: Godard et al., Unsupervised Monocular Depth Estimation with Left-Right Consistency, CVPR
        2017, equation 2.
    """
    return _PhotometricError.apply(prediction_BCHW, target_BCHW, ssim_weight, value_range, fast)


def photometric_error_plain(
    prediction_BCHW: torch.Tensor,
    target_BCHW: torch.Tensor,
    ssim_weight: float = 0.85,
    value_range: float = 1.0,
) -> torch.Tensor:
    """The formula, differentiated by torch."""

    def mean(image: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(image, SSIM_WINDOW, 1)

    x, y = target_BCHW, prediction_BCHW
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    mean_x, mean_y, covariance = mean(x), mean(y), mean(x * y) - mean(x) * mean(y)
    variances = mean(x**2) - mean_x**2 + mean(y**2) - mean_y**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    difference = (interior(y) - interior(x)).abs()
    error = ssim_weight * (1 - similarity) / 2 + (1 - ssim_weight) * difference
    return error.mean(1, keepdim=True)


def ssim(x_BCHW: torch.Tensor, y_BCHW: torch.Tensor, value_range: float = 1.0) -> torch.Tensor:
    """Structural similarity [B, C, H - 2, W - 2] over 3x3 windows, 1 where the images agree;
    without a gradient. `x_BCHW` broadcasts over leading dimensions of `y_BCHW`.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity,
        IEEE TIP 2004.
    """
    with torch.no_grad():
        return _Similarity.of(x_BCHW, y_BCHW, value_range).value()


def interior(image_BCHW: torch.Tensor) -> torch.Tensor:
    """The part [B, C, H - 2, W - 2] of an image at which 3x3 windows are centred."""
    return image_BCHW[..., 1:-1, 1:-1]


def box_mean(image_BCHW: torch.Tensor) -> torch.Tensor:
    """Mean over 3x3 windows [B, C, H - 2, W - 2]; rows, then columns: a third of the additions, and
    faster than torch's pooling."""
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
        times the second - y times the third. They are halves of the derivatives with respect to the
        windows' mean of y, mean of x y and, negative, mean of y^2."""
        weight = self.inverse * weight
        structure, brightness = self.n1 * weight, self.n2 * weight
        p, q = (self.n1 * self.inverse).mul_(self.d2), (self.n2 * self.inverse).mul_(self.d1)
        to_mean = torch.addcmul(self.mean_x, self.mean_y, p, value=-1).mul_(brightness)
        to_mean.add_(torch.addcmul(-self.mean_x, self.mean_y, q).mul_(structure))
        return to_mean, structure, q.mul_(structure)


def _error(prediction, target, ssim_weight, value_range):
    channels = prediction.shape[-3]
    error, similarity = 0, None
    if ssim_weight > 0:
        similarity = _Similarity.of(target, prediction, value_range)
        value = similarity.value().sum(-3, keepdim=True)
        error = (0.5 * ssim_weight) - (0.5 * ssim_weight / channels) * value
        # Between -1 and 1 by Cauchy and Schwarz; rounding alone could leave the range.
        error.clamp_(min=0)
    if ssim_weight < 1:
        difference = interior(prediction) - interior(target)
        error = error + (1 - ssim_weight) / channels * difference.abs_().sum(-3, keepdim=True)
    return error, similarity


def _error_alone(prediction, target, ssim_weight, value_range):
    return _error(prediction, target, ssim_weight, value_range)[0]


def _derivatives(gradient, similarity, ssim_weight):
    return similarity.derivatives(gradient * (-ssim_weight / similarity.n1.shape[-3]))


def _derivatives_anew(gradient, prediction, target, ssim_weight, value_range):
    return _derivatives(gradient, _Similarity.of(target, prediction, value_range), ssim_weight)


def _gradient(gradient, prediction, target, ssim_weight, derivatives):
    """Gradient with respect to the prediction, from that with respect to its error and the windows'
    derivatives, both padded by 2. The mean over windows is its own adjoint: what windows have for
    their pixels is summed as the pixels of a window are."""
    result = torch.zeros_like(prediction)
    if derivatives is not None:
        to_mean, to_product, to_square = (box_mean(d) for d in derivatives)
        result = to_mean.addcmul_(target, to_product).addcmul_(prediction, to_square, value=-1)
    if ssim_weight < 1:
        share = (1 - ssim_weight) / prediction.shape[-3]
        result.addcmul_((prediction - target).sign_(), interior(gradient), value=share)
    return result


def _padded(window_map: torch.Tensor) -> torch.Tensor:
    return F.pad(window_map, (2, 2, 2, 2))


class _PhotometricError(torch.autograd.Function):
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
            # the images than padding what follows.
            images = _padded(prediction), _padded(target)
            derivatives = compiled(_derivatives_anew)(padded, *images, *ctx.constants)
        elif ssim_weight > 0:
            pairs = _derivatives(gradient, ctx.similarity, ssim_weight)
            derivatives = tuple(_padded(d) for d in pairs)
        gradient_of = compiled(_gradient) if ctx.fast else _gradient
        return gradient_of(padded, prediction, target, ssim_weight, derivatives), *[None] * 4
