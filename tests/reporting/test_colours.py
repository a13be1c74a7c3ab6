"""Colours of depth."""

import matplotlib
import numpy as np

from aerial_depth_pipeline.reporting.colours import MISSING, colour_map, depth_range, plasma


def test_colours_are_those_of_matplotlib():
    values = np.random.default_rng(0).uniform(-1, 3, (20, 30))
    expected = matplotlib.colormaps["viridis"](np.clip((values - 0) / 2, 0, 1))[..., :3]
    assert np.array_equal(colour_map(values, 0, 2, "viridis"), (expected * 255).round())


def test_near_is_bright_far_is_dark_and_nothing_is_grey():
    near, far, none, hole = plasma(np.array([[10.0, 100, 0, np.nan]], np.float32), 10, 100)[0]
    assert near.sum() > 400 > far.sum()
    assert np.array_equal(none, MISSING) and np.array_equal(hole, MISSING)


def test_a_range_spans_percentiles_and_never_nothing():
    depths = np.concatenate([np.zeros(50), np.linspace(1, 101, 1001)])
    assert np.allclose(depth_range(depths), (3, 99))
    near, far = depth_range(np.full(5, 20.0))
    assert near < 20 < far
    assert depth_range(np.zeros(3)) == (1.0, 2.0)
