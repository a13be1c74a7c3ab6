"""Which other views help to find the depth of a view."""

import numpy as np

from aerial_depth_pipeline.geometry.poses import camera_center
from aerial_depth_pipeline.sfm.scene_model import SceneModel

_MINIMUM_SHARED = 5


def choose_sources(
    model: SceneModel, frame: int, candidates: list[int], count: int, best_angle: float
) -> list[int]:
    """The views with the best mixture of parallax and overlap, best first.

    Each sparse point that both views show votes with a weight that falls off on both sides of
    `best_angle` degrees of parallax, faster towards small angles, where depth becomes uncertain
    (the weighting of Yao et al., MVSNet, ECCV 2018, section 4.1).

    Args:
        model: the reconstructed scene.
        frame: the view whose depth is wanted.
        candidates: views to choose from.
        count: at most so many.
        best_angle: preferred triangulation angle in degrees.
    """
    center = camera_center(model.poses[frame])
    scores = []
    for other in candidates:
        if other == frame:
            continue
        shared = np.intersect1d(
            model.observations[frame], model.observations[other], assume_unique=True
        )
        if len(shared) < _MINIMUM_SHARED:
            continue
        a = center - model.points_N3[shared]
        b = camera_center(model.poses[other]) - model.points_N3[shared]
        cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        width = np.where(angle < best_angle, best_angle / 2.5, best_angle)
        weight = np.exp(-((angle - best_angle) ** 2) / (2 * width**2))
        if np.median(angle) < best_angle / 16:
            continue
        scores.append((float(weight.sum()), other))
    scores.sort(key=lambda item: (-item[0], item[1]))
    return [other for _, other in scores[:count]]
