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
    device = resolve_device(settings.device)
    pictures = [images[s] for s in sources]
    best = settings.best or (len(sources) + 1) // 2
    per_unit = displacement_per_unit(K, relative, pixels, inverse)
    directions = ["ground", "frontal"] if settings.sweep == "both" else [settings.sweep]
    found = []
    for direction in directions:
        margins = (settings.near_margin, settings.far_margin)
        family = make_planes(
            pixels,
            inverse,
            direction,
            per_unit,
            size,
            settings.plane_step,
            settings.max_planes,
            margins,
        )
        scores = matching_scores(
            images[frame],
            pictures,
            K,
            relative,
            family,
            settings.windows,
            min(best, len(sources)),
            device,
        )
        if settings.regularization == "sgm":
            image = torch.as_tensor(images[frame], dtype=torch.float32, device=scores.device)
            total = aggregate(
                to_cost(scores),
                settings.small_penalty,
                settings.large_penalty,
                image,
                settings.paths,
            )
        else:
            total = to_cost(scores)
        plane = best_plane(total)
        nearest = plane.round().long().clamp(0, len(family) - 1)
        score = scores.gather(0, nearest[None])[0].cpu().numpy()
        index = plane.cpu().numpy()
        inverse_depth = family.inverse_depth(index)
        inside = (
            (index > 0.25)
            & (index < len(family) - 1.25)
            & (inverse_depth > 0.02 * np.median(inverse))
        )
        step = np.abs(
            family.inverse_depth(np.ones_like(index)) - family.inverse_depth(np.zeros_like(index))
        )
        found.append((inverse_depth, np.where(inside, score, -1), step))
    inverse_depth, score, step = found[0]
    for other in found[1:]:
        better = other[1] > score
        inverse_depth, score, step = (
            np.where(better, b, a) for a, b in zip((inverse_depth, score, step), other, strict=True)
        )
    inside = score > -1
    for round_ in range(settings.refinements):
        smooth = cv2.medianBlur(inverse_depth.astype(np.float32), 3)
        inverse_depth, score = refine(
            images[frame],
            pictures,
            K,
            relative,
            smooth,
            step / 2**round_,
            settings.windows,
            min(best, len(sources)),
        )
    valid = inside & (score >= settings.min_score) & (inverse_depth > 0.02 * np.median(inverse))
    depth = np.where(valid, 1 / np.where(valid, inverse_depth, 1), 0).astype(np.float32)
    return RawDepth(depth, score.astype(np.float32))


def resolve_device(device: str) -> str:
    """The torch device that `auto` means here."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device
