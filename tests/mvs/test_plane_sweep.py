"""A sweep over planes scores best where the surface is, on both of its implementations."""

import numpy as np
import pytest
import torch
from tests.worlds import block_world

from aerial_depth_pipeline.geometry.poses import relative_pose
from aerial_depth_pipeline.mvs.backends.plane_sweep import sweep_view
from aerial_depth_pipeline.mvs.backends.raw_depth import RawDepth
from aerial_depth_pipeline.mvs.dense import confirm
from aerial_depth_pipeline.mvs.matching_scores import matching_scores, plane_homographies
from aerial_depth_pipeline.mvs.planes import (
    PlaneFamily,
    displacement_per_unit,
    fit_plane,
    make_planes,
    visible_points,
)
from aerial_depth_pipeline.mvs.settings import DenseSettings


def ground_plane(pose, view):
    """Coefficients in inverse depth of the world's plane z = 0."""
    normal, offset = pose[:3, 2], pose[:3, :3].T @ pose[:3, 3]
    # A point of the plane has n·X = d in the camera, so 1/z = n·K⁻¹p / d.
    distance = normal @ (pose[:3, :3] @ np.zeros(3) + pose[:3, 3])
    assert np.isclose(distance, offset[2])
    return np.linalg.inv(view.K).T @ normal / distance


def test_a_planes_homography_takes_its_points_where_the_source_sees_them(flown):
    _, depths, poses, view = flown
    coefficients = ground_plane(poses[3], view)
    H = plane_homographies(view.K, relative_pose(poses[5], poses[3]), coefficients[None])[0]
    for point in ([0.0, 20.0, 0.0], [-9.0, -15.0, 0.0], [15.0, 2.0, 0.0]):
        pixels = []
        for pose in (poses[3], poses[5]):
            image = view.K @ (pose[:3, :3] @ point + pose[:3, 3])
            pixels.append(image[:2] / image[2])
        moved = H @ [*pixels[0], 1.0]
        assert np.allclose(moved[:2] / moved[2], pixels[1], atol=1e-6)


@pytest.mark.parametrize("windows", [(5,), (5, 9)])
def test_opencv_and_torch_give_the_same_scores(flown, windows):
    images, _, poses, view = flown
    base = ground_plane(poses[3], view)
    family = PlaneFamily(np.linspace(0.9, 1.3, 5)[:, None] * base, "ground")
    relative = [relative_pose(poses[i], poses[3]) for i in (1, 2, 5)]
    arguments = (images[3], [images[i] for i in (1, 2, 5)], view.K, relative, family, windows, 2)
    one, other = (
        matching_scores(*arguments).numpy(),
        matching_scores(*arguments, device="cpu:0").numpy(),
    )
    inner = (slice(None), slice(10, -10), slice(10, -10))
    seen = (one[inner] > -1) & (other[inner] > -1)
    assert seen.mean() > 0.7
    # OpenCV rounds warped values to whole grey levels and places to 1/32 pixel.
    assert np.abs(one[inner] - other[inner])[seen].mean() < 0.02


def test_scores_are_highest_on_the_plane_of_the_ground(flown):
    images, depths, poses, view = flown
    base = ground_plane(poses[3], view)
    family = PlaneFamily(np.linspace(0.8, 1.2, 21)[:, None] * base, "ground")
    relative = [relative_pose(poses[i], poses[3]) for i in (1, 2, 4, 5)]
    scores = matching_scores(
        images[3], [images[i] for i in (1, 2, 4, 5)], view.K, relative, family, (7,), 2
    )
    on_ground = np.abs(depths[3] - 1 / family.inverse_depth(np.full(depths[3].shape, 10.0))) < 0.01
    assert on_ground.mean() > 0.4
    found = scores.argmax(0).numpy()[on_ground]
    assert (np.abs(found - 10) <= 1).mean() > 0.95


def test_inverse_depth_of_an_index_is_the_planes_own():
    coefficients = np.linspace([0.001, 0.002, 0.01], [0.002, 0.004, 0.02], 9)
    family = PlaneFamily(coefficients, "ground")
    index = np.full((4, 6), 3.0)
    v, u = np.mgrid[0.5:4.5, 0.5:6.5]
    assert np.allclose(
        family.inverse_depth(index),
        coefficients[3, 0] * u + coefficients[3, 1] * v + coefficients[3, 2],
        rtol=1e-5,
    )
    assert np.allclose(
        family.inverse_depth(index + 0.5),
        0.5 * (family.inverse_depth(index) + family.inverse_depth(index + 1)),
        rtol=1e-5,
    )


def test_planes_contain_the_scene_and_are_a_pixel_apart(flown):
    _, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    pixels, inverse = visible_points(model, 3, [2, 4])
    relative = [relative_pose(poses[i], poses[3]) for i in (0, 6)]
    per_unit = displacement_per_unit(view.K, relative, pixels, inverse)
    family = make_planes(
        pixels, inverse, "ground", per_unit, (view.height, view.width), 1.0, 256, (0.3, 0.15)
    )
    truth = 1 / depths[3]
    assert (
        (family.inverse_depth(np.zeros_like(truth)) < truth)
        & (truth < family.inverse_depth(np.full_like(truth, len(family) - 1)))
    ).mean() > 0.99
    frontal = make_planes(
        pixels, inverse, "frontal", per_unit, (view.height, view.width), 1.0, 256, (0.3, 0.15)
    )
    assert len(family) < 0.6 * len(frontal)  # the slope of the ground costs no planes


def test_a_plane_is_fitted_through_most_points_not_all():
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 300, (200, 2))
    inverse = 0.01 + pixels @ [1e-5, 4e-5]
    inverse[:60] += 0.02
    assert np.allclose(fit_plane(pixels, inverse), [1e-5, 4e-5, 0.01], atol=[1e-6, 1e-6, 2e-4])


@pytest.mark.parametrize("options", [{}, {"sweep": "frontal"}, {"sweep": "both"}, {"paths": 4}])
def test_depth_of_known_poses_is_exact_to_a_percent(flown, options):
    images, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    raw = sweep_view(model, dict(enumerate(images)), 3, [1, 2, 4, 5], DenseSettings(**options))
    found = raw.depth_HW > 0
    error = np.abs(raw.depth_HW / depths[3] - 1)[found]
    assert found.mean() > 0.85
    assert np.median(error) < 0.003
    assert (error < 0.02).mean() > 0.93


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


def test_what_only_one_view_claims_is_removed(flown):
    images, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    score = np.ones((view.height, view.width), np.float32)
    raw = {i: RawDepth(depth.copy(), score) for i, depth in enumerate(depths)}
    raw[3].depth_HW[60:100, 100:160] *= 1.2
    result = confirm(model, raw, 3, [2, 4, 1, 5], DenseSettings())
    assert (result.depth_HW[65:95, 105:155] == 0).all()
    untouched = np.ones_like(score, bool)
    untouched[50:110, 90:170] = False
    assert (result.depth_HW[untouched] > 0).mean() > 0.8
    kept = result.depth_HW > 0
    assert np.abs(result.depth_HW / depths[3] - 1)[kept].max() < 0.02
    assert (result.agreeing_HW[kept] >= 2).all()


def test_costs_fit_their_integers():
    from aerial_depth_pipeline.mvs.sgm import aggregate, to_cost

    scores = torch.full((20, 12, 14), -1.0)
    total = aggregate(to_cost(scores), 2.0, 4.0, torch.zeros(12, 14), 8)
    assert total.min() > 0  # nothing overflowed
