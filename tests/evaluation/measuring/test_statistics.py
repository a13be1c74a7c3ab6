import numpy as np
import pytest
from scipy.stats import bootstrap

from aerial_depth_pipeline.evaluation.measuring.statistics import (
    Bootstrap,
    mean_of_numbers,
    scale_drift,
)


def test_intervals_of_many_scenes_are_those_of_scipys_bootstrap_over_scenes():
    rng = np.random.default_rng(1)
    of_scenes = rng.gamma(2.0, 0.1, (60, 2))
    values, scenes = np.repeat(of_scenes, 5, axis=0), np.repeat(np.arange(60), 5)
    resampled = Bootstrap(4000, seed=0)
    means = resampled.means(values, scenes)
    low, high = resampled.interval(values.mean(0), means, scenes)
    for column in range(2):
        expected = bootstrap(
            (of_scenes[:, column],), np.mean, n_resamples=4000, method="basic", rng=2
        ).confidence_interval
        width = expected.high - expected.low
        assert low[column] == pytest.approx(expected.low, abs=0.1 * width)
        assert high[column] == pytest.approx(expected.high, abs=0.1 * width)


@pytest.mark.parametrize("scenes", [2, 3, 5, 10])
def test_intervals_hold_the_truth_where_scenes_differ(scenes):
    """Errors of 0.1 that differ by 5 % from scene to scene and drift within: neighbours resemble
    each other."""
    rng = np.random.default_rng(scenes)
    held, trials = 0, 200
    for _ in range(trials):
        of_scene = 0.1 * (1 + 0.05 * rng.standard_normal((scenes, 1)))
        within = np.cumsum(rng.normal(0, 0.001, (scenes, 40)), 1)
        values = (of_scene + within - within.mean(1, keepdims=True)).reshape(-1, 1)
        names = np.repeat(np.arange(scenes), 40)
        resampled = Bootstrap(200, seed=0)
        low, high = resampled.interval(values.mean(0), resampled.means(values, names), names)
        held += bool(low[0] <= 0.1 <= high[0])
    assert held >= 0.9 * trials


def test_methods_are_resampled_alike_so_that_differences_are_paired():
    values = np.random.default_rng(1).normal(size=(30, 1))
    resampled = Bootstrap(200, seed=0)
    scenes = ["a"] * 10 + ["b"] * 20
    difference = resampled.means(values + 0.5, scenes) - resampled.means(values, scenes)
    np.testing.assert_allclose(difference, 0.5, atol=1e-5)


def test_images_without_a_number_do_not_count():
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    np.testing.assert_array_equal(mean_of_numbers(values), [2.0, np.nan])
    means = Bootstrap(300, seed=0).means(values, list("aaa"))
    assert np.isnan(means[:, 1]).all()
    assert {1.0, 2.0, 3.0} <= set(means[np.isfinite(means[:, 0]), 0])
    low, high = Bootstrap(300, seed=0).interval(np.array([2.0, np.nan]), means, list("aaa"))
    assert low[0] < 1 and high[0] > 3 and np.isnan([low[1], high[1]]).all()


def test_without_resamplings_there_is_no_interval():
    none = Bootstrap(0, seed=0)
    low, high = none.interval(np.ones(1), none.means(np.ones((5, 1)), "aabbb"), "aabbb")
    assert np.isnan([low[0], high[0]]).all()


def test_drift_is_the_spread_of_the_logarithm_of_the_ratios():
    assert scale_drift([2.0, 2.0, np.nan, -1.0]) == 0
    assert scale_drift([np.exp(-0.1), np.exp(0.1)]) == pytest.approx(0.1)
    assert np.isnan(scale_drift([1.0]))
