"""Semi-global matching."""

import numpy as np
import torch
from tests.worlds import block_world

from aerial_depth_pipeline.mvs.backends.plane_sweep import sweep_view
from aerial_depth_pipeline.mvs.settings import DenseSettings


def test_sgm_beats_the_best_plane_of_each_pixel(flown):
    images, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    rng = np.random.default_rng(0)
    noisy = {
        i: np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)
        for i, image in enumerate(images)
    }
    wrong = {}
    for regularization in ("none", "sgm"):
        raw = sweep_view(
            model,
            noisy,
            3,
            [2, 4],
            DenseSettings(
                regularization=regularization, windows=(5,), refinements=0, min_score=-0.9
            ),
        )
        wrong[regularization] = (np.abs(raw.depth_HW / depths[3] - 1) > 0.02).mean()
    assert wrong["sgm"] < 0.75 * wrong["none"]


def test_costs_fit_their_integers():
    from aerial_depth_pipeline.mvs.sgm import aggregate, to_cost

    scores = torch.full((20, 12, 14), -1.0)
    total = aggregate(to_cost(scores), 2.0, 4.0, torch.zeros(12, 14), 8)
    assert total.min() > 0  # nothing overflowed
