"""Dense depth of all views of a scene: raw depth by one of the backends, then the filter that keeps
what other views confirm."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.files import atomic_path, fingerprint_of, remove
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.geometry.poses import relative_pose
from aerial_depth_pipeline.mvs.backends.patch_match import patch_match, patch_match_available
from aerial_depth_pipeline.mvs.backends.plane_sweep import matching_scores
from aerial_depth_pipeline.mvs.backends.raw_depth import RawDepth
from aerial_depth_pipeline.mvs.backends.sgbm import sgbm_view
from aerial_depth_pipeline.mvs.filter import check_against, remove_small_regions
from aerial_depth_pipeline.mvs.planes import displacement_per_unit, make_planes, visible_points
from aerial_depth_pipeline.mvs.refinement import refine
from aerial_depth_pipeline.mvs.settings import DenseSettings
from aerial_depth_pipeline.mvs.sgm import aggregate, best_plane, to_cost
from aerial_depth_pipeline.mvs.source_views import choose_sources
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.sfm.scene_model import SceneModel

logger = logging.getLogger(__name__)

_MINIMUM_POINTS = 12


@dataclass(frozen=True)
class FilteredDepth:
    """Depth of one view that other views confirm.

    Attributes:
        depth_HW: z-depth, float32, 0 = none.
        agreeing_HW: number of other views that agree, uint8.
        score_HW: matching score, −1 … 1.
    """

    depth_HW: np.ndarray
    agreeing_HW: np.ndarray
    score_HW: np.ndarray


def sweep_view(
    model: SceneModel,
    images: dict[int, np.ndarray],
    frame: int,
    sources: list[int],
    settings: DenseSettings,
) -> RawDepth:
    """Depth of one view by plane sweep.

    Args:
        model: the reconstructed scene.
        images: frame → grey uint8 image, at least of the view and its sources.
        frame: the view.
        sources: its source views.
        settings: settings of dense depth.
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
        index = best_plane(total)
        nearest = index.round().long().clamp(0, len(family) - 1)
        score = scores.gather(0, nearest[None])[0].cpu().numpy()
        index = index.cpu().numpy()
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


def choose_backend(backend: str) -> str:
    """What `auto` means here.

    Raises:
        UserError: if PatchMatch is asked for where it cannot run.
    """
    if backend == "patch_match" and not patch_match_available():
        raise UserError(
            "ground_truth.dense.backend is patch_match, but this COLMAP finds no CUDA device. Use"
            " auto or plane_sweep, or install the extra `cuda` on a machine with an NVIDIA GPU."
        )
    if backend == "auto":
        return "patch_match" if patch_match_available() else "plane_sweep"
    return backend


def dense_depth(
    model: SceneModel,
    images: dict[int, np.ndarray],
    views: list[int],
    settings: DenseSettings,
    work: Path,
    frames: Path,
    sfm: Path,
) -> tuple[dict[int, FilteredDepth], dict]:
    """Depth of all views, filtered.

    Args:
        model: the reconstructed scene.
        images: frame → grey uint8 image of all registered views.
        views: views whose depth is wanted.
        settings: settings of dense depth.
        work: folder that survives a restart; depth maps of an interrupted run are used again.
        frames: the scene's frames, for backends that read them themselves.
        sfm: folder of the COLMAP model, likewise.

    Returns:
        View → depth, and what the summary says (backend, seconds per view).

    Raises:
        SceneError: if no view has a usable source.
    """
    start = time.monotonic()
    candidates = [frame for frame in model.frames if frame in images]
    sources = {
        v: choose_sources(model, v, candidates, settings.sources, settings.best_angle)
        for v in candidates
    }
    if not any(sources[v] for v in views):
        raise SceneError(
            "No two views share enough sparse points at a usable angle for dense depth. Keep more"
            " frames, or frames closer together."
        )
    backend = choose_backend(settings.backend)
    raw = {}
    if backend == "patch_match":
        try:
            raw = patch_match(
                model, frames, sfm, {view: sources[view] for view in sorted(views)}, work
            )
        except SceneError as error:
            if settings.backend != "auto":
                raise
            logger.warning("%s The plane sweep takes over.", error)
            backend = "plane_sweep"
    if not raw:
        store = _store(work, model, sources, settings, backend)
        estimate = sgbm_view if backend == "sgbm" else sweep_view
        for view in progress(sorted(views), "depth", unit="view"):
            raw[view] = _cached(
                store / numbered(view, ".npz"),
                lambda v=view: estimate(model, images, v, sources[v], settings),
            )
    known = sorted(raw)
    witnesses = {
        view: choose_sources(model, view, known, settings.checks, settings.best_angle)
        for view in views
    }
    filtered = {
        view: confirm(model, raw, view, witnesses[view], settings) for view in sorted(views)
    }
    seconds = time.monotonic() - start
    return filtered, {
        "backend": backend,
        "seconds_per_view": round(seconds / max(len(views), 1), 3),
    }


def _store(
    work: Path,
    model: SceneModel,
    sources: dict[int, list[int]],
    settings: DenseSettings,
    backend: str,
) -> Path:
    """The folder for unfiltered depth of exactly this model and these settings; those of others are
    removed."""
    poses = {frame: model.poses[frame].round(9).tolist() for frame in model.frames}
    store = (
        work
        / f"dense-{fingerprint_of(backend, settings.model_dump(), poses, model.camera.params, sources, torch.__version__)}"
    )
    for other in work.glob("dense-*"):
        if other != store:
            remove(other)
    store.mkdir(parents=True, exist_ok=True)
    return store


def _cached(path: Path, compute) -> RawDepth:
    if path.exists():
        with np.load(path) as content:
            return RawDepth(content["depth"], content["score"])
    result = compute()
    with atomic_path(path) as partial:
        np.savez(partial, depth=result.depth_HW, score=result.score_HW)
    return result


def confirm(
    model: SceneModel,
    raw: dict[int, RawDepth],
    view: int,
    witnesses: list[int],
    settings: DenseSettings,
) -> FilteredDepth:
    """Keep the depth that enough other views confirm, as the mean over the views that agree."""
    depth = raw[view].depth_HW
    total, agreeing = depth.astype(np.float64), np.zeros(depth.shape, np.uint8)
    for witness in witnesses:
        T = relative_pose(model.poses[witness], model.poses[view])
        limits = (settings.max_reprojection_error, settings.max_depth_error)
        mask, implied = check_against(depth, model.camera.K, T, raw[witness].depth_HW, *limits)
        total += np.where(mask, implied, 0)
        agreeing += mask
    # At the ends of a flight a view has few neighbours; asking for more than there are would leave
    # it empty.
    needed = min(settings.min_agreeing, max(1, len(witnesses)))
    fused = np.where(agreeing >= needed, total / (1.0 + agreeing), 0).astype(np.float32)
    fused = remove_small_regions(fused, settings.min_region, settings.max_depth_error)
    return FilteredDepth(
        np.nan_to_num(fused, nan=0, posinf=0, neginf=0), agreeing, raw[view].score_HW
    )
