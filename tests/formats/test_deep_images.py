"""The range of values of images with more than 8 bits."""

import numpy as np
import pytest

from aerial_depth_pipeline.formats.deep_images import stretch, value_range

RAMP = np.linspace(20, 30, 10_000).reshape(100, 100)


@pytest.mark.parametrize("no_data", [np.nan, np.inf, -np.inf, -9999, -3.4e38, 65535, 0])
def test_what_stands_for_no_data_does_not_count(no_data):
    image = RAMP.copy()
    image[:10] = no_data
    low, high = value_range([image, RAMP])
    assert low == pytest.approx(20, abs=0.1) and high == pytest.approx(30, abs=0.1)
    assert stretch(image, (low, high)).dtype == np.uint8


@pytest.mark.parametrize("image", [np.full((4, 4), 7), np.full((4, 4), np.nan), np.zeros((0, 4))])
def test_images_without_contrast_are_black_and_no_error(image):
    assert (stretch(image, value_range([image])) == 0).all()


def test_black_and_white_are_the_ends_of_the_range():
    stretched = stretch(RAMP, value_range([RAMP]))
    assert stretched.shape == (100, 100, 3) and stretched.min() == 0 and stretched.max() == 255
