"""The terms of the loss on scenes whose answer is known."""

import numpy as np
import pytest
import torch
from tests.worlds.tiny_world import World, calibration, orbit

from aerial_depth_pipeline.geometry.ground import ground_slope, relative_inverse_depth
from aerial_depth_pipeline.geometry.poses import relative_pose, rotation_from_axis_angle
from aerial_depth_pipeline.geometry.warping import warp
from aerial_depth_pipeline.training.augmentation import (
    augment,
    flip_triplets,
    jitter_colour,
    turn_triplets,
    zoom_triplets,
)
from aerial_depth_pipeline.training.losses import (
    box_mean,
    depth_inconsistency,
    enlarged,
    masked_mean,
    mean_over_sources,
    minimum_over_sources,
    moving_pixels,
    photometric_error,
    pose_difference,
    robust_weight,
    smoothness,
    sparse_point_loss,
    ssim,
)
from aerial_depth_pipeline.training.objective import consistency_loss, self_supervised_loss
from aerial_depth_pipeline.training.settings import AugmentationSettings, LossSettings

W, H = 96, 64


@pytest.fixture(scope="module")
def scene():
    """A rendered triplet: images [1, 3, 3, H, W], depth [1, 1, H, W] in units of 60 m, K and
    relative poses."""
    K, world, poses = calibration(W, H), World.random(4), orbit(3, 2.0)
    rendered = [world.render(p, K, W, H) for p in poses]
    images = (
        torch.tensor(np.stack([r[0] for r in rendered])).permute(0, 3, 1, 2)[None].float() / 255
    )
    T = np.stack([relative_pose(poses[s], poses[1]) for s in (0, 2)])
    T[:, :3, 3] /= 60
    return {
        "images": images,
        "depth": torch.tensor(rendered[1][1], dtype=torch.float32)[None, None] / 60,
        "source_depth": torch.tensor(
            np.stack([rendered[s][1] for s in (0, 2)]), dtype=torch.float32
        )[None]
        / 60,
        "K": torch.tensor(K, dtype=torch.float32)[None],
        "T": torch.tensor(T, dtype=torch.float32)[None],
        "usable": torch.ones(1, 2, dtype=torch.bool),
    }


def loss_of(scene, depth=None, **settings):
    inverse = 1 / (scene["depth"] if depth is None else depth)
    images = scene["images"]
    return self_supervised_loss(
        [inverse],
        images[:, 1],
        images[:, [0, 2]],
        scene["K"],
        scene["T"],
        scene["usable"],
        LossSettings(**settings),
        scene.get("seen"),
    )


def test_ssim_is_one_for_equal_images_and_matches_its_formula():
    torch.manual_seed(0)
    x, y = (
        torch.rand(2, 3, 9, 11, dtype=torch.float64),
        torch.rand(2, 3, 9, 11, dtype=torch.float64),
    )
    assert torch.allclose(ssim(x, x), torch.ones_like(ssim(x, x)))
    a, b = x[1, 2, 4:7, 5:8], y[1, 2, 4:7, 5:8]
    c1, c2 = 0.01**2, 0.03**2
    covariance = ((a - a.mean()) * (b - b.mean())).mean()
    expected = ((2 * a.mean() * b.mean() + c1) * (2 * covariance + c2)) / (
        (a.mean() ** 2 + b.mean() ** 2 + c1) * (a.var(correction=0) + b.var(correction=0) + c2)
    )
    assert torch.isclose(ssim(x, y)[1, 2, 4, 5], expected)


def test_ssim_constants_follow_the_range_of_values():
    torch.manual_seed(0)
    x, y = torch.rand(1, 3, 9, 9, dtype=torch.float64), torch.rand(1, 3, 9, 9, dtype=torch.float64)
    assert torch.allclose(ssim(x, y, 1.0), ssim(255 * x, 255 * y, 255.0))
    assert not torch.allclose(ssim(x, y, 1.0), ssim(255 * x, 255 * y, 1.0))


