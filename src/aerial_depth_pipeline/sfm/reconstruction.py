"""Structure from motion for one scene: views, features, model, scale."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.footage import FOCAL_DOUBT
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.cameras import DEVIATION_COLUMN, HEIGHT_COLUMN, UP_COLUMNS
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.poses import camera_center
from aerial_depth_pipeline.sfm.colmap import pycolmap
from aerial_depth_pipeline.sfm.features import match_images
from aerial_depth_pipeline.sfm.fit_checks import contradiction
from aerial_depth_pipeline.sfm.mapping import map_scene, median_triangulation_angle
from aerial_depth_pipeline.sfm.metric_frame import (
    PositionFit,
    Similarity,
    estimate_up,
    fit_positions,
    fit_rough_positions,
    height_above_ground,
    level,
)
from aerial_depth_pipeline.sfm.position_adjustment import adjust_to_positions
from aerial_depth_pipeline.sfm.scene_model import SceneModel, to_scene_model
from aerial_depth_pipeline.sfm.settings import SfmSettings
from aerial_depth_pipeline.sfm.views import choose_views

logger = logging.getLogger(__name__)

_POSITION = ["east", "north", "up"]
_KNOWN = [*UP_COLUMNS, HEIGHT_COLUMN]


@dataclass(frozen=True)
class SceneReconstruction:
    """The result of structure from motion.

    Attributes:
        model: poses and points, level (z up) and in metres where `summary["metric"]` is true.
        views: the frames chosen for dense depth that are registered, in order.
        summary: what `ground_truth.json` says about it.
    """

    model: SceneModel
    views: list[int]
    summary: dict


def reconstruct(
    frames: Path, folder: Path, settings: SfmSettings, work: Path
) -> SceneReconstruction:
    """Reconstruct a scene and write its model, which COLMAP opens, to `folder/sfm`.

    Args:
        frames: folder with `frames/NNNNNN.jpg`, `frames.parquet` and `camera.yaml`.
        folder: where `sfm/` is written.
        settings: settings of the reconstruction.
        work: folder that survives a restart, for features and matches.

    Raises:
        SceneError: if the scene cannot be reconstructed, with the reason.
    """
    start = time.monotonic()
    extracted = SceneFolder(frames)
    table = extracted.frame_table()
    kept = table[table["kept"].astype(bool)]
    if len(kept) < 3:
        raise SceneError(
            f"{frames} holds {len(kept)} kept frames; at least 3 are needed. Use longer footage, or"
            " keep more frames."
        )
    camera, exact = extracted.camera(), set(extracted.depth_files())
    views = choose_views(kept, settings.max_views, settings.max_step, exact)
    used = kept if settings.register_all else kept[kept["frame"].isin(views)]
    names = [numbered(int(frame), ".jpg") for frame in used["frame"]]
    positions = used.reindex(columns=_POSITION).to_numpy(float)

    database = match_images(extracted.images, names, camera, settings, work, positions)
    positions_of = dict(zip(used["frame"], positions, strict=True))

    def plausible(candidate: pycolmap.Reconstruction) -> bool:
        if not settings.use_gps or np.isfinite(positions[:, :2]).all(1).sum() < 3:
            return True
        method = fit_positions if np.isfinite(positions).any(0)[2] else fit_rough_positions
        fit = _fit_telemetry(to_scene_model(candidate), positions_of, settings, method)
        # A model with a few cameras far from where the drone was is bent or has them wrong, however
        # small its reprojection error.
        return fit is not None and fit.inliers >= 0.9 * fit.used

    model, models = map_scene(
        database, extracted.images, settings, work, settings.refine_camera, plausible
    )
    doubt = FOCAL_DOUBT.get(extracted.summary().get("camera_source", ""), 0.0)
    scale = _make_metric(model, used, settings, doubt)
    if scale["scale_source"] == "telemetry" and DEVIATION_COLUMN in used:
        deviation_of = dict(zip(used["frame"], used[DEVIATION_COLUMN].astype(float), strict=True))
        if adjust_to_positions(model, positions_of, deviation_of, settings.mapping_threads):
            scale = _make_metric(model, used, settings, doubt)
    sfm = SceneFolder(folder).sfm
    sfm.mkdir(parents=True, exist_ok=True)
    model.write_binary(sfm)

    scene = to_scene_model(model)
    summary = {
        **scale,
        "registered": model.num_reg_images(),
        "frames": len(names),
        "models": models,
        "points": model.num_points3D(),
        "mean_reprojection_error_px": round(float(model.compute_mean_reprojection_error()), 4),
        "median_triangulation_angle_deg": round(median_triangulation_angle(model), 2),
        "sfm_seconds": round(time.monotonic() - start, 1),
    }
    keys = ("registered", "frames", "points", "mean_reprojection_error_px")
    metric = f"metric from {scale['scale_source']}" if scale["metric"] else "not metric"
    message = "%s: %d of %d frames registered, %d points, %.2f px, %s."
    logger.info(message, frames.name, *(summary[key] for key in keys), metric)
    return SceneReconstruction(scene, [view for view in views if view in scene.poses], summary)


def _fit_telemetry(
    scene: SceneModel,
    positions_of: dict[int, np.ndarray],
    settings: SfmSettings,
    fit: Callable[..., PositionFit | None] = fit_positions,
) -> PositionFit | None:
    poses = np.stack([scene.poses[f] for f in scene.frames])
    measured = np.stack([positions_of[f] for f in scene.frames])
    up = estimate_up(poses, scene.points_N3)
    return fit(camera_center(poses), measured, up, settings.gps_sigma, settings.seed)


def _make_metric(
    model: pycolmap.Reconstruction,
    used: pd.DataFrame,
    settings: SfmSettings,
    focal_doubt: float,
) -> dict:
    """Move the model into a level frame, in metres where possible; returns what the summary says
    about it.

    Args:
        model: it is changed.
        used: rows of `frames.parquet`.
        settings: of the reconstruction.
        focal_doubt: relative standard deviation of the focal length, by which all depth between
            known positions may be off.
    """
    scene = to_scene_model(model)
    known = used.set_index("frame").reindex(index=scene.frames, columns=[*_POSITION, *_KNOWN])
    positions, heights = known[_POSITION].to_numpy(float), known[HEIGHT_COLUMN].to_numpy(float)
    positions_of = dict(zip(scene.frames, positions, strict=True))
    fit = against = None
    for method in (fit_positions, fit_rough_positions) if settings.use_gps else ():
        fit = fit or _fit_telemetry(scene, positions_of, settings, method)
    if fit is not None:
        up, flown = known[UP_COLUMNS].to_numpy(float), settings.flying_height_m
        against = contradiction(scene, fit.similarity, heights, up, flown)
    if against is not None:
        logger.warning(
            "The scale of the positions is not used: %s. Correct the telemetry (order and unit of"
            " its columns, another flight's file) or, where the place of departure lies far from"
            " this ground's level, set sfm.flying_height_m.",
            against,
        )
    elif fit is not None:
        _transform(model, fit.similarity)
        if fit.horizontal and np.isfinite(positions[:, 2]).any():
            message = (
                "The positions disagree with the images by %.1f m (gps_sigma is %g m): the scale"
                " comes from east and north alone and may be off by %.0f %%."
            )
            uncertainty = 200 * math.hypot(fit.scale_uncertainty, focal_doubt)
            logger.warning(message, fit.residual_m, settings.gps_sigma, uncertainty)
        return {
            "metric": True,
            "scale_source": "telemetry",
            "residual_m": round(fit.residual_m, 3),
            "positions_used": fit.inliers,
            "positions": fit.used,
            "scale_uncertainty": round(math.hypot(fit.scale_uncertainty, focal_doubt), 4),
        }
    poses, points = np.stack([scene.poses[f] for f in scene.frames]), scene.points_N3
    centers = camera_center(poses)
    rotation = level(estimate_up(poses, points))
    scale, source = 1.0, "none"
    if settings.flying_height_m is not None:
        height = height_above_ground(centers @ rotation.T, points @ rotation.T)
        if height > 0:
            scale, source = settings.flying_height_m / height, "flying_height"
    ground = np.median(points @ rotation.T, axis=0) * scale
    _transform(model, Similarity(scale, rotation, -ground))
    return {
        "metric": source != "none",
        "scale_source": source,
        "residual_m": None,
        "positions_used": 0,
        "positions": 0,
        "scale_uncertainty": None,
        "contradiction": against,
    }


def _transform(model: pycolmap.Reconstruction, similarity: Similarity) -> None:
    rotation = pycolmap.Rotation3d(similarity.rotation)
    model.transform(pycolmap.Sim3d(similarity.scale, rotation, similarity.translation))


def read_gray(frames: Path, frame: int) -> np.ndarray:
    """A frame as grey uint8 [H, W].

    Raises:
        SceneError: if it cannot be read.
    """
    path = SceneFolder(frames).image_file(frame)
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise SceneError(f"{path} cannot be read as an image; extract the frames again.")
    return image
