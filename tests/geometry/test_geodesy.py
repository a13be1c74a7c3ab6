"""Metres about a place."""

import numpy as np

from aerial_depth_pipeline.geometry.geodesy import local_metres


def test_local_metres():
    # On the equator a degree of longitude is a 360th of the equator; at the pole's side the
    # meridian's curvature counts.
    metres = local_metres(np.array([[0.0, 1 / 3600, 0.0], [0.0, 0.0, 12.0]]), (0.0, 0.0, 0.0))
    np.testing.assert_allclose(
        metres, [[2 * np.pi * 6378137 / 360 / 3600, 0, 0], [0, 0, 12]], atol=1e-3
    )
    north = local_metres(np.array([[60.001, 25.0, 0.0]]), (60.0, 25.0, 0.0))[0]
    meridian = (
        6378137
        * (1 - 0.00669437999)
        / (1 - 0.00669437999 * np.sin(np.radians(60.0005)) ** 2) ** 1.5
    )
    np.testing.assert_allclose(north, [0, np.radians(0.001) * meridian, 0], atol=2e-3)
