"""Dense depth of all views of a scene: raw depth by one of the backends, then the filter that keeps
what other views confirm."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.geometry.poses import relative_pose
from aerial_depth_pipeline.mvs.backend_table import AUTOMATIC, backend
from aerial_depth_pipeline.mvs.backends.backend import DenseScene
from aerial_depth_pipeline.mvs.backends.raw_depth import RawDepth
from aerial_depth_pipeline.mvs.filter import check_against, remove_small_regions
from aerial_depth_pipeline.mvs.settings import DenseSettings
from aerial_depth_pipeline.mvs.source_views import choose_sources
from aerial_depth_pipeline.sfm.scene_model import SceneModel

logger = logging.getLogger(__name__)


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
    angle = settings.best_angle
    sources = {
        view: choose_sources(model, view, candidates, settings.sources, angle)
        for view in candidates
    }
    if not any(sources[v] for v in views):
        raise SceneError(
            "No two views share enough sparse points at a usable angle for dense depth. Keep more"
            " frames, or frames closer together."
        )
    scene = DenseScene(model, images, sources, settings, work, frames, sfm)
    chosen = backend(settings.backend)
    try:
        raw = chosen.depths(scene, views)
    except SceneError as error:
        if settings.backend != "auto":
            raise
        chosen = backend(AUTOMATIC[-1])
        logger.warning("%s %s takes over.", error, chosen.name)
        raw = chosen.depths(scene, views)
    filtered = {}
    for view in sorted(views):
        witnesses = choose_sources(model, view, sorted(raw), settings.checks, angle)
        filtered[view] = confirm(model, raw, view, witnesses, settings)
    seconds = round((time.monotonic() - start) / max(len(views), 1), 3)
    return filtered, {"backend": chosen.name, "seconds_per_view": seconds}


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
    # At the ends of a flight a view has few neighbours; asking for more than exist would leave
    # it empty.
    needed = min(settings.min_agreeing, max(1, len(witnesses)))
    fused = np.where(agreeing >= needed, total / (1.0 + agreeing), 0).astype(np.float32)
    fused = remove_small_regions(fused, settings.min_region, settings.max_depth_error)
    finite = np.nan_to_num(fused, nan=0, posinf=0, neginf=0)
    return FilteredDepth(finite, agreeing, raw[view].score_HW)
