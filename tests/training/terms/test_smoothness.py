"""Edge-aware smoothness."""

import numpy as np
import torch

from aerial_depth_pipeline.training.terms.smoothness import smoothness


def test_smoothness_ignores_scale_and_forgives_edges_of_the_image():
    torch.manual_seed(0)
    inverse, flat = torch.rand(1, 1, 8, 8) + 0.5, torch.zeros(1, 3, 8, 8)
    assert torch.isclose(smoothness(inverse, flat), smoothness(7 * inverse, flat))
    assert smoothness(torch.full((1, 1, 8, 8), 0.3), flat) == 0
    step = torch.ones(1, 1, 8, 8)
    step[..., 4:] = 2
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1
    assert torch.isclose(
        smoothness(step, edge), smoothness(step, flat) * np.exp(-1).item(), rtol=1e-5
    )
