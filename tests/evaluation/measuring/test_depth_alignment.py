import numpy as np
import pytest

from aerial_depth_pipeline.evaluation.measuring.depth_alignment import (
    aligned_depth,
    fit_inverse_depth,
    median_ratio,
)


@pytest.mark.parametrize("count", [4, 5, 1000, 1001])
def test_median_ratio_is_the_ratio_of_medians(count):
    random = np.random.default_rng(count)
    a, b = random.uniform(1, 9, count), random.uniform(1, 9, count)
    assert median_ratio(a, b) == pytest.approx(np.median(a) / np.median(b))


def test_least_squares_agrees_with_numpys(pair):
    reference, prediction = pair
    inverse = (1 / prediction).astype(np.float32)
    scale, shift, _ = fit_inverse_depth(reference, inverse)
    design = np.stack([inverse.astype(float), np.ones(len(inverse))], 1)
    expected = np.linalg.lstsq(design, 1 / reference.astype(float), rcond=None)[0]
    assert (scale, shift) == pytest.approx(tuple(expected), rel=1e-4)


def test_least_squares_of_a_constant_is_the_mean_inverse_depth(pair):
    reference, _ = pair
    scale, shift, _ = fit_inverse_depth(reference, np.full(len(reference), 0.1, np.float32))
    assert scale == 0 and shift == pytest.approx(np.mean(1 / reference.astype(float)), rel=1e-5)


def test_correlation_tells_inverted_depth(pair):
    reference, _ = pair
    assert fit_inverse_depth(reference, reference).correlation < -0.5
    assert np.isnan(
        fit_inverse_depth(reference, np.full(len(reference), 0.1, np.float32)).correlation
    )


def test_an_alignment_is_a_scale_and_a_shift_of_inverse_depth_within_limits():
    inverse = np.array([0.1, 0.2, 10, -1, 0, np.nan], np.float32)
    np.testing.assert_allclose(
        aligned_depth(inverse, 0.5, 0, 0.5, 100), [20, 10, 0.5, 100, 100, np.nan], rtol=1e-6
    )
    np.testing.assert_allclose(aligned_depth(inverse[:2], -1, 0.3, 0.5, 100), [5, 10], rtol=1e-6)
