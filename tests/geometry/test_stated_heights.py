"""Metres from positions against stated heights."""

import numpy as np
import pytest

from aerial_depth_pipeline.geometry.stated_heights import climb_contradicts, ground_contradicts

FLAT = np.random.default_rng(0).normal(0, 2, 500)


@pytest.mark.parametrize(
    ("ground", "height", "contradicts"),
    [
        (FLAT, 90, False),
        (FLAT - 30, 90, False),  # the flight began on a slope
        (FLAT - 0.71 * 90, 90, True),  # positions 71 % too far apart
        (FLAT + 0.5 * 90, 90, True),
        (FLAT * 40, 90, False),  # a gorge
        (FLAT - 60, 3, False),
        (FLAT - 60, np.nan, False),
        (FLAT[:0], 90, False),
    ],
)
def test_ground_far_from_the_start(ground, height, contradicts):
    assert ground_contradicts(ground, np.full(5, height)) == contradicts


@pytest.mark.parametrize(
    ("factor", "contradicts"), [(1, False), (1.4, False), (2, True), (-1, True)]
)
def test_a_climb_of_another_size(factor, contradicts):
    stated = np.linspace(30, 80, 40)
    up = 10 + factor * stated + np.random.default_rng(0).normal(0, 1, 40)
    assert climb_contradicts(up, stated) == contradicts
    assert not climb_contradicts(factor * np.linspace(50, 52, 40), np.linspace(50, 52, 40))
    assert not climb_contradicts(up, np.where(np.arange(40) < 2, stated, np.nan))
