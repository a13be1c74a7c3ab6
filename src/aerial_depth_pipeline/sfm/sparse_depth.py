"""Depth of the sparse points in a frame."""

from pathlib import Path

import numpy as np

from aerial_depth_pipeline.sfm.scene_model import SceneModel, read_scene_model


def points_before_camera(model: SceneModel, frame: int) -> np.ndarray:
    """The sparse points that a frame really observed, in its camera's axes [N, 3]."""
    pose = model.poses[frame]
    points = model.points_N3[model.observations[frame]] @ pose[:3, :3].T + pose[:3, 3]
    return points[points[:, 2] > 0]


def sparse_points(model: SceneModel, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N, 2] and z-depth [N] of the sparse points that a frame really observed."""
    points = points_before_camera(model, frame)
    image = points @ model.camera.K.T
    return image[:, :2] / image[:, 2:], points[:, 2]


def sparse_depth_map(model: SceneModel, frame: int) -> np.ndarray:
    """A float32 depth map [H, W], 0 except where a sparse point projects; the nearer one where two
    meet."""
    pixels, depth = sparse_points(model, frame)
    depth_HW = np.zeros((model.camera.height, model.camera.width), np.float32)
    cells = np.floor(pixels).astype(int)
    inside = ((cells >= 0) & (cells < depth_HW.shape[::-1])).all(1)
    (columns, rows), depth = cells[inside].T, depth[inside]
    order = np.argsort(-depth)
    depth_HW[rows[order], columns[order]] = depth[order]
    return depth_HW


def read_sparse_depth(ground_truth: Path, frame: int) -> np.ndarray:
    """The sparse depth map of a frame of a ground truth folder."""
    return sparse_depth_map(read_scene_model(ground_truth), frame)
