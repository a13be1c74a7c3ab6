"""The photometric error of warped sources: minimum reprojection, auto-mask, robust weights; one
warp for all scales and sources."""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.cameras import scale_K
from aerial_depth_pipeline.geometry.warping import sample_grid, warp_grid
from aerial_depth_pipeline.training.batch import Batch
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

LossAndFacts = tuple[torch.Tensor, dict[str, torch.Tensor]]


class Photometric(Term):
    """Mean over the pixels that count of the error between the target and its warped sources."""

    name = "photometric"
    order = 0

    def weight(self, settings: TrainSettings, step: int) -> float:
        return 1.0

    def __call__(self, context: Context) -> torch.Tensor:
        frames = {"target": context.target_B3HW, "sources": context.sources_BS3HW}
        views = context.batch | frames | {"T": context.T_BS44}
        loss_of = _compiled_loss() if context.settings.compile is True else photometric_loss
        loss, facts = loss_of(context.inverse_depths, views, context.settings.loss, context.fast)
        context.facts.update(facts)
        return loss


def photometric_loss(
    inverse_depths: list[torch.Tensor], views: Batch, settings: LossSettings, fast: bool
) -> LossAndFacts:
    """The photometric loss (a scalar), mean over scales.

    Args:
        inverse_depths: [B, 1, H / 2^s, W / 2^s] of the target, finest first.
        views: a batch with `target` [B, 3, H, W] and `sources` [B, S, 3, H, W] in 0..1; `T` in the
            unit of depth.
        fast: compile the geometry and the photometric error.

    Returns:
        The loss, and scalars for the watchdog: `warped` and `unwarped` (photometric and identity
        error over the pixels in view) and `used` (share of the pixels that count).
    """
    if settings.scales_at_full_size:
        return _at_one_size(inverse_depths, views, settings, fast)
    scales = [
        _at_one_size([inverse], _resized(views, *inverse.shape[-2:]), settings, fast)
        for inverse in inverse_depths
    ]
    return torch.stack([loss for loss, _ in scales]).mean(), scales[0][1]


@functools.cache
def _compiled_loss() -> Callable[..., LossAndFacts]:
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


def _resized(views: Batch, height: int, width: int) -> Batch:
    old_height, old_width = views["target"].shape[-2:]
    if (old_height, old_width) == (height, width):
        return views
    resize = functools.partial(F.interpolate, size=(height, width), mode="area")
    sources = views["sources"]
    resized = views | {
        "K": scale_K(views["K"], width / old_width, height / old_height),
        "target": resize(views["target"]),
        "sources": resize(sources.flatten(0, 1)).unflatten(0, sources.shape[:2]),
    }
    if "valid_mask" in views:
        resized["valid_mask"] = resize(views["valid_mask"].float()) == 1
    return resized


def _at_one_size(
    inverse_depths: list[torch.Tensor], views: Batch, settings: LossSettings, fast: bool
) -> LossAndFacts:
    """Loss of several scales, all brought to the target's size."""
    size = views["target"].shape[-2:]
    depth = 1 / torch.cat([upsample(d, *size) for d in inverse_depths], 1)  # [B, N, H, W]
    parts = []
    for p in _parts(views["target"]):
        part = {name: value[p] for name, value in views.items()}
        parts.append(_errors(depth[p], part, settings, fast))
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


def _errors(
    depth: torch.Tensor, views: Batch, settings: LossSettings, fast: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The smallest (or mean) error over the sources and where it counts, both [B, N scales, H - 2,
    W - 2], and the identity error [B, 1, H - 2, W - 2]."""
    grid_of = functools.partial(warp_grid, compiled=compiled) if fast else warp_grid
    weights = settings.ssim_weight, settings.ssim_range, fast
    target, (scales, height, width) = views["target"], depth.shape[1:]
    flat_depth, K = depth.flatten(0, 1)[:, None], views["K"].repeat_interleave(scales, 0)
    errors, masks, identity = [], [], []
    for s, source in enumerate(views["sources"].unbind(1)):
        grid, inside = grid_of(flat_depth, K, views["T"][:, s].repeat_interleave(scales, 0))
        # All scales look into one image: below each other they need no copies of it.
        warped = sample_grid(source, grid.view(-1, scales * height, width, 2))
        warped = warped.unflatten(2, (scales, height)).movedim(2, 1)
        errors.append(photometric_error(warped, target[:, None], *weights)[:, :, 0])
        inside = interior(inside.view_as(depth))
        masks.append(inside if settings.mask_out_of_view else torch.ones_like(inside))
        with torch.no_grad():
            identity.append(photometric_error(source, target, *weights))
    trusted = views["usable"][:, :, None, None, None]
    mask = torch.stack(masks, 1) & trusted  # [B, S, N, H - 2, W - 2]
    if "valid_mask" in views:
        mask &= interior(views["valid_mask"])[:, None]
    combine = minimum_reprojection if settings.minimum_reprojection else mean_reprojection
    error, in_view = combine(torch.stack(errors, 1), mask)
    everywhere = trusted & torch.ones_like(identity[0][:, None], dtype=torch.bool)
    return error, in_view, combine(torch.stack(identity, 1), everywhere)[0]
