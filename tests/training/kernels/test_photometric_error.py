"""SSIM and the photometric error against their formulas, with gradients."""

import pytest
import torch

from aerial_depth_pipeline.training.kernels.photometric_error import (
    box_mean,
    photometric_error,
    photometric_error_plain,
    ssim,
)


def noise(*size, **options) -> torch.Tensor:
    return torch.rand(*size, dtype=torch.float64, **options)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_ssim_is_one_for_equal_images_and_matches_its_formula():
    x, y = noise(2, 3, 9, 11), noise(2, 3, 9, 11)
    assert torch.allclose(ssim(x, x), torch.ones_like(ssim(x, x)))
    a, b = x[1, 2, 4:7, 5:8], y[1, 2, 4:7, 5:8]
    c1, c2 = 0.01**2, 0.03**2
    covariance = ((a - a.mean()) * (b - b.mean())).mean()
    expected = ((2 * a.mean() * b.mean() + c1) * (2 * covariance + c2)) / (
        (a.mean() ** 2 + b.mean() ** 2 + c1) * (a.var(correction=0) + b.var(correction=0) + c2)
    )
    assert torch.isclose(ssim(x, y)[1, 2, 4, 5], expected)


def test_ssim_constants_follow_the_range_of_values():
    x, y = noise(1, 3, 9, 9), noise(1, 3, 9, 9)
    assert torch.allclose(ssim(x, y, 1.0), ssim(255 * x, 255 * y, 255.0))
    assert not torch.allclose(ssim(x, y, 1.0), ssim(255 * x, 255 * y, 1.0))


def test_the_box_filter_is_a_mean_over_windows():
    x = noise(1, 2, 6, 7)
    assert torch.allclose(box_mean(x), torch.nn.functional.avg_pool2d(x, 3, 1))


@pytest.mark.parametrize("ssim_weight", [0.0, 0.85, 1.0])
def test_the_kernel_and_its_gradient_are_those_of_the_plain_formula(ssim_weight):
    prediction, target = noise(2, 3, 7, 8, requires_grad=True), noise(2, 3, 7, 8)
    weight = noise(2, 1, 5, 6)
    errors = [
        photometric_error(prediction, target, ssim_weight, 2.0),
        photometric_error_plain(prediction, target, ssim_weight, 2.0),
    ]
    assert torch.allclose(*errors, atol=1e-12)
    gradients = [torch.autograd.grad((e * weight).sum(), prediction)[0] for e in errors]
    assert torch.allclose(*gradients, atol=1e-10)


@pytest.mark.parametrize("ssim_weight", [0.0, 0.85, 1.0])
def test_the_gradient_is_that_of_finite_differences_also_for_several_warps(ssim_weight):
    prediction, target = noise(2, 1, 3, 5, 6, requires_grad=True), noise(1, 3, 5, 6)
    assert torch.autograd.gradcheck(
        lambda x: photometric_error(x, target, ssim_weight, 2.0), prediction
    )


def test_photometric_error_is_zero_for_equal_images_and_mixes_its_terms():
    x, y = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    assert photometric_error(x, x).abs().max() < 1e-6
    l1 = photometric_error(x, y, 0.0)
    assert torch.allclose(l1, (x - y).abs().mean(1, keepdim=True)[..., 1:-1, 1:-1])
    mixed = 0.7 * photometric_error(x, y, 1.0) + 0.3 * l1
    assert torch.allclose(photometric_error(x, y, 0.7), mixed, atol=1e-6)