def test_the_box_filter_is_a_mean_over_windows():
    torch.manual_seed(0)
    x = torch.rand(1, 2, 6, 7, dtype=torch.float64)
    assert torch.allclose(box_mean(x), torch.nn.functional.avg_pool2d(x, 3, 1))


@pytest.mark.parametrize("ssim_weight", [0.0, 0.85, 1.0])
def test_the_gradient_by_hand_of_the_photometric_error_is_right(ssim_weight):
    torch.manual_seed(0)
    prediction = torch.rand(2, 1, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, 3, 5, 6, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: photometric_error(x, target, ssim_weight, 2.0), prediction
    )


def test_photometric_error_is_zero_for_equal_images_and_mixes_its_terms():
    torch.manual_seed(0)
    x, y = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    assert photometric_error(x, x).abs().max() < 1e-6
    pure_l1 = photometric_error(x, y, 0.0)
    assert torch.allclose(pure_l1, (x - y).abs().mean(1, keepdim=True)[..., 1:-1, 1:-1])
    mixed = 0.7 * photometric_error(x, y, 1.0) + 0.3 * pure_l1
    assert torch.allclose(photometric_error(x, y, 0.7), mixed, atol=1e-6)


def test_minimum_and_mean_look_only_at_usable_sources():
    error = torch.tensor([[[[0.1, 0.5, 0.3]], [[0.4, 0.2, 0.9]]]])
    usable = torch.tensor([[[[True, True, False]], [[True, False, False]]]])
    smallest, mask = minimum_over_sources(error, usable)
    assert torch.allclose(smallest, torch.tensor([[[0.1, 0.5, 0.0]]])) and mask.tolist() == [
        [[True, True, False]]
    ]
    mean, mask = mean_over_sources(error, usable)
    assert torch.allclose(mean, torch.tensor([[[0.25, 0.5, 0.0]]])) and mask.tolist() == [
        [[True, True, False]]
    ]


def test_the_gradient_of_the_minimum_goes_to_the_smallest_usable_error_alone():
    torch.manual_seed(0)
    error, usable = (
        torch.rand(2, 3, 5, 4, dtype=torch.float64, requires_grad=True),
        torch.rand(2, 3, 5, 4) > 0.3,
    )
    smallest, mask = minimum_over_sources(error, usable)
    weight = torch.rand_like(smallest)
    (given,) = torch.autograd.grad((smallest * weight).sum(), error)
    expected = torch.zeros_like(error)
    chosen = torch.where(usable, error.detach(), torch.inf).argmin(1, keepdim=True)
    expected.scatter_(1, chosen, (weight * mask)[:, None])
    assert torch.equal(mask, usable.any(1)) and torch.equal(given, expected)


def test_enlarging_is_bilinear_and_a_validation_before_a_training_does_no_harm():
    small = torch.rand(2, 1, 7, 10, dtype=torch.float64, requires_grad=True)
    with torch.inference_mode():
        enlarged(small.detach(), 13, 20)
    weight = torch.rand(2, 1, 13, 20, dtype=torch.float64)
    results = [
        enlarged(small, 13, 20),
        torch.nn.functional.interpolate(small, (13, 20), mode="bilinear", align_corners=False),
    ]
    assert torch.allclose(*results, atol=1e-12)
    assert torch.allclose(
        *(torch.autograd.grad((r * weight).sum(), small)[0] for r in results), atol=1e-12
    )


def test_an_empty_mask_gives_zero_and_a_finite_gradient():
    value = torch.rand(1, 4, 4, requires_grad=True)
    result = masked_mean(value, torch.zeros(1, 4, 4, dtype=torch.bool))
    result.backward()
    assert float(result) == 0 and torch.isfinite(value.grad).all()


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
    assert moving_pixels(error, torch.tensor([[0.2, 0.2]])).tolist() == [[True, False]]


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
    images, inverse = scene["images"], 1 / scene["depth"]
    maps = [inverse, torch.nn.functional.interpolate(inverse, scale_factor=0.5, mode="area")]
    for full in (True, False):
        settings = LossSettings(scales_at_full_size=full)
        terms = self_supervised_loss(
            maps, images[:, 1], images[:, [0, 2]], scene["K"], scene["T"], scene["usable"], settings
        )
        assert terms["photometric"] < 0.5 * terms["unwarped"]


