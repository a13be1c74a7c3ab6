"""Whether a fit to positions contradicts what else is known of a flight."""

import numpy as np

from aerial_depth_pipeline.geometry.poses import camera_center
from aerial_depth_pipeline.geometry.stated_heights import climb_contradicts, ground_contradicts
from aerial_depth_pipeline.sfm.metric_frame import Similarity, estimate_up
from aerial_depth_pipeline.sfm.scene_model import SceneModel

# Degrees between the fit's up and the gimbals' or, told from level images, the cameras' own
_STATED_UP, _ESTIMATED_UP = 20.0, 30.0


def contradiction(
    scene: SceneModel,
    fit: Similarity,
    heights_N: np.ndarray,
    up_N3: np.ndarray,
    flying_height: float | None = None,
) -> str | None:
    """What speaks against a fit, as half a sentence; None where nothing does.

    Args:
        scene: in its own frame and unit.
        fit: from there to level metres.
        heights_N: stated heights of its frames above the place of departure, NaN where unknown.
        up_N3: stated upward directions in their cameras' axes, NaN where unknown.
        flying_height: height above the ground that the user states, instead of `heights_N`.
    """
    poses = np.stack([scene.poses[frame] for frame in scene.frames])
    stated = np.isfinite(up_N3).all(1)
    up_3, most = estimate_up(poses, scene.points_N3), _ESTIMATED_UP
    if stated.any():
        # Rows of a rotation are the camera's axes in the world.
        up_3 = np.einsum("ni,nij->j", up_N3[stated], poses[stated, :3, :3])
        most = _STATED_UP
    cosine = (fit.rotation @ up_3)[2] / max(float(np.linalg.norm(up_3)), 1e-12)
    if cosine < np.cos(np.radians(most)):
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        return f"up by the positions is {angle:.0f} degrees from up by the cameras"
    centers, points = fit.apply(camera_center(poses)), fit.apply(scene.points_N3)
    if flying_height is not None:
        heights_N = np.full(len(poses), flying_height)
    known = np.isfinite(heights_N)
    if not known.any():
        return None
    start = np.median(centers[known, 2] - heights_N[known])
    if ground_contradicts(points[:, 2] - start, heights_N):
        above = np.median(centers[known, 2]) - np.median(points[:, 2])
        return (
            f"the cameras are {above:.0f} m above the ground by the positions,"
            f" {np.median(heights_N[known]):.0f} m by the stated height"
        )
    if flying_height is None and climb_contradicts(centers[:, 2], heights_N):
        return "the cameras climb by another factor than the stated heights"
    return None
