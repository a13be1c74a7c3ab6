"""From matches to poses and points; why it is not possible where it is not."""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.progress import progress_bar
from aerial_depth_pipeline.sfm.colmap import pycolmap, run_step
from aerial_depth_pipeline.sfm.settings import SfmSettings

logger = logging.getLogger(__name__)

_MINIMUM_VIEWS = 3
_MATCHES_OF_A_PAIR = 15
_NO_MOTION_PX = 1.0


def map_scene(
    database: Path,
    images: Path,
    settings: SfmSettings,
    work: Path,
    refine_camera: bool,
    plausible: Callable[[pycolmap.Reconstruction], bool] = lambda model: True,
) -> tuple[pycolmap.Reconstruction, int]:
    """Reconstruct poses and points.

    Views of nearly flat ground from a narrow path have two solutions that fit two views equally
    well; an incremental reconstruction that starts from the wrong one ends bent, with two to three
    times the reprojection error. So a result with a large error, or one that is not plausible, is
    weighed against attempts that start differently, and the best is taken.

    Args:
        database: features and matches.
        images: folder of the images.
        settings: settings of the reconstruction.
        work: folder for COLMAP's own output.
        refine_camera: let bundle adjustment change focal length and distortion.
        plausible: a check against other knowledge, e.g. telemetry.

    Returns:
        The model with most registered images, and the number of models.

    Raises:
        SceneError: if nothing could be reconstructed, with the likely reason.
    """
    with pycolmap.Database.open(database) as content:
        total = content.num_images()
    if not refine_camera:
        check_parallax(database)
    angle = settings.init_triangulation_angle
    attempts = [
        ("incremental", angle),
        ("incremental", 2.5 * angle),
        ("global", 0.0),
        ("incremental", 0.4 * angle),
    ]
    if settings.mapper == "global":
        attempts.insert(0, attempts.pop(2))
    candidates = []
    for mapper, angle in attempts[: settings.mapping_attempts]:
        with tempfile.TemporaryDirectory(prefix="models", dir=work) as output:
            paths = {"database_path": database, "image_path": images, "output_path": output}
            if mapper == "global":
                models = _map_globally(paths, settings, refine_camera)
            else:
                models = _map_incrementally(paths, settings, refine_camera, total, angle)
        models = [
            model
            for model in models
            if model.num_reg_images() >= _MINIMUM_VIEWS and model.num_points3D() > 0
        ]
        if not models:
            continue
        best = max(models, key=lambda model: (model.num_reg_images(), model.num_points3D()))
        registered, error = best.num_reg_images(), best.compute_mean_reprojection_error()
        fits = plausible(best)
        candidates.append((fits, registered, error, best, len(models)))
        message = "%s mapping: %d of %d images, %.3f px, plausible: %s"
        logger.debug(message, mapper, registered, total, error, fits)
        if fits and registered == total and error <= settings.good_reprojection_error:
            break
    if not candidates:
        raise SceneError(explain_failure(database))
    most = max(registered for fits, registered, *_ in candidates)
    # Within a few images of the most registered, the smaller error tells the right solution.
    fits, _, error, best, count = min(candidates, key=lambda c: (not c[0], c[1] < 0.9 * most, c[2]))
    if count > 1:
        message = "The scene fell into %d models; the largest with %d of %d images is kept."
        logger.warning(message, count, best.num_reg_images(), total)
    angle = median_triangulation_angle(best)
    if angle < settings.min_triangulation_angle:
        raise SceneError(
            f"There is no usable parallax: points are seen under {angle:.2f} degrees in the median."
            " The camera hovered, or flew too little for the distance of the ground; use a part of"
            " the footage where it travels."
        )
    return best, count


def _map_incrementally(
    paths: dict[str, Any], settings: SfmSettings, refine_camera: bool, total: int, init_angle: float
) -> list[pycolmap.Reconstruction]:
    options = pycolmap.IncrementalPipelineOptions()
    options.min_model_size = _MINIMUM_VIEWS
    options.max_num_models = 10
    options.num_threads = settings.mapping_threads
    options.random_seed = settings.seed
    options.ba_refine_focal_length = refine_camera
    options.ba_refine_extra_params = refine_camera
    options.mapper.abs_pose_refine_focal_length = False
    options.mapper.abs_pose_refine_extra_params = False
    options.extract_colors = True
    options.mapper.init_min_tri_angle = init_angle
    # Global adjustment after every tenth of growth costs most of the time and changes little where
    # the camera is known.
    options.ba_global_frames_ratio = options.ba_global_points_ratio = 1.1 if refine_camera else 1.2
    registered: list[None] = []
    steps = {"options": options, "next_image_callback": lambda: registered.append(None)}
    bar: tqdm[Any]
    with progress_bar(None, "mapping", total, "image") as bar:

        def tick() -> None:
            bar.update(min(len(registered), total) - bar.n)

        return list(run_step(pycolmap.incremental_mapping, paths | steps, tick).values())