def inconsistency(scene, factor=1.0, depth=None, usable=None):
    usable = scene["usable"] if usable is None else usable
    inverse = 1 / (scene["depth"] if depth is None else depth)
    return consistency_loss(
        inverse, 1 / (scene["source_depth"] * factor), scene["K"], scene["T"], usable
    )


def test_frames_with_their_true_depth_agree_and_another_scale_of_one_is_seen(scene):
    disagreement, inside = depth_inconsistency(
        scene["depth"], scene["source_depth"][:, :1], scene["K"], scene["T"][:, 0]
    )
    # Only the edges of boxes disagree, where one frame sees what the other does not.
    assert float(disagreement[inside].median()) < 1e-3 and 0.8 < float(inside.float().mean()) < 1
    assert float(inconsistency(scene)) < 0.02
    disagreement, inside = depth_inconsistency(
        scene["depth"], scene["source_depth"][:, :1] * 1.5, scene["K"], scene["T"][:, 0]
    )
    assert float(disagreement[inside].median()) == pytest.approx(0.5 / 2.5, abs=1e-3)


def test_consistency_pulls_the_frames_to_one_scale_and_ignores_unreliable_pairs(scene):
    scale = torch.tensor(1.3, requires_grad=True)
    inconsistency(scene, depth=scene["depth"] * scale).backward()
    assert scale.grad > 0
    scale = torch.tensor(1.3, requires_grad=True)
    inconsistency(scene, factor=scale).backward()
    assert scale.grad > 0
    assert inconsistency(scene, factor=2.0, usable=torch.zeros(1, 2, dtype=torch.bool)) == 0


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
    patch = torch.zeros(H, W, dtype=torch.bool)
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
    assert loss_of(scene, smoothness=0.0)["smoothness"] == 0
    assert loss_of(scene, smoothness=0.1)["smoothness"] > 0
    assert not torch.equal(
        loss_of(scene, minimum=False)["photometric"], loss_of(scene)["photometric"]
    )


def test_a_flipped_triplet_has_the_same_loss(scene):
    off_centre = dict(scene)
    # A principal point off the middle, or a pose left alone, would show here.
    images, K, T = scene["images"][..., :-16], scene["K"], scene["T"]
    off_centre.update(images=images, depth=scene["depth"][..., :-16])
    before = loss_of(off_centre)
    flipped, K_flipped, T_flipped = flip_triplets(images, K, T, torch.tensor([True]))
    assert float(K_flipped[0, 0, 2]) == pytest.approx(images.shape[-1] - W / 2)
    mirrored = dict(
        off_centre, images=flipped, K=K_flipped, T=T_flipped, depth=off_centre["depth"].flip(-1)
    )
    assert torch.isclose(loss_of(mirrored)["total"], before["total"], rtol=1e-4)
    for wrong in (dict(mirrored, K=K), dict(mirrored, T=T)):
        assert loss_of(wrong)["photometric"] > 1.3 * before["photometric"]


def test_samples_that_are_not_chosen_stay_as_they_are(scene):
    images, K, T = flip_triplets(scene["images"], scene["K"], scene["T"], torch.tensor([False]))
    assert (
        torch.equal(images, scene["images"])
        and torch.equal(K, scene["K"])
        and torch.equal(T, scene["T"])
    )


def test_a_zoomed_triplet_still_fits_its_depth(scene):
    factor, place = torch.tensor([1.5]), torch.tensor([[0.8, 0.3]])
    images, K = zoom_triplets(scene["images"], scene["K"], factor, place)
    depth = zoom_triplets(scene["depth"].expand(1, 3, H, W)[:, None], scene["K"], factor, place)[0][
        :, 0, :1
    ]
    zoomed = dict(scene, images=images, K=K, depth=depth)
    assert loss_of(zoomed)["photometric"] < 0.5 * loss_of(zoomed)["unwarped"]
    assert loss_of(dict(zoomed, K=scene["K"]))["photometric"] > 1.2 * loss_of(zoomed)["photometric"]


