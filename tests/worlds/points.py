"""Points of depth maps, for what has to hold of them."""

import numpy as np

from aerial_depth_pipeline.geometry.cameras import Camera


def pixel_centers(camera: Camera) -> np.ndarray:
    """Homogeneous pixel centres [3, H*W]."""
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    return np.stack([u, v, np.ones_like(u)]).reshape(3, -1)


def backproject(depth_HW: np.ndarray, camera: Camera) -> np.ndarray:
    """Points [3, H*W] in the camera's frame of a z-depth map."""
    return np.linalg.inv(camera.K) @ pixel_centers(camera) * depth_HW.reshape(-1)
