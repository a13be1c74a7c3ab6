"""The planes of a sweep."""

import cv2
import numpy as np
from tests.worlds import block_world

from aerial_depth_pipeline.geometry.poses import relative_pose
from aerial_depth_pipeline.mvs.planes import (
    PlaneFamily,
    displacement_per_unit,
    fit_plane,
    inverse_of,
    make_planes,
    to_opencv,
    visible_points,
)


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


def test_a_homography_moves_opencvs_pixels_as_ours():
    H = np.array([[1.1, 0.02, 3.0], [-0.03, 0.95, -2.0], [1e-4, 2e-4, 1.0]])
    pixel = np.array([20.5, 31.0])
    ours = H @ [*pixel, 1]
    opencv = cv2.perspectiveTransform((pixel - 0.5)[None, None], to_opencv(H))[0, 0]
    np.testing.assert_allclose(opencv + 0.5, ours[:2] / ours[2])


def test_a_missing_depth_has_a_missing_inverse():
    np.testing.assert_array_equal(inverse_of(np.array([0.0, 4.0, -1.0])), [0, 0.25, 0])
    np.testing.assert_array_equal(inverse_of(np.array([0.0, 4.0]), np.nan), [np.nan, 0.25])
