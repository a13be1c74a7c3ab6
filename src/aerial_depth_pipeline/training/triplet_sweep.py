"""A rough depth map of a triplet from its given poses, without learning: for units, the watchdog,
and as a depth hint."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.cameras import scale_K
from aerial_depth_pipeline.geometry.warping import warp
from aerial_depth_pipeline.training.samples import Triplet, decode

CLEAR_SHARE = 0.05  # of an image's pixels, for its sweep to say anything
_MAX_WIDTH = 160  # pixels; wider images are reduced to it
_WINDOW = 7  # side of the square over which colours are compared, pixels


@torch.no_grad()
def sweep_depth(triplet: Triplet, depths_D: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Depth of a triplet's target among the given depths: the one at which the sources agree best
    with it.

    Args:
        depths_D: candidates in the unit of the translations, in ascending order.

    Returns:
        Depth [H, W] and the mask [H, W] of the pixels that one depth explains clearly better than
        most others, the first and last excepted.

    Source: Collins, A Space-Sweep Approach to True Multi-Image Matching, CVPR 1996.
    """
    frames = torch.from_numpy(decode(triplet.image, triplet.frames)).permute(0, 3, 1, 2)
    frames = frames.float() / 255
    full_height, full_width = frames.shape[-2:]
    width = min(_MAX_WIDTH, full_width)
    height = round(full_height * width / full_width)
    if width < full_width:
        frames = F.interpolate(frames, (height, width), mode="area")
    count, target = len(depths_D), len(frames) // 2
    K = torch.tensor(triplet.K_33, dtype=torch.float32)
    K = scale_K(K, width / full_width, height / full_height).expand(count, -1, -1)
    T = torch.tensor(triplet.T_S44, dtype=torch.float32)
    volume = depths_D[:, None, None, None].expand(-1, 1, height, width)
    costs = []
    for s in np.flatnonzero(triplet.usable_S):
        images = frames[s + (s >= target)].expand(count, -1, -1, -1)
        warped, inside = warp(images, volume, K, T[s].expand(count, -1, -1))
        difference = (warped - frames[target]).abs().mean(1, keepdim=True)
        cost = F.avg_pool2d(difference, _WINDOW, 1, _WINDOW // 2, count_include_pad=False)
        costs.append(cost.masked_fill(~inside, 1.0))
    cost_DHW = torch.stack(costs).amin(0)[:, 0]
    best, index = cost_DHW.min(0)
    # Not the last depth either: it is no motion at all and explains what moves with the camera.
    clear = (best < 0.6 * cost_DHW.median(0).values) & (index > 0) & (index < count - 1)
    return 1 / _parabola(cost_DHW, 1 / depths_D, index.clamp(1, count - 2)), clear


def depth_hint(triplet: Triplet, typical_depth: float) -> torch.Tensor:
    """Inverse depth [H, W], half precision, relative to that of `typical_depth`; 0 where the sweep
    is not sure.

    Args:
        typical_depth: about the median depth of the scene, in the unit of the translations; a fifth
            of it to five times it are tried.
    """
    depth, clear = sweep_depth(triplet, typical_depth / torch.linspace(4.0, 0.2, 48))
    return torch.where(clear, typical_depth / depth, 0.0).half()


def typical_step(triplets: Sequence[Triplet]) -> float:
    """Median length of the usable translations, in their unit; 0 without any."""
    poses = [t.T_S44[t.usable_S] for t in triplets if t.usable_S.any()]
    lengths = [np.linalg.norm(T[:, :3, 3], axis=-1).mean() for T in poses]
    return float(np.median(lengths)) if lengths else 0.0


def _parabola(
    cost_DHW: torch.Tensor, inverse_D: torch.Tensor, index_HW: torch.Tensor
) -> torch.Tensor:
    """Inverse depth [H, W] at the lowest point of the parabola through a minimum and its two
    neighbours."""
    before, here, after = (cost_DHW.gather(0, (index_HW + k)[None])[0] for k in (-1, 0, 1))
    shift = (0.5 * (before - after) / (before + after - 2 * here).clamp_min(1e-6)).clamp(-0.5, 0.5)
    neighbour = torch.where(shift > 0, inverse_D[index_HW + 1], inverse_D[index_HW - 1])
    return inverse_D[index_HW] + shift.abs() * (neighbour - inverse_D[index_HW])
