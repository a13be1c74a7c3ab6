"""The photometric loss on scenes whose answer is known."""

import pytest
import torch
from tests.worlds.loss_scene import HEIGHT, WIDTH, context_of, loss_of

from aerial_depth_pipeline.geometry.warping import warp
from aerial_depth_pipeline.training.kernels.photometric_error import photometric_error
from aerial_depth_pipeline.training.objective import objective
from aerial_depth_pipeline.training.terms.photometric import auto_mask, robust_weight


def test_true_depth_has_a_smaller_loss_than_any_wrong_one(scene):
    right = loss_of(scene)["photometric"]
    for factor in (0.8, 0.9, 1.1, 1.25):
        assert loss_of(scene, scene["depth"] * factor)["photometric"] > 1.1 * right
    assert loss_of(scene)["unwarped"] > 2 * right


def test_the_gradient_pulls_toward_the_true_depth(scene):
    for factor, sign in ((0.9, 1), (1.1, -1)):
        scale = torch.tensor(factor, requires_grad=True)
        loss_of(scene, scene["depth"] * scale, smoothness=0.0)["total"].backward()
        assert float(scale.grad) * sign < 0


def test_still_pixels_are_masked(scene):
    still = dict(scene, images=scene["images"][:, [1, 1, 1]])
    facts = loss_of(still)
    assert float(facts["used"]) < 0.02
    assert float(loss_of(still, auto_mask=False)["used"]) > 0.9
    error = torch.tensor([[0.1, 0.2]])
    assert auto_mask(error, torch.tensor([[0.2, 0.2]])).tolist() == [[True, False]]


def test_pixels_outside_the_source_do_not_count(scene):
    away = dict(scene, T=scene["T"].clone())
    away["T"][:, :, 0, 3] = 50.0
    assert float(loss_of(away, auto_mask=False)["used"]) == 0
    assert float(loss_of(away, auto_mask=False, mask_out_of_view=False)["used"]) == 1


def test_an_unreliable_pair_is_excluded_from_the_minimum(scene):
    wrong = dict(scene, T=scene["T"].clone(), usable=torch.tensor([[True, False]]))
    expected = loss_of(wrong)["total"]
    wrong["T"][:, 1] = torch.eye(4)
    assert torch.equal(loss_of(wrong)["total"], expected)
    assert not torch.equal(
        loss_of(dict(wrong, usable=torch.ones(1, 2, dtype=torch.bool)))["total"], expected
    )


def test_scales_may_be_compared_at_full_or_at_their_own_size(scene):
    inverse = 1 / scene["depth"]
    maps = [inverse, torch.nn.functional.interpolate(inverse, scale_factor=0.5, mode="area")]
    for full in (True, False):
        terms = objective(context_of(scene, maps, scales_at_full_size=full))
        assert terms["photometric"] < 0.5 * terms["unwarped"]


@pytest.fixture
def passing_car(scene):
    """The scene with a checkered patch that moves across the picture by itself."""
    images = scene["images"].clone()
    board = ((torch.arange(12)[:, None] // 2 + torch.arange(12) // 2) % 2).float()
    for frame, column in enumerate((30, 40, 50)):
        images[0, frame, :, 26:38, column : column + 12] = board
    return dict(scene, images=images)


def test_what_moves_by_itself_counts_less(scene, passing_car):
    images, source = passing_car["images"], passing_car["images"][:, 0]
    warped, inside = warp(source, scene["depth"], scene["K"], scene["T"][:, 0])
    error = photometric_error(warped, images[:, 1])[:, 0]
    weight = robust_weight(error, inside[:, 0, 1:-1, 1:-1], 4.0)[0]
    patch = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    patch[26:38, 40:52] = True
    patch = patch[1:-1, 1:-1]
    assert float(weight[patch].mean()) < 0.25 and float(weight[~patch].median()) > 0.9
    assert torch.equal(
        robust_weight(error, torch.zeros_like(inside[:, 0, 1:-1, 1:-1]), 4.0),
        torch.ones_like(error),
    )


def test_robust_weights_keep_a_moving_object_from_raising_the_loss(scene, passing_car):
    def photometric(triplet, robust, depth=None):
        return loss_of(triplet, depth, robust=robust, auto_mask=False)["photometric"]

    raised, raised_robust = (
        float(photometric(passing_car, robust) - photometric(scene, robust))
        for robust in (0.0, 2.0)
    )
    assert raised > 0.01 and raised_robust < 0.4 * raised
    for factor in (0.8, 1.25):
        assert photometric(passing_car, 2.0, scene["depth"] * factor) > 1.1 * photometric(
            passing_car, 2.0
        )


def test_each_term_is_turned_off_by_its_weight(scene):
    assert "smoothness" not in loss_of(scene, smoothness=0.0)
    assert loss_of(scene, smoothness=0.1)["smoothness"] > 0
    assert not torch.equal(
        loss_of(scene, minimum_reprojection=False)["photometric"], loss_of(scene)["photometric"]
    )