def test_a_turned_triplet_is_what_a_turned_camera_sees(scene):
    K, turn = calibration(W, H), torch.tensor([[0.08, -0.1, 0.15]])
    R = np.eye(4)
    R[:3, :3] = rotation_from_axis_angle(turn)[0].double()
    poses = [R @ pose for pose in orbit(3, 2.0)]
    rendered = [World.random(4).render(p, K, W, H) for p in poses]
    T = np.stack([relative_pose(poses[s], poses[1]) for s in (0, 2)])
    T[:, :3, 3] /= 60
    images, turned_T, seen = turn_triplets(scene["images"], scene["K"], scene["T"], turn)
    assert np.allclose(turned_T[0], T, atol=1e-5)
    assert 0.6 < seen.float().mean() < 0.95
    expected = torch.tensor(rendered[1][0]).permute(2, 0, 1).float() / 255
    turned_back = turn_triplets(scene["images"], scene["K"], scene["T"], -turn)[0]
    difference, wrong = (
        (shown[0, 1] - expected).abs().mean(0)[seen[0, 0]].mean() for shown in (images, turned_back)
    )
    assert difference < 0.4 * wrong  # sampled twice, the picture is softer than a rendered one
    depth = torch.tensor(rendered[1][1], dtype=torch.float32)[None, None] / 60
    turned = dict(scene, images=images, T=turned_T, depth=depth, seen=seen)
    assert loss_of(turned)["photometric"] < 0.5 * loss_of(turned)["unwarped"]
    assert (
        loss_of(dict(turned, T=scene["T"]))["photometric"] > 1.15 * loss_of(turned)["photometric"]
    )


def test_the_guide_turns_with_the_camera_and_only_pictures_count(scene):
    batch = {name: scene[name] for name in ("images", "K", "T", "usable")} | {
        "guide": 1 / scene["depth"]
    }
    batch["random"] = torch.full((1, 16), 0.5)
    batch["random"][0, 10:13] = torch.tensor([0.9, 0.2, 0.8])
    turned, seen_by_network = augment(batch, AugmentationSettings(flip=0.0, colour=0.0, turn=10.0))
    assert torch.equal(seen_by_network, turned["images"])
    angle = np.radians(10) * (2 * batch["random"][0, 10:13].numpy() - 1)
    R = np.eye(4)
    R[:3, :3] = rotation_from_axis_angle(torch.tensor(angle)[None])[0].double()
    depth = World.random(4).render(R @ orbit(3, 2.0)[1], calibration(W, H), W, H)[1] / 60
    known = turned["guide"][0, 0] > 0
    assert torch.equal(known, turned["seen"][0, 0])
    ratio = turned["guide"][0, 0][known] * torch.tensor(depth, dtype=torch.float32)[known]
    assert (ratio - 1).abs().median() < 0.006  # the nearest pixel is up to half a pixel off
    # What was filled in must not count: without its mask it does.
    used, whole = (
        loss_of(turned | {"depth": torch.tensor(depth).float()[None, None]}),
        {**turned, "seen": None},
    )
    whole = loss_of(whole | {"depth": torch.tensor(depth).float()[None, None]})
    assert used["used"] < whole["used"] and used["photometric"] < whole["photometric"]


