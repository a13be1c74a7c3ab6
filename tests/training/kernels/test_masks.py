"""Means over masks."""

import torch

from aerial_depth_pipeline.training.kernels.masks import masked_mean


def test_a_masked_mean_is_the_mean_of_what_the_mask_shows():
    value, mask = torch.rand(2, 5, 4), torch.rand(2, 5, 4) > 0.5
    torch.testing.assert_close(masked_mean(value, mask), value[mask].mean())


def test_an_empty_mask_gives_zero_and_a_finite_gradient():
    value = torch.rand(1, 4, 4, requires_grad=True)
    result = masked_mean(value, torch.zeros(1, 4, 4, dtype=torch.bool))
    result.backward()
    assert result.item() == 0 and torch.isfinite(value.grad).all()
