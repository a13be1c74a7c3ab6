"""The smallest photometric error over the sources.

Source: Godard et al., Digging into Self-Supervised Monocular Depth Estimation, ICCV 2019, section
3.2.
"""

import functools

import torch

from aerial_depth_pipeline.training.kernels.masks import as_numbers


def minimum_reprojection(
    error_BSHW: torch.Tensor, usable_BSHW: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest error [B, H, W] over the usable sources, 0 where there is none, and the mask
    [B, H, W] where there is one. All of the gradient goes to that source, the first of equals."""
    return _Minimum.apply(error_BSHW, usable_BSHW)


def minimum_reprojection_plain(
    error_BSHW: torch.Tensor, usable_BSHW: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The formula, differentiated by torch."""
    smallest, _ = error_BSHW.masked_fill(~usable_BSHW, torch.inf).min(1)
    any_usable = usable_BSHW.any(1)
    return torch.where(any_usable, smallest, 0.0), any_usable


def mean_reprojection(
    error_BSHW: torch.Tensor, usable_BSHW: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean error [B, H, W] over the usable sources, 0 where there is none, and the mask
    [B, H, W] where there is one."""
    count = usable_BSHW.sum(1)
    return (error_BSHW * usable_BSHW).sum(1) / count.clamp_min(1), count > 0


class _Minimum(torch.autograd.Function):
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
        rest = gradient * as_numbers(any_usable)
        result = rest.new_empty((len(rest), len(nearer) + 1, *rest.shape[1:]))
        for s in range(len(nearer), 0, -1):
            torch.mul(rest, as_numbers(nearer[s - 1]), out=result[:, s])
            rest -= result[:, s]
        result[:, 0] = rest
        return result, None
