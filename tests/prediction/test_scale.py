"""Metres from the flying height, on flights whose depth is known."""

import cv2
import numpy as np
import pytest

from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.prediction.input_frames import open_footage
from aerial_depth_pipeline.prediction.scale import camera_height, find_scale, normalised_pixels


@pytest.mark.parametrize("flight", ["autzen_woods", "autzen_stadium"])
def test_height_gives_metres_over_real_terrain(flight, shared_data):
    """Simulated flights over a real lidar survey: trees, buildings and slopes, and the telemetry's
    own noise."""
    footage = open_footage(shared_data / "flights" / flight, 768)
    frames = list(range(0, 360, 60))
    depths = [
        cv2.imread(
            str(shared_data / "flights" / flight / "depth" / f"{frame:06d}.png"),
            cv2.IMREAD_UNCHANGED,
        )
        / 100
        for frame in frames
    ]
    unscaled = [np.where(depth > 0, depth, 1000.0).astype(np.float32) / 37 for depth in depths]
    scale = find_scale(
        "auto",
        "training units",
        footage,
        unscaled,
        [frame / footage.source.fps for frame in frames],
    )
    assert (scale.unit, scale.origin) == ("metres", "height")
    assert scale.factor == pytest.approx(37, rel=0.05)


@pytest.mark.parametrize("houses", [0.0, 0.3, 0.45])
def test_the_ground_is_found_below_houses(houses):
    camera, pitch, height = Camera.pinhole(192, 112, 150.0, 150.0, 96.0, 56.0), np.radians(55), 70.0
    normalised = normalised_pixels(camera)
    depth = (height / (np.sin(pitch) + normalised[..., 1] * np.cos(pitch))).astype(np.float32)
    rng = np.random.default_rng(0)
    blocks = rng.random((14, 24)) < houses
    depth = np.where(np.kron(blocks, np.ones((8, 8))) > 0, depth * 0.8, depth)
    assert camera_height(depth, normalised) == pytest.approx(height, rel=0.01)
