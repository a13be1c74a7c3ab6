"""What a predicted depth map is worth to conventional matching: a plane sweep around it needs fewer
planes."""

import logging
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pandas as pd
import torch

from aerial_depth_pipeline.evaluation.measuring.depth_alignment import median_ratio
from aerial_depth_pipeline.evaluation.methods.method import (
    Frame,
    PredictionError,
    inverse_prediction,
    model_method,
)
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import read_frame
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.poses import relative_pose
from aerial_depth_pipeline.mvs.matching_scores import BestOf, window_statistics, zncc
from aerial_depth_pipeline.mvs.planes import fit_plane, visible_points
from aerial_depth_pipeline.mvs.refinement import source_maps
from aerial_depth_pipeline.mvs.sgm import aggregate, best_plane, to_cost
from aerial_depth_pipeline.mvs.source_views import choose_sources
from aerial_depth_pipeline.sfm.scene_model import SceneModel, read_scene_model

log = logging.getLogger(__name__)

COLUMNS = ["domain", "scene", "frame", "around", "planes", "range"]
COLUMNS += ["abs_rel", "within_1pct", "within_5pct", "coverage", "seconds"]
_SOURCES, _ANGLE = 4, 8.0
_WINDOWS, _BEST = (5,), 2
_SMALL, _LARGE, _PATHS = 0.05, 0.4, 8
_MARGIN = 0.2
_LEAST_SCORE = 0.3
_LEAST_POINTS = 12


