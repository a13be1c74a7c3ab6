"""What the training sees, as one picture: target, inverse depth, the warped sources, and which
pixels count."""

import matplotlib
import numpy as np
import torch

from aerial_depth_pipeline.geometry.warping import warp
from aerial_depth_pipeline.training.losses import (
    minimum_over_sources,
    moving_pixels,
    photometric_error,
)
from aerial_depth_pipeline.training.settings import LossSettings


def colour(values_HW: np.ndarray) -> np.ndarray:
    """Values as plasma colours [H, W, 3], uint8, dark for the smallest and light for the largest of
    the central 98 %."""
    low, high = np.percentile(values_HW, (1, 99))
    scaled = np.clip((values_HW - low) / max(high - low, 1e-9), 0, 1)
    return (matplotlib.colormaps["plasma"](scaled)[..., :3] * 255).astype(np.uint8)


@torch.no_grad()
def training_picture(
    inverse_B1HW: torch.Tensor,
    target_B3HW: torch.Tensor,
    sources_BS3HW: torch.Tensor,
    K_B33: torch.Tensor,
    T_BS44: torch.Tensor,
    usable_BS: torch.Tensor,
    settings: LossSettings,
) -> np.ndarray:
    """A row for each sample, [B * H, (3 + S) * W, 3], uint8: target, inverse depth, warped sources,
    and white where a pixel counts.

    The arguments are those of `self_supervised_loss`, with the finest inverse depth alone.
    """
    warped, errors, unwarped, seen = [], [], [], []
    for s in range(sources_BS3HW.shape[1]):
        image, inside = warp(sources_BS3HW[:, s], 1 / inverse_B1HW, K_B33, T_BS44[:, s])
        warped.append(image)
        seen.append(inside[..., 1:-1, 1:-1] & usable_BS[:, s].reshape(-1, 1, 1, 1))
        errors.append(
            photometric_error(image, target_B3HW, settings.ssim_weight, settings.ssim_range)
        )
        unwarped.append(
            photometric_error(
                sources_BS3HW[:, s], target_B3HW, settings.ssim_weight, settings.ssim_range
            )
        )
    error, mask = minimum_over_sources(torch.cat(errors, 1), torch.cat(seen, 1))
    if settings.auto_mask:
        mask = mask & moving_pixels(error, torch.cat(unwarped, 1).amin(1))
    rows = []
    for b in range(len(target_B3HW)):
        photographs = [_to_uint8(image[b]) for image in (target_B3HW, *warped)]
        counted = np.zeros(target_B3HW.shape[-2:], np.uint8)
        counted[1:-1, 1:-1] = 255 * mask[b].cpu().numpy()
        depth = colour(inverse_B1HW[b, 0].float().cpu().numpy())
        rows.append(
            np.concatenate(
                [photographs[0], depth, *photographs[1:], np.repeat(counted[..., None], 3, 2)], 1
            )
        )
    return np.concatenate(rows)


def _to_uint8(image_3HW: torch.Tensor) -> np.ndarray:
    return (image_3HW.clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()
