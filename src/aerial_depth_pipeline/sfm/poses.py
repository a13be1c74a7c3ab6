"""Poses of a scene's frames from its SfM model."""

from pathlib import Path

import numpy as np

from aerial_depth_pipeline.sfm.scene_model import read_scene_model


def read_sfm_poses(ground_truth: Path) -> dict[int, np.ndarray]:
    """Frame index → `cam_from_world` [4, 4] of all registered frames of a ground truth folder."""
    return read_scene_model(ground_truth).poses
