"""Sparse points as a term of the loss."""

import numpy as np
import torch
from tests.worlds.loss_scene import HEIGHT

from aerial_depth_pipeline.training.terms.sparse_points import sparse_point_error


def test_sparse_points_count_by_their_relief_whatever_their_unit(scene):
    rng, inverse = np.random.default_rng(0), 1 / scene["depth"]
    rows, columns = rng.integers(0, HEIGHT, 60), rng.integers(0, 96, 60)
    pixels = torch.tensor(np.stack([columns + 0.5, rows + 0.5, np.ones(60)], 1)).float()
    z = scene["depth"][0, 0, rows, columns]
    points = (pixels @ torch.linalg.inv(scene["K"][0]).T * z[:, None])[None]
    hidden = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [100.0, 0.0, 1.0]]])
    for unit in (1.0, 37.0):
        known = torch.cat([points * unit, hidden], 1)
        assert sparse_point_error(inverse, known, scene["K"]) < 1e-5
        tilted = (inverse * torch.linspace(0.8, 1.25, HEIGHT)[:, None]).requires_grad_()
        loss = sparse_point_error(tilted, known, scene["K"])
        assert 0.05 < loss < 0.2
        loss.backward()
        assert torch.isfinite(tilted.grad).all() and tilted.grad.abs().sum() > 0
    assert sparse_point_error(inverse, hidden, scene["K"]) == 0
