"""The photometric error of warped sources: minimum reprojection, auto-mask, robust weights; one
warp for all scales and sources."""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.cameras import scale_K
from aerial_depth_pipeline.geometry.warping import sample_grid, warp_grid
from aerial_depth_pipeline.training.kernels.compiling import compiled
from aerial_depth_pipeline.training.kernels.masks import masked_mean
from aerial_depth_pipeline.training.kernels.minimum_reprojection import (
    mean_reprojection,
    minimum_reprojection,
)
from aerial_depth_pipeline.training.kernels.photometric_error import interior, photometric_error
from aerial_depth_pipeline.training.kernels.upsampling import upsample
from aerial_depth_pipeline.training.settings import LossSettings, TrainSettings
from aerial_depth_pipeline.training.terms.term import Context, Term

Facts = dict[str, torch.Tensor]


class Photometric(Term):
    """Mean over the pixels that count of the error between the target and its warped sources."""

    name = "photometric"
    order = 0

    def weight(self, settings: TrainSettings, step: int) -> float:
        return 1.0

    def __call__(self, context: Context) -> torch.Tensor:
        batch, settings = context.batch, context.settings
        loss_of = _compiled_loss() if settings.compile is True else photometric_loss
        loss, facts = loss_of(
            context.inverse_depths,
            context.target_B3HW,
            context.sources_BS3HW,
            batch["K"],
            context.T_BS44,
            batch["usable"],
            settings.loss,
            batch.get("valid_mask"),
            context.fast,
        )
        context.facts.update(facts)
        return loss


def photometric_loss(
    inverse_depths: list[torch.Tensor],
    target_B3HW: torch.Tensor,
    sources_BS3HW: torch.Tensor,
    K_B33: torch.Tensor,
    T_BS44: torch.Tensor,
    usable_BS: torch.Tensor,
    settings: LossSettings,
    valid_mask_B1HW: torch.Tensor | None = None,
    fast: bool = False,
) -> tuple[torch.Tensor, Facts]:
    """The photometric loss (a scalar), mean over scales.

    Args:
        inverse_depths: [B, 1, H / 2^s, W / 2^s] of the target, finest first.
        target_B3HW, sources_BS3HW: images in 0..1.
        K_B33: calibration in pixels at this size.
        T_BS44: `T_source_from_target` in the unit of depth.
        usable_BS: pairs whose pose may be trusted.
        valid_mask_B1HW: pixels of the target that are image; None where all are.
        fast: compile the geometry and the photometric error.

    Returns:
        The loss, and scalars for the watchdog: `warped` and `unwarped` (photometric and identity
        error over the pixels in view) and `used` (share of the pixels that count).
    """
    common = (target_B3HW, sources_BS3HW, K_B33, T_BS44, usable_BS, valid_mask_B1HW, settings, fast)
    if settings.scales_at_full_size:
        return _at_one_size(inverse_depths, *common)
    scales = [_at_own_size(inverse, *common) for inverse in inverse_depths]
    return torch.stack([loss for loss, _ in scales]).mean(), scales[0][1]


@functools.cache
def _compiled_loss() -> Callable[..., tuple[torch.Tensor, Facts]]:
    return torch.compile(photometric_loss)


def auto_mask(error_BHW: torch.Tensor, identity_error_BHW: torch.Tensor) -> torch.Tensor:
    """The pixels [B, H, W] that the warp explains better than no warp at all.

    Source: Godard et al., Digging into Self-Supervised Monocular Depth Estimation, ICCV 2019,
        section 3.3.
    """
    return error_BHW < identity_error_BHW


def robust_weight(
    error_BHW: torch.Tensor, mask_BHW: torch.Tensor, tolerance: float
) -> torch.Tensor:
    """Weights [B, H, W] in 0..1, without a gradient: 1 for no error, a half for `tolerance` times
    the median error of the image inside `mask_BHW`, less beyond. An object that moves by itself
    fits no depth and stands out by its error.

    Source: the weight of a Lorentzian error, Black and Rangarajan, On the Unification of Line
        Processes, Outlier Rejection, and Robust Statistics with Applications in Early Vision, IJCV
        1996.
    """
    with torch.no_grad():
        typical = error_BHW.masked_fill(~mask_BHW, torch.nan).flatten(1).nanmedian(1).values
        limit = (tolerance * torch.nan_to_num(typical, nan=torch.inf)).clamp_min(1e-6)
        return 1 / (1 + (error_BHW / limit[:, None, None]).square())