def _map_globally(
    paths: dict[str, Any], settings: SfmSettings, refine_camera: bool
) -> list[pycolmap.Reconstruction]:
    options = pycolmap.GlobalPipelineOptions()
    options.num_threads = settings.mapping_threads
    options.random_seed = settings.seed
    options.min_model_size = _MINIMUM_VIEWS
    options.mapper.global_positioning.use_gpu = False
    options.mapper.bundle_adjustment.refine_focal_length = refine_camera
    options.mapper.bundle_adjustment.refine_extra_params = refine_camera
    arguments = paths | {"options": options}
    return list(run_step(pycolmap.global_mapping, arguments, cancellable=False).values())


def median_triangulation_angle(model: pycolmap.Reconstruction, sample: int = 2000) -> float:
    """Median over points of the largest angle, in degrees, between two rays of the point's
    track."""
    centers = {i: model.image(i).projection_center() for i in model.reg_image_ids()}
    points = list(model.points3D.values())
    angles = []
    for point in points[:: max(1, len(points) // sample)]:
        rays = np.array([centers[element.image_id] - point.xyz for element in point.track.elements])
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        angles.append(np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1, 1))))
    return float(np.median(angles)) if angles else 0.0


@dataclass(frozen=True)
class PairMotion:
    """How far features move between two images, in pixels: in all, and beyond what a rotation of
    the camera explains."""

    flow: float
    parallax: float


def pair_motions(database: Path) -> list[PairMotion]:
    """The motion of every pair of images that matches, medians over its inliers."""
    motions = []
    with pycolmap.Database.open(database) as content:
        cameras = {camera.camera_id: camera for camera in content.read_all_cameras()}
        keypoints = {
            image.image_id: (_xy(content.read_keypoints(image.image_id)), cameras[image.camera_id])
            for image in content.read_all_images()
        }
        for pair_id, geometry in zip(*content.read_two_view_geometries(), strict=True):
            matches = np.asarray(geometry.inlier_matches)
            if len(matches) < _MATCHES_OF_A_PAIR:
                continue
            sides = [keypoints[image_id] for image_id in pycolmap.pair_id_to_image_pair(pair_id)]
            pixels = [xy[matches[:, side]] for side, (xy, _) in enumerate(sides)]
            rays = []
            for xy, (_, camera) in zip(pixels, sides, strict=True):
                ray = np.column_stack([camera.cam_from_img(xy), np.ones(len(xy))])
                rays.append(ray / np.linalg.norm(ray, axis=1, keepdims=True))
            # The rotation that brings the rays together best (Kabsch); reweighted, because near
            # things must not pull it.
            weights = np.ones(len(matches))
            for _ in range(5):
                u, _, vt = np.linalg.svd((rays[1] * weights[:, None]).T @ rays[0])
                rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
                residual = np.linalg.norm(rays[0] @ rotation.T - rays[1], axis=1)
                weights = 1 / (residual + 1e-4)
            flow = np.median(np.linalg.norm(pixels[0] - pixels[1], axis=1))
            parallax = np.median(residual) * sides[0][1].mean_focal_length()
            motions.append(PairMotion(float(flow), float(parallax)))
    return motions


def check_parallax(database: Path) -> None:
    """Refuse, before anything expensive, images between which nothing moved or the camera only
    rotated.

    Raises:
        SceneError: with the reason. From such images the mapper would build a model out of noise.
    """
    motions = pair_motions(database)
    if not motions:
        return
    flow = max(motion.flow for motion in motions)
    parallax = max(motion.parallax for motion in motions)
    if flow < _NO_MOTION_PX:
        raise SceneError(
            f"The camera did not move: features stay within {flow:.1f} pixels over all frames."
            " Depth needs travel."
        )
    if parallax < _NO_MOTION_PX:
        raise SceneError(
            "There is no parallax: the camera only rotated; without its rotation features move by"
            f" {parallax:.1f} pixels at most. Use a part of the footage where the camera travels."
        )


def explain_failure(database: Path) -> str:
    """Why a database of matches did not become a model, in words for the user."""
    with pycolmap.Database.open(database) as content:
        count = content.num_images()
    motions = pair_motions(database)
    if not motions:
        return (
            f"None of the {count} frames could be matched with another: the image changes too"
            " much between them, or repeats itself. Keep frames closer together, or leave the"
            " scene out."
        )
    return (
        f"Structure from motion found no model for {count} frames, although {len(motions)} pairs"
        " match. There is probably too little parallax between them; use a part of the footage"
        " where the camera travels sideways."
    )


def _xy(keypoints: Any) -> np.ndarray:
    is_matrix = isinstance(keypoints, np.ndarray)
    matrix = keypoints if is_matrix else pycolmap.keypoints_to_matrix(keypoints)
    return np.asarray(matrix, float)[:, :2]
