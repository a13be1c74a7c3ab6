"""Metres about a place, against closed forms of the WGS 84 ellipsoid."""

import numpy as np
import pytest

from aerial_depth_pipeline.geometry.geodesy import local_metres, to_geographic

# Semi-axes in metres, as NGA's standard 0036 defines and derives them.
EQUATORIAL, POLAR = 6378137.0, 6356752.314245


def test_a_second_of_longitude_on_the_equator():
    metres = local_metres(np.array([[0.0, 1 / 3600, 0.0], [0.0, 0.0, 12.0]]), (0.0, 0.0, 0.0))
    second = 2 * np.pi * EQUATORIAL / 360 / 3600
    np.testing.assert_allclose(metres, [[second, 0, 0], [0, 0, 12]], atol=1e-3)


def test_the_poles_lie_a_polar_diameter_apart():
    south_from_north = local_metres(np.array([[-90.0, 0.0, 0.0]]), (90.0, 0.0, 0.0))[0]
    np.testing.assert_allclose(south_from_north, [0, 0, -2 * POLAR], atol=1e-3)


def test_a_step_north_follows_the_radius_of_the_meridian():
    north = local_metres(np.array([[60.001, 25.0, 0.0]]), (60.0, 25.0, 0.0))[0]
    sine, cosine = np.sin(np.radians(60.0005)), np.cos(np.radians(60.0005))
    radius = (EQUATORIAL * POLAR) ** 2 / np.hypot(EQUATORIAL * cosine, POLAR * sine) ** 3
    np.testing.assert_allclose(north, [0, np.radians(0.001) * radius, 0], atol=2e-3)


@pytest.mark.parametrize("origin", [(47.2, 8.5, 430.0), (-33.9, 151.2, 20.0), (0.0, -179.9, 0.0)])
def test_geographic_positions_and_back(origin):
    local = np.random.default_rng(0).uniform(-300, 300, (20, 3))
    back = local_metres(to_geographic(local, origin), origin)
    # The ellipsoid falls away under the tangent plane: a hundredth of a metre at 300 m.
    np.testing.assert_allclose(back, local, atol=0.03)
