"""Cameras and poses of a scene's frames, where it has them."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.cameras import Camera

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneGeometry:
    """What is known of a scene's frames in space.

    Attributes:
        camera: of the undistorted frames, or None.
        poses: frame → `cam_from_world` [4, 4] in level metres (x east, y north, z up).
    """

    camera: Camera | None
    poses: dict[int, np.ndarray]

    def intrinsics(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """Calibration [3, 3] of frames of that height and width; None where it is not known."""
        camera = self.camera
        return camera.K if camera and (camera.height, camera.width) == shape else None


def read_scene_geometry(
    frames: Path, ground_truth: Path | None = None, metric: bool = False
) -> SceneGeometry:
    """Camera and poses of a frames folder: true poses where it has them, else those of its
    structure from motion, if that is metric.

    Args:
        frames: the scene's folder in `02_intermediate/`.
        ground_truth: the scene's folder in `03_primary/`, if it has one.
        metric: whether the reconstruction there is level and in metres.

    Raises:
        SceneError: if a file is there and cannot be read.
    """
    scene = SceneFolder(frames)
    camera = scene.camera() if scene.camera_file.is_file() else None
    poses = scene.poses()
    if not poses and metric and ground_truth is not None and SceneFolder(ground_truth).sfm.is_dir():
        from aerial_depth_pipeline.sfm.scene_model import read_sfm_poses

        poses = read_sfm_poses(ground_truth)
    return SceneGeometry(camera, poses)


def find_scene_geometry(reference: Reference) -> SceneGeometry:
    """The geometry of a reference's scene; empty, with a warning, where it cannot be read: depth
    can be measured without it."""
    computed = reference.metric and reference.kind != "exact"
    try:
        return read_scene_geometry(reference.scene_folder, reference.ground_truth, computed)
    except (SceneError, OSError, RuntimeError, ValueError) as error:
        log.warning(
            "Heights and point clouds of %s are left out: %s", reference.scene_folder.name, error
        )
        return SceneGeometry(None, {})
