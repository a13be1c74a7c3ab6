"""The minimum over sources against its formula, with gradients."""

import torch

from aerial_depth_pipeline.training.kernels.minimum_reprojection import (
    mean_reprojection,
    minimum_reprojection,
    minimum_reprojection_plain,
)


def test_minimum_and_mean_look_only_at_usable_sources():
    error = torch.tensor([[[[0.1, 0.5, 0.3]], [[0.4, 0.2, 0.9]]]])
    usable = torch.tensor([[[[True, True, False]], [[True, False, False]]]])
    for combine, expected in (
        (minimum_reprojection, [0.1, 0.5, 0.0]),
        (mean_reprojection, [0.25, 0.5, 0.0]),
    ):
        value, mask = combine(error, usable)
        assert torch.allclose(value, torch.tensor([[expected]]))
        assert mask.tolist() == [[[True, True, False]]]


def test_the_kernel_and_its_gradient_are_those_of_the_plain_formula():
    torch.manual_seed(0)
    error = torch.rand(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    usable = torch.rand(2, 3, 5, 4) > 0.3
    results = [f(error, usable) for f in (minimum_reprojection, minimum_reprojection_plain)]
    weight = torch.rand_like(results[0][0])
    gradients = [torch.autograd.grad((r[0] * weight).sum(), error)[0] for r in results]
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])
    assert torch.equal(*gradients)


def test_of_equal_errors_the_first_takes_the_gradient():
    error = torch.full((1, 2, 1, 1), 0.5, requires_grad=True)
    minimum_reprojection(error, torch.ones(1, 2, 1, 1, dtype=torch.bool))[0].sum().backward()
    assert error.grad.flatten().tolist() == [1.0, 0.0]
