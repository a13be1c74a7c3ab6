"""Point clouds that prediction leaves."""

from pathlib import Path

import numpy as np

from aerial_depth_pipeline.formats.point_clouds import write_ply


def write_points(
    path: Path, depth_HW: np.ndarray, image_HW3: np.ndarray, normalised_HW2: np.ndarray, stride: int
) -> None:
    """Write every `stride`-th point in the camera's coordinates: x right, y down, z forward, in the
    depth's unit."""
    z_N1 = depth_HW[::stride, ::stride].reshape(-1, 1)
    points_N2 = normalised_HW2[::stride, ::stride].reshape(-1, 2) * z_N1
    colours_N3 = image_HW3[::stride, ::stride].reshape(-1, 3)
    write_ply(path, np.concatenate([points_N2, z_N1], 1), colours_N3)
