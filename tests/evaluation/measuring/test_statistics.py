import numpy as np
import pytest
from scipy.stats import bootstrap

from aerial_depth_pipeline.evaluation.measuring.statistics import (
    Bootstrap,
    mean_of_numbers,
    scale_drift,
)


def test_intervals_are_those_of_scipys_percentile_bootstrap():
    values = np.random.default_rng(1).gamma(2.0, 0.1, (60, 2))
    resampled = Bootstrap(4000, seed=0)
    low, high = resampled.interval(resampled.means(values))
    for column in range(2):
        expected = bootstrap(
            (values[:, column],), np.mean, n_resamples=4000, method="percentile", rng=2
        ).confidence_interval
        width = expected.high - expected.low
        assert low[column] == pytest.approx(expected.low, abs=0.05 * width)
        assert high[column] == pytest.approx(expected.high, abs=0.05 * width)


def test_methods_are_resampled_alike_so_that_differences_are_paired():
    values = np.random.default_rng(1).normal(size=(30, 1))
    resampled = Bootstrap(200, seed=0)
    difference = resampled.means(values + 0.5) - resampled.means(values)
    np.testing.assert_allclose(difference, 0.5, atol=1e-5)


def test_images_without_a_number_do_not_count():
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    np.testing.assert_array_equal(mean_of_numbers(values), [2.0, np.nan])
    means = Bootstrap(300, seed=0).means(values)
    assert np.isnan(means[:, 1]).all()
    assert {1.0, 2.0, 3.0} <= set(means[np.isfinite(means[:, 0]), 0])
    low, high = Bootstrap(300, seed=0).interval(means)
    assert low[0] == 1 and high[0] == 3 and np.isnan([low[1], high[1]]).all()


def test_without_resamplings_there_is_no_interval():
    low, high = Bootstrap(0, seed=0).interval(Bootstrap(0, seed=0).means(np.ones((5, 1))))
    assert np.isnan([low[0], high[0]]).all()


def test_drift_is_the_spread_of_the_logarithm_of_the_ratios():
    assert scale_drift([2.0, 2.0, np.nan, -1.0]) == 0
    assert scale_drift([np.exp(-0.1), np.exp(0.1)]) == pytest.approx(0.1)
    assert np.isnan(scale_drift([1.0]))
