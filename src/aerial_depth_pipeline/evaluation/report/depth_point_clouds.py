"""A depth map as a coloured point cloud (PLY) that MeshLab, CloudCompare and Blender open."""

from pathlib import Path

import numpy as np

from aerial_depth_pipeline.evaluation.measuring.breakdowns import depth_edges
from aerial_depth_pipeline.formats.point_clouds import write_ply
from aerial_depth_pipeline.geometry.poses import invert


def camera_points(
    depth_HW: np.ndarray, K_33: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points [N, 3] in the camera's frame, with their rows and columns [N], of pixels whose z-depth
    is finite and positive."""
    v, u = np.nonzero(np.isfinite(depth_HW) & (depth_HW > 0))
    z = depth_HW[v, u].astype(float)
    return (
        np.stack(
            [(u + 0.5 - K_33[0, 2]) * z / K_33[0, 0], (v + 0.5 - K_33[1, 2]) * z / K_33[1, 1], z], 1
        ),
        v,
        u,
    )


def write_point_cloud(
    path: Path,
    image_HW3: np.ndarray,
    depth_HW: np.ndarray,
    K_33: np.ndarray,
    cam_from_world: np.ndarray | None = None,
) -> int:
    """Write one frame's points with the frame's colours, as binary PLY.

    Points between two surfaces, where a depth map passes over an edge, hang in the air and are left
    out.

    Args:
        path: the file.
        image_HW3: uint8 RGB.
        depth_HW: z-depth; pixels that are not finite and positive have no point.
        K_33: intrinsics at this size.
        cam_from_world: pose; with it the points stand in the world (z up), without it as seen from
            the camera, turned so that y is up.

    Returns:
        The number of points.

    Raises:
        ValueError: if image and depth differ in size.
    """
    if image_HW3.shape[:2] != depth_HW.shape:
        raise ValueError(f"image {image_HW3.shape[:2]} and depth {depth_HW.shape} differ in size")
    known_HW = np.where(np.isfinite(depth_HW), depth_HW, 0).astype(np.float32)
    points_N3, v, u = camera_points(np.where(depth_edges(known_HW), 0, known_HW), K_33)
    if cam_from_world is None:
        points_N3 *= (1, -1, -1)
    else:
        world_from_cam = invert(np.asarray(cam_from_world, float))
        points_N3 = points_N3 @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]
    write_ply(path, points_N3, image_HW3[v, u])
    return len(points_N3)