def test_the_upward_direction_follows_the_picture():
    K, pose = torch.tensor(calibration(W, H))[None].float(), orbit(3, 2.0)[1]
    K[:, 0, 2] += 5
    batch = {
        "images": torch.rand(1, 3, 3, H, W),
        "K": K,
        "T": torch.eye(4).repeat(1, 2, 1, 1),
        "random": torch.full((1, 16), 0.3),
    }
    batch["up"] = torch.tensor(pose[:3, 2]).float()[None]

    def ground(batch: dict) -> torch.Tensor:
        return relative_inverse_depth(ground_slope(batch["up"], batch["K"], H, W), H, W)

    off = AugmentationSettings(flip=0.0, colour=0.0)
    flipped, _ = augment(batch, off.model_copy(update={"flip": 1.0}))
    torch.testing.assert_close(ground(flipped), ground(batch).flip(-1))
    zoomed, _ = augment(batch, off.model_copy(update={"zoom": 1.5}))
    cut = zoom_triplets(
        ground(batch).expand(1, 3, H, W)[:, None],
        K,
        torch.tensor([1.15]),
        torch.tensor([[0.3, 0.3]]),
    )[0][:, 0, :1]
    ratio = (ground(zoomed) / cut)[..., 2:-2, 2:-2]
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=2e-3, atol=0)
    turned, _ = augment(batch, off.model_copy(update={"turn": 10.0}))
    # Points move with their picture as directions do.
    moved, _ = augment(
        batch | {"points": batch["up"][:, None]}, off.model_copy(update={"flip": 1.0, "turn": 10.0})
    )
    torch.testing.assert_close(moved["points"][:, 0], moved["up"])
    angle = torch.full((1, 3), np.radians(10) * (2 * 0.3 - 1))
    torch.testing.assert_close(
        turned["up"], (rotation_from_axis_angle(angle)[0] @ batch["up"][0])[None].float()
    )


def test_sparse_points_count_by_their_relief_whatever_their_unit(scene):
    rng, inverse = np.random.default_rng(0), 1 / scene["depth"]
    rows, columns = rng.integers(0, H, 60), rng.integers(0, W, 60)
    pixels = torch.tensor(np.stack([columns + 0.5, rows + 0.5, np.ones(60)], 1)).float()
    z = scene["depth"][0, 0, rows, columns]
    points = (pixels @ torch.linalg.inv(scene["K"][0]).T * z[:, None])[None]
    hidden = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [100.0, 0.0, 1.0]]])
    for unit in (1.0, 37.0):
        known = torch.cat([points * unit, hidden], 1)
        assert sparse_point_loss(inverse, known, scene["K"]) < 1e-5
        tilted = (inverse * torch.linspace(0.8, 1.25, H)[:, None]).requires_grad_()
        loss = sparse_point_loss(tilted, known, scene["K"])
        assert 0.05 < loss < 0.2
        loss.backward()
        assert torch.isfinite(tilted.grad).all() and tilted.grad.abs().sum() > 0
    assert sparse_point_loss(inverse, hidden, scene["K"]) == 0


def test_augmentation_keeps_its_precision_under_autocast(scene):
    batch = {name: scene[name] for name in ("images", "K", "T", "usable")} | {
        "random": torch.full((1, 16), 0.3)
    }
    settings = AugmentationSettings(flip=1.0, colour=0.2, zoom=1.3, turn=5.0)
    exact, _ = augment(batch, settings)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, _ = augment(batch, settings)
    for name in ("T", "K", "images"):
        assert torch.equal(mixed[name], exact[name]), name


def test_colour_changes_leave_neutral_factors_alone():
    images = torch.rand(2, 3, 3, 8, 8)
    assert torch.allclose(jitter_colour(images, torch.ones(2, 6)), images, atol=1e-6)
    brighter = jitter_colour(images * 0.5, torch.tensor([[1.2, 1, 1, 1, 1, 1]] * 2))
    assert torch.allclose(brighter, images * 0.6, atol=1e-6)


def test_the_difference_of_poses_is_a_share_of_the_step(scene):
    given, usable = scene["T"], scene["usable"]
    assert pose_difference(given, given, usable, 1.0) == 0
    longer = given.clone()
    longer[..., :3, 3] *= 1.25
    assert float(pose_difference(longer, given, usable, 1.0)) == pytest.approx(0.25, abs=1e-5)
    # A turn by a small angle moves what lies at depth 2 by twice the angle; here that is a tenth of
    # the step.
    angle = 0.05 * float(given[0, 1, :3, 3].norm())
    turn = rotation_from_axis_angle(torch.tensor([[0.0, angle, 0.0]]))
    turned = given.clone()
    turned[:, 1, :3, :3] = turn @ given[:, 1, :3, :3]
    only_second = torch.tensor([[False, True]])
    assert float(pose_difference(turned, given, only_second, 2.0)) == pytest.approx(0.1, rel=0.01)
