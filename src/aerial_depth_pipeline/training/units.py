"""The unit of length of every scene, chosen so that training starts at the right depth.

The network's first output is a constant depth. Where the true depth, in the unit of the given
translations, is far from it, the loss has no slope toward it and nothing is learned; so each
scene's translations are scaled until its median depth lies at the network's initial output. The
median depth is measured by a plane sweep over the scene's own triplets; no ground truth is
involved.
"""

import logging
import math

import numpy as np
import torch

from aerial_depth_pipeline.training.plane_sweep import CLEAR_SHARE, plane_sweep, typical_step
from aerial_depth_pipeline.training.triplet_data import Triplet

log = logging.getLogger(__name__)

_TRIPLETS = 12
_NEAREST, _FARTHEST, _HYPOTHESES = 1.5, 400.0, 48  # in steps
_FALLBACK = 20.0


def scene_depths(triplets: list[Triplet]) -> dict[str, float]:
    """Median depth of every scene, in the unit of its translations; scenes without usable poses are
    left out."""
    by_scene: dict[str, list[Triplet]] = {}
    for triplet in triplets:
        by_scene.setdefault(triplet.scene, []).append(triplet)
    return {
        scene: _median_depth(scene, members)
        for scene, members in by_scene.items()
        if typical_step(members) > 0
    }


def _median_depth(scene: str, triplets: list[Triplet]) -> float:
    chosen = [
        triplets[i]
        for i in np.unique(np.linspace(0, len(triplets) - 1, _TRIPLETS).round().astype(int))
    ]
    step = typical_step(chosen)
    depths = [d for d in (sweep_median_depth(t, step) for t in chosen) if d is not None]
    if len(depths) < max(1, len(chosen) // 4):
        log.warning(
            "Scene %s: its depth in steps could not be measured; %g steps are assumed.",
            scene,
            _FALLBACK,
        )
        return _FALLBACK * step
    depth = float(np.median(depths))
    log.info("Scene %s: the median depth is %.1f steps.", scene, depth / step)
    return depth


def sweep_median_depth(triplet: Triplet, step: float) -> float | None:
    """Median depth of a triplet's target, in the unit of its translations; None where too little of
    it is clear.

    Args:
        step: typical length of a translation; depths from 1.5 to 400 steps are tried.
    """
    depth, clear = plane_sweep(
        triplet, step * torch.logspace(math.log10(_NEAREST), math.log10(_FARTHEST), _HYPOTHESES)
    )
    return float(depth[clear].median()) if clear.float().mean() >= CLEAR_SHARE else None
