"""What a network adds to the surface through points is kept as far as held-back points agree."""

import numpy as np
import pytest

from aerial_depth_pipeline.geometry.surface import FramePoints, start_of
from aerial_depth_pipeline.networks.held_back_points import (
    HeldBackPoints,
    expected_error,
    look_at_points,
    weighted,
)

HEIGHT, WIDTH = 48, 80
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
LEVEL = np.zeros(2)
WAVES = 0.3 * np.sin(np.arange(WIDTH) / 1.5)[None] * np.ones((HEIGHT, 1))  # too fine for points


def points(relief_HW: np.ndarray, count: int = 150) -> FramePoints:
    random = np.random.default_rng(0)
    x, y = random.integers(0, WIDTH, count), random.integers(0, HEIGHT, count)
    inverse = np.exp(relief_HW[y, x]) / 40
    return FramePoints(np.stack([x, y], 1) + 0.5, inverse, 0.02 * inverse)


def network(added_HW: np.ndarray):
    """Multiplies the surface by a factor whose logarithm this is."""
    return lambda image, slope, start: 1 / (start[0] * np.exp(added_HW))


@pytest.mark.parametrize(("share", "expected"), [(1.0, 1.0), (2.0, 0.5), (-1.0, 0.0)])
def test_it_keeps_what_the_points_confirm(share, expected):
    shown = points(WAVES)
    surface = start_of(shown.hold_back()[0], IMAGE, LEVEL)[0]
    lacking = WAVES - np.log(40 * surface)
    frames = [(shown, IMAGE, LEVEL)] * 3
    assert look_at_points(network(share * lacking), frames).weight == expected


def test_what_helps_in_some_frames_and_harms_in_others_is_left_out():
    shown = points(WAVES)
    lacking = WAVES - np.log(40 * start_of(shown.hold_back()[0], IMAGE, LEVEL)[0])
    frames = [(shown, IMAGE + np.uint8(value), LEVEL) for value in (0, 0, 0, 1, 1)]

    def unsteady(image, slope, start):
        return network(lacking if image.max() == 0 else -0.9 * lacking)(image, slope, start)

    assert look_at_points(unsteady, frames).weight == 0
    assert look_at_points(network(lacking), frames).weight == 1


def test_without_points_everything_is_kept():
    assert look_at_points(network(WAVES), []) == HeldBackPoints(1.0, None)
    few = points(WAVES, 12)
    assert look_at_points(network(WAVES), [(few, IMAGE, LEVEL)]).weight == 1.0


def test_the_weight_is_on_the_logarithm_and_leaves_frames_without_points():
    start = np.full((2, 2, HEIGHT, WIDTH), 0.5, np.float32)
    start[1, 1] = 0
    depth = np.full((2, HEIGHT, WIDTH), 8.0, np.float32)
    half = weighted(depth, start, 0.5)
    np.testing.assert_allclose(half[0], 4.0, rtol=1e-5)  # between 2 and 8
    np.testing.assert_allclose(half[1], 8.0, rtol=1e-5)
    np.testing.assert_allclose(weighted(depth, start, 1.0), depth, rtol=1e-5)
    np.testing.assert_allclose(weighted(depth, start, 0.0)[0], 2.0, rtol=1e-5)


@pytest.mark.parametrize("noise", [0.02, 0.06])
def test_the_stated_error_covers_two_thirds_of_a_noisy_flight(noise):
    random = np.random.default_rng(1)
    relief = np.linspace(0, 0.4, WIDTH)[None] * np.ones((HEIGHT, 1))
    relief = relief + random.normal(0, noise, relief.shape)
    shown = points(relief)
    found = look_at_points(network(np.zeros((HEIGHT, WIDTH))), [(shown, IMAGE, LEVEL)])
    start = start_of(shown, IMAGE, LEVEL)
    stated = expected_error(start, found.error)
    error = np.abs(np.log(start[0] * 40) - relief)
    assert 0.6 < (error <= stated).mean() < 0.85
    assert expected_error(np.zeros((2, HEIGHT, WIDTH)), found.error) is None