def sweep_gain(
    predict: Callable[[np.ndarray], np.ndarray],
    references: Sequence[Reference],
    domain: str,
    scene: str,
    planes: Sequence[int],
    frames: int,
) -> pd.DataFrame:
    """Sweeps around two surfaces, the plane through the sparse points and the network's prediction,
    with more and more planes.

    Both sweeps are the same but for the surface: hypotheses are multiples of its inverse depth,
    evenly spaced over the range that the frame's sparse points ask for; the network is scaled to
    those points by the median. No reference depth is used before the result is measured,
    median-aligned.

    Args:
        predict: the model: from an image [H, W, 3] uint8 RGB to z-depth [H, W].
        references: of one scene with an exact reference and structure from motion.
        domain, scene: names for the table.
        planes: numbers of hypotheses.
        frames: how many frames, evenly chosen among those that were registered.

    Returns:
        One row per frame, surface and number of planes (COLUMNS); `range` is the width of the
        hypotheses' range relative to the surface.
    """
    usable = [
        reference
        for reference in references
        if reference.kind == "exact" and reference.ground_truth is not None
    ]
    rows: list[tuple[object, ...]] = []
    truth = usable[0].ground_truth if usable else None
    if truth is not None and SceneFolder(truth).has_sfm:
        model = read_scene_model(truth)
        usable = [reference for reference in usable if reference.frame in model.poses]
        places: np.ndarray | list[int] = (
            np.unique(np.linspace(0, len(usable) - 1, min(frames, len(usable))).round().astype(int))
            if usable
            else []
        )
        for place in places:
            rows += [
                (domain, scene, *row)
                for row in _sweep_frame(predict, Frame(scene, usable[place]), model, planes)
            ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _sweep_frame(
    predict: Callable[[np.ndarray], np.ndarray],
    frame: Frame,
    model: SceneModel,
    planes: Sequence[int],
) -> list[tuple[object, ...]]:
    number = frame.reference.frame
    size = (model.camera.height, model.camera.width)
    folder = frame.reference.image.parent
    candidates = [view for view in model.frames if (folder / numbered(view, ".jpg")).is_file()]
    sources = choose_sources(model, number, candidates, _SOURCES, _ANGLE)
    pixels, inverse_N = visible_points(model, number, sources)
    if not sources or len(pixels) < _LEAST_POINTS or frame.depth.shape != size:
        log.info("%s/%06d has no views to sweep against and is left out.", frame.scene, number)
        return []
    try:
        network_HW = inverse_prediction(model_method(predict), frame)
    except PredictionError as error:
        log.warning("No sweep around the prediction of %s/%06d: %s.", frame.scene, number, error)
        return []
    views = [
        cv2.cvtColor(read_frame(folder / numbered(view, ".jpg")), cv2.COLOR_RGB2GRAY)
        for view in sources
    ]
    target = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
    relative = [relative_pose(model.poses[view], model.poses[number]) for view in sources]
    columns, rows = np.floor(pixels).astype(int).T
    plane = fit_plane(pixels, inverse_N)
    u, v = np.arange(size[1]) + 0.5, (np.arange(size[0]) + 0.5)[:, None]
    plane_HW = (plane[0] * u + plane[1] * v + plane[2]).astype(np.float32)
    # Beyond the plane's horizon multiples of it cover nothing; a floor keeps hypotheses there.
    surfaces = {
        "plane": np.maximum(plane_HW, np.float32(0.1 * np.median(inverse_N))),
        "network": network_HW,
    }
    result: list[tuple[object, ...]] = []
    for name, surface_HW in surfaces.items():
        at_points = surface_HW[rows, columns]
        known = np.isfinite(at_points) & (at_points > 0)
        # Depth is the reciprocal: the factor on inverse depth that gives the median depth is the
        # inverse of the ratio.
        scaled_HW = surface_HW / np.float32(
            median_ratio(1 / inverse_N[known], 1 / at_points[known])
        )
        ratio = inverse_N[known] / scaled_HW[rows, columns][known]
        low, high = np.percentile(ratio, [0.5, 99.5])
        low, high = max(low - _MARGIN * (high - low), 0.05), high + _MARGIN * (high - low)
        for count in planes:
            start = time.perf_counter()
            depth_HW = sweep_around(
                target, views, model.camera.K, relative, scaled_HW, np.linspace(low, high, count)
            )
            seconds = time.perf_counter() - start
            result.append(
                (number, name, count, high - low, *_errors(depth_HW, frame.depth), seconds)
            )
    return result


def sweep_around(
    target_HW: np.ndarray,
    sources: Sequence[np.ndarray],
    K_33: np.ndarray,
    relative_poses: Sequence[np.ndarray],
    inverse_depth_HW: np.ndarray,
    factors_D: np.ndarray,
) -> np.ndarray:
    """Depth [H, W] by a sweep over multiples of a surface, with ZNCC and semi-global matching; 0
    where the match is poor.

    Args:
        target_HW: the view, grey uint8.
        sources: its source views, grey uint8, of the same camera.
        K_33: calibration.
        relative_poses: `T_source_from_target` of each source.
        inverse_depth_HW: the surface.
        factors_D: multiples of its inverse depth, increasing, at least three.
    """
    statistics = window_statistics(target_HW, _WINDOWS)
    bright = [np.maximum(source, 1) for source in sources]  # 0 is left to mean: outside
    height, width = target_HW.shape
    scores = np.empty((len(factors_D), height, width), np.float32)
    for place, factor in enumerate(factors_D):
        ranked = BestOf(min(_BEST, len(bright)))
        for source, T in zip(bright, relative_poses, strict=True):
            x, y, _ = source_maps(K_33, T, inverse_depth_HW * np.float32(factor))
            warped = cv2.remap(
                source, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderValue=0
            )
            ranked.add(zncc(statistics, warped))
        scores[place] = ranked.mean(height, width)
    volume = torch.from_numpy(scores)
    total = aggregate(
        to_cost(volume), _SMALL, _LARGE, torch.as_tensor(target_HW, dtype=torch.float32), _PATHS
    )
    index = best_plane(total)
    nearest = index.round().long().clamp(0, len(factors_D) - 1)
    score_HW = volume.gather(0, nearest[None])[0].numpy()
    factor_HW = np.interp(index.numpy(), np.arange(len(factors_D)), factors_D).astype(np.float32)
    inverse_HW = inverse_depth_HW * factor_HW
    good_HW = (score_HW >= _LEAST_SCORE) & (inverse_HW > 0)
    return np.divide(1, inverse_HW, out=np.zeros_like(inverse_HW), where=good_HW)


def _errors(depth_HW: np.ndarray, reference_HW: np.ndarray) -> tuple[float, float, float, float]:
    """abs_rel, shares within 1 % and 5 % of all reference pixels, coverage of the reference;
    median-aligned."""
    common = (depth_HW > 0) & (reference_HW > 0)
    if not common.any():
        return float("nan"), 0.0, 0.0, 0.0
    reference_N, depth_N = reference_HW[common], depth_HW[common]
    error_N = np.abs(depth_N * median_ratio(reference_N, depth_N) - reference_N) / reference_N
    wanted = np.count_nonzero(reference_HW > 0)
    one, five = (np.count_nonzero(error_N < limit) / wanted for limit in (0.01, 0.05))
    return float(error_N.mean()), one, five, len(error_N) / wanted
