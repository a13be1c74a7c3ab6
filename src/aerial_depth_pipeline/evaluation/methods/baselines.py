"""Three predictions that know nothing of the image. A model is worth something where it beats
them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.formats.depth_maps import read_depth
from aerial_depth_pipeline.progress import progress

log = logging.getLogger(__name__)

_FITTED_PIXELS = 20_000
_ROUNDS = 30


@dataclass(frozen=True)
class TrainingDepth:
    """What the training references say without looking at an image.

    Attributes:
        constant: their median depth (1 without references).
        mean_HW: their mean depth map, complete, in the same unit; None without references.
        metric: whether both are in metres: where all references are.
    """

    constant: float
    mean_HW: np.ndarray | None
    metric: bool = False


def training_depth(train: Mapping[str, Sequence[Reference]], size: Sequence[int]) -> TrainingDepth:
    """Mean depth map and median depth of the training frames' references, one map in memory at a
    time.

    Where every scene is metric the maps are averaged as they are. Otherwise each is divided by its
    median first: units of different scenes cannot be averaged, their shapes can. Pixels that no
    reference covers are taken from the plane in inverse depth that fits the covered ones.

    Args:
        train: the training scenes' references.
        size: width and height of the mean map in pixels.
    """
    references = [reference for scene in train.values() for reference in scene]
    metric = bool(references) and all(reference.metric for reference in references)
    width, height = size
    total_HW, weight_HW = np.zeros((height, width)), np.zeros((height, width))
    medians = []
    for reference in progress(references, "Mean depth map", len(references), "map"):
        try:
            depth_HW = read_depth(reference.depth)
        except SceneError as error:
            log.warning("The mean depth map does without one map: %s", error)
            continue
        if not (depth_HW > 0).any():
            continue
        median = float(np.median(depth_HW[depth_HW > 0]))
        medians.append(median)
        depth_HW = resize_depth(depth_HW if metric else depth_HW / median, width, height)
        total_HW += depth_HW
        weight_HW += depth_HW > 0
    if not medians:
        return TrainingDepth(1.0, None)
    mean_HW = (total_HW / np.maximum(weight_HW, 1)).astype(np.float32)
    if (weight_HW == 0).any():
        plane = _least_squares_plane(mean_HW)
        elsewhere = (
            np.median(mean_HW[weight_HW > 0]) if plane is None else _plane_depth(plane, mean_HW)
        )
        mean_HW = np.where(weight_HW > 0, mean_HW, elsewhere)
    constant = float(np.median(medians)) if metric else 1.0
    return TrainingDepth(constant, mean_HW.astype(np.float32), metric)


def tilted_plane(reference_HW: np.ndarray) -> np.ndarray | None:
    """The plane in inverse depth, 1/z = a u + b v + c, of least abs rel: an oracle, it sees the
    reference.

    A plane in space is exactly such a plane in inverse depth, so this is the best flat, tilted
    ground. Beyond its horizon the depth is kept at ten thousand times the depth of the mean inverse
    depth. With p the plane's and q the reference's inverse depth, abs rel is the mean of |p - q| /
    p; least squares with weights q / (p² |p - q|) have the same stationary points.

    Args:
        reference_HW: depth, 0 where it is not to be fitted.

    Returns:
        Depth [H, W], or None where fewer than three pixels, or only pixels on one line, have a
        reference.
    """
    plane = _least_squares_plane(reference_HW)
    if plane is None:
        return None
    stride = max(1, round((np.count_nonzero(reference_HW > 0) / _FITTED_PIXELS) ** 0.5))
    v, u = np.nonzero(reference_HW[::stride, ::stride] > 0)
    height, width = reference_HW.shape
    inverse_N = 1 / reference_HW[::stride, ::stride][v, u].astype(float)
    x, y = (u * stride + 0.5) / width - 0.5, (v * stride + 0.5) / height - 0.5
    rays_N3 = np.stack([x, y, np.ones(len(x))], 1)
    floor, best_3, least = 1e-4 * inverse_N.mean(), plane, np.inf
    for _ in range(_ROUNDS):
        plane_N = np.maximum(rays_N3 @ plane, floor)
        error_N = np.abs(plane_N - inverse_N)
        if (abs_rel := float((error_N / plane_N).mean())) < least:
            best_3, least = plane, abs_rel
        weight_N = inverse_N / (plane_N**2 * np.maximum(error_N, 1e-4 * inverse_N))
        normal_33 = (rays_N3 * weight_N[:, None]).T @ rays_N3
        if np.linalg.cond(normal_33) > 1e12:
            break
        plane = np.linalg.solve(normal_33, rays_N3.T @ (weight_N * inverse_N))
    return _plane_depth(best_3, reference_HW)


def _least_squares_plane(reference_HW: np.ndarray) -> np.ndarray | None:
    """a, b, c of the plane in inverse depth that fits best by least squares."""
    height, width = reference_HW.shape
    known_HW = reference_HW > 0
    count = int(np.count_nonzero(known_HW))
    if count < 3:
        return None
    inverse_HW = np.divide(
        1, reference_HW, out=np.zeros(reference_HW.shape, np.float32), where=known_HW
    )
    x = (np.arange(width) + 0.5) / width - 0.5
    y = (np.arange(height) + 0.5) / height - 0.5
    # The normal equations from the moments of each row: the coordinates of pixels need never be
    # written down.
    moments_W3 = np.stack([np.ones(width), x, x * x], 1).astype(np.float32)
    ones_H, x_H, xx_H = (known_HW.astype(np.float32) @ moments_W3).astype(float).T
    right_H, x_right_H = (inverse_HW @ moments_W3[:, :2]).astype(float).T
    xy, sx, sy = y @ x_H, x_H.sum(), y @ ones_H
    normal_33 = np.array([[xx_H.sum(), xy, sx], [xy, (y * y) @ ones_H, sy], [sx, sy, count]])
    right_3 = np.array([x_right_H.sum(), y @ right_H, right_H.sum()])
    if np.linalg.cond(normal_33) > 1e8:
        return None
    return np.linalg.solve(normal_33, right_3)


def _plane_depth(plane_3: np.ndarray, reference_HW: np.ndarray) -> np.ndarray:
    height, width = reference_HW.shape
    a, b, c = plane_3
    x = (np.arange(width) + 0.5) / width - 0.5
    y = (np.arange(height) + 0.5) / height - 0.5
    plane_HW = (a * x[None, :] + (b * y[:, None] + c)).astype(np.float32)
    mean = np.reciprocal(reference_HW[reference_HW > 0], dtype=np.float64).mean()
    return np.reciprocal(np.maximum(plane_HW, np.float32(1e-4 * mean)))


def resize_depth(depth_HW: np.ndarray, width: int, height: int) -> np.ndarray:
    """A depth map at another size: the mean of inverse depth over the pixels that have one, 0 where
    none has."""
    if depth_HW.shape == (height, width):
        return depth_HW
    present_HW = (depth_HW > 0).astype(np.float32)
    inverse_HW = np.divide(1, depth_HW, out=np.zeros_like(depth_HW), where=depth_HW > 0)
    smaller = width <= depth_HW.shape[1] and height <= depth_HW.shape[0]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    present_HW = np.asarray(cv2.resize(present_HW, (width, height), interpolation=way))
    inverse_HW = np.asarray(cv2.resize(inverse_HW, (width, height), interpolation=way))
    return np.divide(
        present_HW,
        inverse_HW,
        out=np.zeros_like(inverse_HW),
        where=(present_HW > 0.5) & (inverse_HW > 0),
    )
