import pytest
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.networks.kernels.convolutions import (
    convolve,
    convolve_doubled,
    convolve_to_one,
)


def doubled(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return convolve(F.interpolate(x, scale_factor=2, mode="nearest"), weight)


@pytest.mark.parametrize(
    ("form", "plain", "outgoing"), [(convolve_doubled, doubled, 3), (convolve_to_one, convolve, 1)]
)
@pytest.mark.parametrize("size", [(4, 6), (1, 3), (5, 1)])
def test_each_form_is_the_plain_convolution_with_its_gradient(form, plain, outgoing, size):
    torch.manual_seed(0)
    x = (
        torch.rand(2, 5, *size, dtype=torch.float64)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
    )
    weight = torch.randn(outgoing, 5, 3, 3, dtype=torch.float64).requires_grad_()
    given, expected = form(x, weight), plain(x, weight)
    assert given.shape == expected.shape and torch.allclose(given, expected)
    factor = torch.randn_like(given)
    gradients = [torch.autograd.grad((y * factor).sum(), (x, weight)) for y in (given, expected)]
    assert all(torch.allclose(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize(
    ("form", "plain", "outgoing"), [(convolve_doubled, doubled, 8), (convolve_to_one, convolve, 1)]
)
def test_in_half_the_bits_each_form_is_as_exact_as_the_plain_one(form, plain, outgoing):
    torch.manual_seed(0)
    x = torch.rand(2, 16, 12, 20).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(outgoing, 16, 3, 3, requires_grad=True)
    factor = torch.randn(plain(x, weight).shape)

    def everything(function):
        y = function(x, weight)
        return y.detach().float(), torch.autograd.grad((y * factor).sum(), weight)[0]

    exact = everything(plain)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = everything(form), everything(plain)
    for precise, a, b in zip(exact, ours, theirs, strict=True):
        assert (a - precise).norm() < 2 * (b - precise).norm() < 0.02 * precise.norm()
