"""A reconstructed scene in numpy: what everything after structure from motion needs of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.poses import pose
from aerial_depth_pipeline.sfm.colmap import pycolmap


@dataclass(frozen=True)
class SceneModel:
    """Poses and sparse points.

    Attributes:
        camera: the frames' common camera.
        poses: frame → `cam_from_world` [4, 4].
        points_N3: sparse points in the world.
        observations: frame → indices into `points_N3` of the points that it shows.
        errors_N: mean reprojection error of each point in pixels.
    """

    camera: Camera
    poses: dict[int, np.ndarray]
    points_N3: np.ndarray
    observations: dict[int, np.ndarray]
    errors_N: np.ndarray

    @property
    def frames(self) -> list[int]:
        """Registered frames in order."""
        return sorted(self.poses)


def frame_of_name(name: str) -> int:
    """Frame index of an image name: `000120.jpg` → 120."""
    return int(Path(name).stem)


def to_scene_model(model: pycolmap.Reconstruction) -> SceneModel:
    """Take what is needed out of COLMAP's objects."""
    index = {point_id: i for i, point_id in enumerate(sorted(model.points3D))}
    points = np.array([model.points3D[p].xyz for p in index]).reshape(-1, 3)
    errors = np.array([model.points3D[p].error for p in index], float)
    images = {frame_of_name(image.name): image for image in map(model.image, model.reg_image_ids())}
    if not images:
        raise ValueError("the model has no registered image")
    poses, observations = {}, {}
    for frame, image in images.items():
        cam_from_world = image.cam_from_world().matrix()
        poses[frame] = pose(cam_from_world[:, :3], cam_from_world[:, 3])
        seen = {index[p.point3D_id] for p in image.get_observation_points2D()}
        observations[frame] = np.array(sorted(seen), int)
    camera = model.cameras[image.camera_id]
    return SceneModel(from_colmap(camera), poses, points, observations, errors)


def from_colmap(camera: pycolmap.Camera) -> Camera:
    """COLMAP's camera as ours."""
    return Camera(camera.model_name, camera.width, camera.height, tuple(camera.params))


def read_scene_model(ground_truth: Path) -> SceneModel:
    """Read the SfM model of a scene's ground truth folder."""
    return to_scene_model(pycolmap.Reconstruction(SceneFolder(ground_truth).sfm))


def read_sfm_poses(ground_truth: Path) -> dict[int, np.ndarray]:
    """Frame → `cam_from_world` [4, 4] of all registered frames of a ground truth folder."""
    return read_scene_model(ground_truth).poses
