"""Fractions of a plane: the sources warped over the present surface, a little nearer and a
little farther."""

import cv2
import numpy as np

from aerial_depth_pipeline.mvs.matching_scores import BestOf, window_statistics, zncc
from aerial_depth_pipeline.mvs.planes import pixel_axes

# The parabola's three scores are averaged over so many pixels: one pixel's alone are too noisy for
# fractions of a step.
_SMOOTHING = 5


def source_maps(
    K_33: np.ndarray, T_source_from_target: np.ndarray, inverse_depth_HW: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each pixel of the target lies in the source: x and y in OpenCV's convention, and the
    source's z over the target's."""
    height, width = inverse_depth_HW.shape
    rotation = (K_33 @ T_source_from_target[:3, :3] @ np.linalg.inv(K_33)).astype(np.float32)
    travel = (K_33 @ T_source_from_target[:3, 3]).astype(np.float32)
    u, v = pixel_axes(height, width)
    x, y, z = (
        rotation[i, 0] * u + rotation[i, 1] * v + rotation[i, 2] + travel[i] * inverse_depth_HW
        for i in range(3)
    )
    z = np.maximum(z, 1e-6)
    return x / z - 0.5, y / z - 0.5, z


def refine(
    target_HW: np.ndarray,
    sources: list[np.ndarray],
    K_33: np.ndarray,
    relative_poses: list[np.ndarray],
    inverse_depth_HW: np.ndarray,
    step_HW: np.ndarray,
    windows: tuple[int, ...],
    best: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Improve inverse depth by a parabola through the scores at −step, 0 and +step.

    The windows follow the surface itself, whatever its slant, which a sweep of planes in one
    direction cannot.

    Args:
        target_HW, sources: grey uint8 views.
        K_33: calibration.
        relative_poses: `T_source_from_target` of each source.
        inverse_depth_HW: the surface so far.
        step_HW: step in inverse depth.
        windows, best: as in `plane_sweep.matching_scores`.

    Returns:
        The improved inverse depth and the score at the surface before the improvement.
    """
    statistics = window_statistics(target_HW, windows)
    bright = [np.maximum(source, 1) for source in sources]
    height, width = target_HW.shape
    scores = []
    for offset in (-1, 0, 1):
        ranked = BestOf(best)
        surface = inverse_depth_HW + offset * step_HW
        for source, T in zip(bright, relative_poses, strict=True):
            x, y, _ = source_maps(K_33, T, surface)
            ranked.add(zncc(statistics, cv2.remap(source, x, y, cv2.INTER_LINEAR)))
        scores.append(cv2.blur(ranked.mean(height, width), (_SMOOTHING, _SMOOTHING)))
    far, here, near = scores
    bend = 2 * here - far - near
    vertex = 0.5 * (near - far) / np.maximum(bend, 1e-6)
    offset = np.where(bend > 1e-6, vertex, np.sign(near - far) * 0.5)
    # Away from a maximum the parabola is extrapolation: half a step in the better direction, the
    # next round sees to the rest.
    return inverse_depth_HW + np.clip(offset, -0.5, 0.5) * step_HW, here