def _at_own_size(inverse, target, sources, K, T, usable, valid_mask, settings, fast):  # type: ignore[no-untyped-def]
    size = inverse.shape[-2:]
    if size != target.shape[-2:]:
        K = scale_K(K, size[1] / target.shape[-1], size[0] / target.shape[-2])
        target = F.interpolate(target, size, mode="area")
        pairs = sources.shape[:2]
        sources = F.interpolate(sources.flatten(0, 1), size, mode="area").unflatten(0, pairs)
        if valid_mask is not None:
            valid_mask = F.interpolate(valid_mask.float(), size, mode="area") == 1
    return _at_one_size([inverse], target, sources, K, T, usable, valid_mask, settings, fast)


def _at_one_size(inverse_depths, target, sources, K, T, usable, valid_mask, settings, fast):  # type: ignore[no-untyped-def]
    """Loss of several scales, all brought to the target's size."""
    size = target.shape[-2:]
    depth = 1 / torch.cat([upsample(d, *size) for d in inverse_depths], 1)  # [B, N, H, W]
    parts = []
    for p in _parts(target):
        inputs = depth[p], target[p], sources[p], K[p], T[p], usable[p]
        mask = None if valid_mask is None else valid_mask[p]
        parts.append(_errors(*inputs, mask, settings, fast))
    error, in_view, identity = (torch.cat(part) for part in zip(*parts, strict=True))
    mask = in_view & auto_mask(error.detach(), identity) if settings.auto_mask else in_view
    facts = {
        "unwarped": masked_mean(identity, in_view),
        "warped": masked_mean(error.detach(), in_view),
        "used": mask.count_nonzero() / mask.numel(),
    }
    if settings.robust > 0:
        weight = robust_weight(error.flatten(0, 1), mask.flatten(0, 1), settings.robust)
        weight = weight.unflatten(0, error.shape[:2])
        return (error * weight * mask).sum() / (weight * mask).sum().clamp_min(1), facts
    return masked_mean(error, mask), facts


def _parts(images_B3HW: torch.Tensor) -> list[slice]:
    """Samples to warp at a time: on a CPU one or two, which its cache holds through the dozens of
    passes over them; else all."""
    count = at_once = len(images_B3HW)
    if images_B3HW.device.type == "cpu":
        at_once = max(1, 150_000 // images_B3HW[0].numel())
    return [slice(start, start + at_once) for start in range(0, count, at_once)]


def _errors(depth, target, sources, K, T, usable, valid_mask, settings: LossSettings, fast):  # type: ignore[no-untyped-def]
    """The smallest (or mean) error over the sources and where it counts, both [B, N scales, H - 2,
    W - 2], and the identity error [B, 1, H - 2, W - 2]."""
    grid_of = functools.partial(warp_grid, compiled=compiled) if fast else warp_grid
    weights = settings.ssim_weight, settings.ssim_range, fast
    scales, (height, width) = depth.shape[1], depth.shape[2:]
    flat_depth, K = depth.flatten(0, 1)[:, None], K.repeat_interleave(scales, 0)
    errors, masks, identity = [], [], []
    for s in range(sources.shape[1]):
        source = sources[:, s]
        grid, inside = grid_of(flat_depth, K, T[:, s].repeat_interleave(scales, 0))
        # All scales look into one image: below each other they need no copies of it.
        warped = sample_grid(source, grid.view(-1, scales * height, width, 2))
        warped = warped.unflatten(2, (scales, height)).movedim(2, 1)
        errors.append(photometric_error(warped, target[:, None], *weights)[:, :, 0])
        inside = interior(inside.view_as(depth))
        masks.append(inside if settings.mask_out_of_view else torch.ones_like(inside))
        with torch.no_grad():
            identity.append(photometric_error(source, target, *weights))
    trusted = usable[:, :, None, None, None]
    mask = torch.stack(masks, 1) & trusted  # [B, S, N, H - 2, W - 2]
    if valid_mask is not None:
        mask &= interior(valid_mask)[:, None]
    combine = minimum_reprojection if settings.minimum_reprojection else mean_reprojection
    error, in_view = combine(torch.stack(errors, 1), mask)
    everywhere = trusted & torch.ones_like(identity[0][:, None], dtype=torch.bool)
    return error, in_view, combine(torch.stack(identity, 1), everywhere)[0]
