"""The unit of length of every scene, chosen so that training starts at the right depth.

The network's first output is a constant depth. Where the true depth, in the unit of the given translations, is far from it, the loss has no
slope toward it and nothing is learned; so each scene's translations are scaled until its median depth lies at the network's initial output.
The median depth is measured by a plane sweep over the scene's own triplets; no ground truth is involved.
"""

import logging
import math

import numpy as np
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.cameras import scale_K
from aerial_depth_pipeline.geometry.warping import warp
from aerial_depth_pipeline.training.settings import PoseSettings
from aerial_depth_pipeline.training.triplet_data import Triplet, decode
from aerial_depth_pipeline.training.watchdog import Probe

log = logging.getLogger(__name__)

_TRIPLETS = 12
_WIDTH = 160
_HYPOTHESES = 48
_NEAREST, _FARTHEST = 1.5, 400.0  # in steps
_FALLBACK = 20.0
_CLEAR_SHARE = 0.05  # of a picture's pixels, for its depth to count


def scene_factors(triplets: list[Triplet], settings: PoseSettings, initial_depth: float) -> dict[str, float]:
    """For every scene, by what its translations must be multiplied so that its median depth is `initial_depth`.

    Without `centre_units`, or where poses are learned, every factor is 1.
    """
    by_scene: dict[str, list[Triplet]] = {}
    for triplet in triplets:
        by_scene.setdefault(triplet.scene, []).append(triplet)
    if settings.source == "learned" or not settings.centre_units:
        return dict.fromkeys(by_scene, 1.0)
    return {scene: initial_depth / _median_depth(scene, members) for scene, members in by_scene.items()}


def _median_depth(scene: str, triplets: list[Triplet]) -> float:
    """Median depth of a scene in the unit of its translations."""
    chosen = [triplets[i] for i in np.unique(np.linspace(0, len(triplets) - 1, _TRIPLETS).round().astype(int))]
    step = float(np.median([np.linalg.norm(t.T_S44[t.usable_S, :3, 3], axis=-1).mean() for t in chosen]))
    depths = [d for d in (sweep_median_depth(t, step) for t in chosen) if d is not None]
    if len(depths) < max(1, len(chosen) // 4):
        log.warning("Scene %s: its depth in steps could not be measured; %g steps are assumed.", scene, _FALLBACK)
        return _FALLBACK * step
    depth = float(np.median(depths))
    log.info("Scene %s: median depth is %.1f steps.", scene, depth / step)
    return depth


@torch.no_grad()
def plane_sweep(triplet: Triplet, step: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A rough depth map of a triplet's target from its given poses, without any learning.

    Args:
        step: typical length of a translation; depths from 1.5 to 400 steps are tried.

    Returns:
        Depth [H, W] at a width of at most 160 pixels, in the unit of the translations, and the mask [H, W] of the pixels that one depth explains
        clearly better than most others.
    """
    frames = torch.from_numpy(decode(triplet.image, len(triplet.T_S44) + 1)).permute(0, 3, 1, 2).float() / 255
    full_height, full_width = frames.shape[-2:]
    width = min(_WIDTH, full_width)
    height = round(full_height * width / full_width)
    frames = F.interpolate(frames, (height, width), mode="area")
    K = scale_K(torch.tensor(triplet.K_33, dtype=torch.float32), width / full_width, height / full_height)
    depths = step * torch.logspace(math.log10(_NEAREST), math.log10(_FARTHEST), _HYPOTHESES)
    T = torch.tensor(triplet.T_S44, dtype=torch.float32)
    volume = depths[:, None, None, None].expand(-1, 1, height, width)
    target = len(frames) // 2
    costs = []
    for s, source in enumerate(i for i in range(len(frames)) if i != target):
        if not triplet.usable_S[s]:
            continue
        warped, inside = warp(
            frames[source].expand(_HYPOTHESES, -1, -1, -1), volume, K.expand(_HYPOTHESES, -1, -1), T[s].expand(_HYPOTHESES, -1, -1)
        )
        difference = (warped - frames[target]).abs().mean(1, keepdim=True)
        cost = F.avg_pool2d(difference, 7, 1, 3, count_include_pad=False)
        costs.append(cost.masked_fill(~inside, 1.0))
    cost = torch.stack(costs).amin(0)[:, 0]
    best, index = cost.min(0)
    # Not the farthest depth, which is no motion at all and explains what moves with the camera.
    clear = (best < 0.6 * cost.median(0).values) & (index > 0) & (index < _HYPOTHESES - 1)
    return depths[index], clear


def sweep_median_depth(triplet: Triplet, step: float) -> float | None:
    """Median depth of a triplet's target by a plane sweep, in the unit of its translations; None where too little of it is clear."""
    depth, clear = plane_sweep(triplet, step)
    return float(depth[clear].median()) if clear.float().mean() >= _CLEAR_SHARE else None


def make_probe(triplets: list[Triplet], count: int = 8) -> Probe:
    """Pictures for the watchdog with the plane sweep's inverse depth, or with the image row where poses are not given."""
    images, nearness, masks = [], [], []
    for index in np.unique(np.linspace(0, len(triplets) - 1, count).round().astype(int)):
        triplet = triplets[index]
        frames = decode(triplet.image, len(triplet.T_S44) + 1)
        target = torch.from_numpy(frames[len(frames) // 2]).permute(2, 0, 1).float() / 255
        size = target.shape[-2:]
        length = np.linalg.norm(triplet.T_S44[triplet.usable_S, :3, 3], axis=-1).mean()
        row = torch.linspace(0, 1, size[0])[:, None].expand(size)
        near, mask = row, torch.ones(size, dtype=torch.bool)
        if length > 0:
            depth, clear = plane_sweep(triplet, float(length))
            if clear.float().mean() >= _CLEAR_SHARE:
                near = F.interpolate(1 / depth[None, None], size, mode="nearest")[0, 0]
                mask = F.interpolate(clear[None, None].float(), size, mode="nearest")[0, 0] > 0
        images.append(target)
        nearness.append(near)
        masks.append(mask)
    return Probe(torch.stack(images), torch.stack(nearness), torch.stack(masks))
