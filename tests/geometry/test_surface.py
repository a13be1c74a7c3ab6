"""Plane and surface through points of one frame, against inverse depth that is known everywhere."""

import numpy as np
import pytest

from aerial_depth_pipeline.geometry.surface import (
    FramePoints,
    plane_of_points,
    plane_through,
    surface_through,
)

WIDTH, HEIGHT = 192, 128
V, U = np.meshgrid(
    (2 * np.arange(HEIGHT) + 1) / HEIGHT - 1, (2 * np.arange(WIDTH) + 1) / WIDTH - 1, indexing="ij"
)
GROUND = (1 + 0.15 * U + 0.6 * V) / 60
PLAIN = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)


def sampled(inverse_HW, count=500, where=None, noise=0.0, seed=0) -> FramePoints:
    random = np.random.default_rng(seed)
    rows, columns = np.nonzero(np.ones_like(inverse_HW, bool) if where is None else where)
    chosen = random.choice(len(rows), count, replace=False)
    rows, columns = rows[chosen], columns[chosen]
    inverse = inverse_HW[rows, columns] * (1 + random.normal(0, noise, count))
    return FramePoints(np.stack([columns, rows], 1) + 0.5, inverse, 0.01 * inverse)


def abs_rel(inverse_HW, truth_HW) -> float:
    return float(np.abs(truth_HW / inverse_HW - 1).mean())


def with_houses() -> tuple[np.ndarray, np.ndarray]:
    """Level ground with two flat roofs, and an image that shows their outlines."""
    inverse, image = GROUND.copy(), PLAIN.copy()
    for rows, columns in ((slice(30, 70), slice(40, 80)), (slice(70, 110), slice(120, 170))):
        inverse[rows, columns] *= 1.4
        image[rows, columns] = (190, 90, 70)
    return inverse, image


def test_a_plane_is_found_exactly():
    plane = plane_through(sampled(GROUND), WIDTH, HEIGHT)
    np.testing.assert_allclose(plane * 60, (0.15, 0.6, 1.0), atol=0.01)


def test_the_plane_ignores_what_stands_on_it():
    inverse, _ = with_houses()
    assert abs_rel(plane_of_points(sampled(inverse), PLAIN), GROUND) < 0.02


@pytest.mark.parametrize("fill", [plane_of_points, surface_through])
def test_points_on_one_side_keep_the_slope_of_level_ground_elsewhere(fill):
    points = sampled(GROUND, 30, (U < -0.7) & (np.abs(V) < 0.15), noise=0.03)
    found = fill(points, PLAIN, np.array([0.15, 0.6]))
    assert abs_rel(found, GROUND) < 0.05


def test_the_surface_follows_roofs_and_their_edges():
    inverse, image = with_houses()
    points = sampled(inverse, 700, noise=0.01)
    found = surface_through(points, image)
    assert abs_rel(found, inverse) < 0.02
    assert abs_rel(plane_of_points(points, image), inverse) > 0.04
    # Without outlines in the image the steps are smeared.
    assert abs_rel(found, inverse) < 0.8 * abs_rel(surface_through(points, PLAIN), inverse)


def test_wrong_points_do_not_bend_the_surface():
    points = sampled(GROUND, 500)
    crowd = points.inverse_N.copy()
    crowd[::7] *= 2.5  # every seventh moves by itself
    found = surface_through(FramePoints(points.pixels_N2, crowd, points.deviation_N), PLAIN)
    assert abs_rel(found, GROUND) < 0.06
    assert found.max() < 2.5 * GROUND.max() and found.min() > 0.5 * GROUND.min()


def test_uncertain_points_count_less():
    points = sampled(GROUND, 400)
    wrong = np.arange(400) % 2 == 0
    inverse = np.where(wrong, 1.3, 1.0) * points.inverse_N
    stated = np.where(wrong, 0.3, 0.01) * inverse
    found = surface_through(FramePoints(points.pixels_N2, inverse, stated), PLAIN)
    assert abs_rel(found, GROUND) < 0.02


def test_where_there_are_no_points_nothing_wild_happens():
    inverse, image = with_houses()
    points = sampled(inverse, 200, U < 0)
    found = surface_through(points, image)
    assert abs_rel(found[:, WIDTH // 2 :], GROUND[:, WIDTH // 2 :]) < 0.25
    assert np.isfinite(found).all() and (found > 0).all()


def test_a_horizon_stays_far_and_positive():
    inverse = np.maximum(0.3 + V, 0.02) / 60
    found = surface_through(sampled(inverse, 600, V > -0.2), PLAIN)
    assert (found > 0).all()
    assert found[0].max() < found[-1].min() / 5


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="12 points, not 11"):
        plane_through(sampled(GROUND, 11), WIDTH, HEIGHT)
