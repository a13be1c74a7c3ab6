"""The backend of any machine: plane sweep with semi-global matching."""

from collections.abc import Mapping

import cv2
import numpy as np
import torch

from aerial_depth_pipeline.geometry.poses import relative_pose
from aerial_depth_pipeline.mvs.backends.backend import Backend, DenseScene
from aerial_depth_pipeline.mvs.backends.raw_depth import RawDepth
from aerial_depth_pipeline.mvs.matching_scores import matching_scores
from aerial_depth_pipeline.mvs.planes import displacement_per_unit, make_planes, visible_points
from aerial_depth_pipeline.mvs.refinement import refine
from aerial_depth_pipeline.mvs.settings import DenseSettings
from aerial_depth_pipeline.mvs.sgm import aggregate, best_plane, to_cost
from aerial_depth_pipeline.sfm.scene_model import SceneModel

_MINIMUM_POINTS = 12


class PlaneSweep(Backend):
    """Planes along the ground, ZNCC, semi-global matching, refinement along the surface."""

    name = "plane_sweep"

    def depth_of_view(self, scene: DenseScene, view: int) -> RawDepth:
        return sweep_view(scene.model, scene.images, view, scene.sources[view], scene.settings)


def sweep_view(
    model: SceneModel,
    images: Mapping[int, np.ndarray],
    frame: int,
    sources: list[int],
    settings: DenseSettings,
) -> RawDepth:
    """Depth of one view by plane sweep.

    Args:
        images: frame → grey uint8 image, at least of the view and its sources.
        frame: the view.
        sources: its source views.
    """
    camera = model.camera
    K, size = camera.K, (camera.height, camera.width)
    pixels, inverse = visible_points(model, frame, sources)
    if len(pixels) < _MINIMUM_POINTS or not sources:
        return RawDepth.empty(*size)
    relative = [relative_pose(model.poses[s], model.poses[frame]) for s in sources]
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    source_images = [images[s] for s in sources]
    best = min(settings.best or (len(sources) + 1) // 2, len(sources))
    common = (images[frame], source_images, K, relative)
    per_unit = displacement_per_unit(K, relative, pixels, inverse)
    directions = ["ground", "frontal"] if settings.sweep == "both" else [settings.sweep]
    farthest = 0.02 * np.median(inverse)
    limits = settings.plane_step, settings.max_planes, (settings.near_margin, settings.far_margin)
    penalties = settings.small_penalty, settings.large_penalty
    surfaces = []
    for direction in directions:
        family = make_planes(pixels, inverse, direction, per_unit, size, *limits)
        scores = matching_scores(*common, family, settings.windows, best, device)
        total = to_cost(scores)
        if settings.regularization == "sgm":
            image = torch.as_tensor(images[frame], dtype=torch.float32, device=scores.device)
            total = aggregate(total, *penalties, image, settings.paths)
        plane = best_plane(total)
        nearest = plane.round().long().clamp(0, len(family) - 1)
        score = scores.gather(0, nearest[None])[0].cpu().numpy()
        index = plane.cpu().numpy()
        inverse_depth = family.inverse_depth(index)
        inside = (index > 0.25) & (index < len(family) - 1.25) & (inverse_depth > farthest)
        ones, zeros = np.ones_like(index), np.zeros_like(index)
        step = np.abs(family.inverse_depth(ones) - family.inverse_depth(zeros))
        surfaces.append((inverse_depth, np.where(inside, score, -1), step))
    inverse_depth, score, step = surfaces[0]
    for other in surfaces[1:]:
        better = other[1] > score
        inverse_depth, score, step = (
            np.where(better, b, a) for a, b in zip((inverse_depth, score, step), other, strict=True)
        )
    inside = score > -1
    for round_ in range(settings.refinements):
        smooth = cv2.medianBlur(inverse_depth.astype(np.float32), 3)
        inverse_depth, score = refine(*common, smooth, step / 2**round_, settings.windows, best)
    valid = inside & (score >= settings.min_score) & (inverse_depth > farthest)
    depth = np.where(valid, 1 / np.where(valid, inverse_depth, 1), 0).astype(np.float32)
    return RawDepth(depth, score.astype(np.float32))
