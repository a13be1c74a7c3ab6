"""The loss of a batch: the terms of losses.py put together, with one warp for all scales and
sources."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.cameras import scale_K
from aerial_depth_pipeline.geometry.warping import sample_grid, warp_grid
from aerial_depth_pipeline.training.compiling import compiled
from aerial_depth_pipeline.training.losses import (
    depth_inconsistency,
    enlarged,
    interior,
    masked_mean,
    mean_over_sources,
    minimum_over_sources,
    moving_pixels,
    photometric_error,
    robust_weight,
    smoothness,
)
from aerial_depth_pipeline.training.settings import LossSettings


class _Pieces(NamedTuple):
    """What the loss is made of, as it is or compiled."""

    grid_of: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    error_of: Callable[..., torch.Tensor]


def self_supervised_loss(
    inverse_depths: list[torch.Tensor],
    target_B3HW: torch.Tensor,
    sources_BS3HW: torch.Tensor,
    K_B33: torch.Tensor,
    T_BS44: torch.Tensor,
    usable_BS: torch.Tensor,
    settings: LossSettings,
    seen_B1HW: torch.Tensor | None = None,
    fast: bool = False,
) -> dict[str, torch.Tensor]:
    """The loss of a batch of triplets.

    Args:
        inverse_depths: inverse depth [B, 1, H / 2^s, W / 2^s] of the target, finest first.
        target_B3HW, sources_BS3HW: images in 0..1.
        K_B33: calibration in pixels at this size.
        T_BS44: `T_source_from_target` in the unit of depth.
        usable_BS: pairs whose pose may be trusted.
        seen_B1HW: pixels of the target that are pictures, where an augmentation filled others; None
            where all are.
        fast: compile the geometry and the photometric error.

    Returns:
        `total` and its terms `photometric` and `smoothness`, and what the watchdog looks at:
            `warped` and `unwarped` (the errors with and
        without the warp, over the pixels in view) and `used` (the share of pixels that count), all
        scalars.
    """
    error_of = functools.partial(
        photometric_error,
        ssim_weight=settings.ssim_weight,
        value_range=settings.ssim_range,
        fast=fast,
    )
    pieces = _Pieces(
        functools.partial(warp_grid, compiled=compiled) if fast else warp_grid, error_of
    )
    common = (target_B3HW, sources_BS3HW, K_B33, T_BS44, usable_BS, seen_B1HW, settings, pieces)
    if settings.scales_at_full_size:
        photometric, facts = _at_one_size(inverse_depths, *common)
    else:
        parts = [_at_own_size(d, *common) for d in inverse_depths]
        photometric, facts = torch.stack([p[0] for p in parts]).mean(), parts[0][1]
    smooth = target_B3HW.new_zeros(())
    if settings.smoothness > 0:
        image = target_B3HW
        for scale, inverse in enumerate(inverse_depths):
            if image.shape[-2:] != inverse.shape[-2:]:
                image = F.interpolate(image, inverse.shape[-2:], mode="area")
            smooth = smooth + settings.smoothness / 2**scale * smoothness(inverse, image)
        smooth = smooth / len(inverse_depths)
    return {
        "total": photometric + smooth,
        "photometric": photometric,
        "smoothness": smooth,
        **facts,
    }


def _at_own_size(inverse, target, sources, K, T, usable, picture, settings, pieces):
    height, width = inverse.shape[-2:]
    if (height, width) != target.shape[-2:]:
        K = scale_K(K, width / target.shape[-1], height / target.shape[-2])
        target = F.interpolate(target, (height, width), mode="area")
        sources = F.interpolate(sources.flatten(0, 1), (height, width), mode="area").unflatten(
            0, sources.shape[:2]
        )
        picture = (
            None
            if picture is None
            else F.interpolate(picture.float(), (height, width), mode="area") == 1
        )
    return _at_one_size([inverse], target, sources, K, T, usable, picture, settings, pieces)


def _at_one_size(
    inverse_depths, target, sources, K, T, usable, picture, settings: LossSettings, pieces
):
    """Photometric loss of several scales, all brought to the target's size."""
    size = target.shape[-2:]
    depth = 1 / torch.cat([enlarged(d, *size) for d in inverse_depths], 1)  # [B, N, H, W]
    parts = []
    for p in _parts(target):
        pictures = None if picture is None else picture[p]
        parts.append(
            _errors(
                depth[p], target[p], sources[p], K[p], T[p], usable[p], pictures, settings, pieces
            )
        )
    error, in_view, still = (torch.cat(part) for part in zip(*parts, strict=True))
    mask = in_view & moving_pixels(error.detach(), still) if settings.auto_mask else in_view
    facts = {
        "unwarped": masked_mean(still, in_view),
        "warped": masked_mean(error.detach(), in_view),
        "used": mask.count_nonzero() / mask.numel(),
    }
    if settings.robust > 0:
        weight = robust_weight(error.flatten(0, 1), mask.flatten(0, 1), settings.robust).unflatten(
            0, error.shape[:2]
        )
        return (error * weight * mask).sum() / (weight * mask).sum().clamp_min(1), facts
    return masked_mean(error, mask), facts


