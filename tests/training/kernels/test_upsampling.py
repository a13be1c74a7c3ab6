"""Upsampling against its formula."""

import torch

from aerial_depth_pipeline.training.kernels.upsampling import upsample, upsample_plain


def test_upsampling_is_bilinear_and_a_validation_before_a_training_does_no_harm():
    small = torch.rand(2, 1, 7, 10, dtype=torch.float64, requires_grad=True)
    with torch.inference_mode():
        upsample(small.detach(), 13, 20)
    weight = torch.rand(2, 1, 13, 20, dtype=torch.float64)
    results = [f(small, 13, 20) for f in (upsample, upsample_plain)]
    assert torch.allclose(*results, atol=1e-12)
    gradients = [torch.autograd.grad((r * weight).sum(), small)[0] for r in results]
    assert torch.allclose(*gradients, atol=1e-12)