def _parts(images_B3HW: torch.Tensor) -> list[slice]:
    """What to warp at a time: on a CPU a sample or two, which its cache holds through the dozens of
    passes over them; else all."""
    count = len(images_B3HW)
    at_once = (
        max(1, 150_000 // images_B3HW[0].numel()) if images_B3HW.device.type == "cpu" else count
    )
    return [slice(start, start + at_once) for start in range(0, count, at_once)]


def _errors(depth, target, sources, K, T, usable, picture, settings: LossSettings, pieces):
    """The smallest (or mean) error over the sources, where it counts, both [B, N scales, H - 2, W -
    2], and without the warp [B, 1, …]."""
    scales, (height, width) = depth.shape[1], depth.shape[2:]
    errors, seen, unwarped = [], [], []
    for s in range(sources.shape[1]):
        source = sources[:, s]
        grid, inside = pieces.grid_of(
            depth.flatten(0, 1)[:, None],
            K.repeat_interleave(scales, 0),
            T[:, s].repeat_interleave(scales, 0),
        )
        # All scales look into one picture: below each other they need no copies of it.
        warped = (
            sample_grid(source, grid.view(-1, scales * height, width, 2))
            .unflatten(2, (scales, height))
            .movedim(2, 1)
        )
        errors.append(pieces.error_of(warped, target[:, None])[:, :, 0])
        inside = interior(inside.view_as(depth))
        seen.append(inside if settings.mask_out_of_view else torch.ones_like(inside))
        with torch.no_grad():
            unwarped.append(pieces.error_of(source, target))
    trusted = usable[:, :, None, None]
    usable_pixels = torch.stack(seen, 1) & trusted[..., None]  # [B, S, N, H - 2, W - 2]
    if picture is not None:
        usable_pixels &= interior(picture)[:, None]
    combine = minimum_over_sources if settings.minimum else mean_over_sources
    error, in_view = combine(torch.stack(errors, 1), usable_pixels)
    still, _ = combine(
        torch.stack(unwarped, 1),
        (trusted[..., None] & torch.ones_like(unwarped[0][:, None], dtype=torch.bool)),
    )
    return error, in_view, still


def consistency_loss(
    inverse_B1HW: torch.Tensor,
    source_inverse_BSHW: torch.Tensor,
    K_B33: torch.Tensor,
    T_BS44: torch.Tensor,
    usable_BS: torch.Tensor,
) -> torch.Tensor:
    """Mean disagreement (a scalar) between the target's depth and that of its sources, over the
    pixels that a trusted source saw.

    Args:
        inverse_B1HW: inverse depth of the target.
        source_inverse_BSHW: inverse depth of the sources.
        K_B33, T_BS44, usable_BS: as in `self_supervised_loss`.
    """
    parts, masks = [], []
    for s in range(T_BS44.shape[1]):
        part, inside = depth_inconsistency(
            1 / inverse_B1HW, 1 / source_inverse_BSHW[:, s, None], K_B33, T_BS44[:, s]
        )
        parts.append(part)
        masks.append(inside & usable_BS[:, s, None, None])
    return masked_mean(torch.cat(parts), torch.cat(masks))
