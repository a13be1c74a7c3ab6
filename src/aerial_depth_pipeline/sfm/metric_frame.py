"""From the arbitrary frame of a model to a level one in metres."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from aerial_depth_pipeline.geometry.poses import fit_similarity

_MINIMUM_POSITIONS = 3
_DOUBLINGS = 6
_MOST = 0.8  # of rough positions must agree


@dataclass(frozen=True)
class Similarity:
    """world_new = scale · rotation · world_old + translation."""

    scale: float
    rotation: np.ndarray
    translation: np.ndarray

    def apply(self, points_N3: np.ndarray) -> np.ndarray:
        """Points [N, 3] moved."""
        return self.scale * points_N3 @ self.rotation.T + self.translation


@dataclass(frozen=True)
class PositionFit:
    """A similarity fitted to measured positions.

    Attributes:
        similarity: from the model to the measured frame.
        residual_m: root mean square distance of the inliers, metres.
        inliers: number of positions that agree.
        used: number of positions.
        horizontal: whether only east and north were looked at.
        scale_uncertainty: standard error of the scale, relative; errors of neighbouring positions
            are taken for independent.
    """

    similarity: Similarity
    residual_m: float
    inliers: int
    used: int
    horizontal: bool
    scale_uncertainty: float


def fit_positions(
    centers_N3: np.ndarray,
    positions_N3: np.ndarray,
    up_3: np.ndarray | None,
    sigma: float,
    seed: int,
) -> PositionFit | None:
    """Fit a similarity to measured camera positions, robust against outliers.

    Camera centres on (nearly) one line leave the rotation about it open, which `up_3` then
    decides.

    Args:
        centers_N3: camera centres in the model.
        positions_N3: measured positions in metres, NaN where unknown.
        up_3: the upward direction in the model, as far as it can be told from the cameras.
        sigma: standard deviation of the positions in metres.
        seed: seed of the random samples.

    Returns:
        None where the positions cannot determine a scale: too few, or a path hardly longer than
            their noise.
    """
    fit = partial(_fit, up=up_3)
    return _fit_robustly(centers_N3, positions_N3, fit, sigma, seed, horizontal=False)


def fit_rough_positions(
    centers_N3: np.ndarray, positions_N3: np.ndarray, up_3: np.ndarray, sigma: float, seed: int
) -> PositionFit | None:
    """Fit a similarity to positions that are worse than they should be: cameras with a cheap
    receiver, altitudes that drift.

    Only east and north are trusted, up comes from the cameras, and the standard deviation is
    doubled until most positions agree; where they are then off by more than a third of the path's
    size, they say nothing about the scale.

    Args and returns: as for `fit_positions`; the height is such that it agrees with the measured
        ones in the median, or puts the cameras at 0 where no height is measured.
    """
    fit_map = partial(_fit_horizontally, rotation=level(up_3))
    for _ in range(_DOUBLINGS):
        fit = _fit_robustly(centers_N3, positions_N3, fit_map, sigma, seed, horizontal=True)
        if fit is not None and fit.inliers >= _MOST * fit.used:
            return fit
        sigma *= 2
    return None


def _fit_robustly(
    centers_N3: np.ndarray,
    positions_N3: np.ndarray,
    fit_similarity_to: Callable[[np.ndarray, np.ndarray], Similarity | None],
    sigma: float,
    seed: int,
    horizontal: bool,
) -> PositionFit | None:
    axes = slice(0, 2) if horizontal else slice(0, 3)
    measured = np.isfinite(positions_N3[:, axes]).all(1)
    centers, positions = (np.asarray(a, float)[measured] for a in (centers_N3, positions_N3))
    if len(centers) < _MINIMUM_POSITIONS:
        return None

    def error_of(fit: Similarity) -> np.ndarray:
        return np.linalg.norm((fit.apply(centers) - positions)[:, axes], axis=1)

    spread = np.sqrt(((positions - positions.mean(0))[:, axes] ** 2).sum(1).mean())
    if spread < 3 * sigma or np.ptp(centers, axis=0).max() <= 0:
        return None
    rng = np.random.default_rng(seed)
    limit = 3 * sigma
    best = np.ones(len(centers), bool)
    best_score = -1.0
    for trial in range(200):
        # The first trial takes everything: without outliers nothing beats it.
        sample = np.arange(len(centers))
        if trial:
            sample = rng.choice(len(centers), min(len(centers), 5), replace=False)
        fit = fit_similarity_to(centers[sample], positions[sample])
        if fit is None:
            continue
        error = error_of(fit)
        score = float((1 - np.minimum(error / limit, 1) ** 2).sum())
        if score > best_score:
            best_score, best = score, error < limit
        if trial == 0 and best.all():
            break
    if best_score < 0 or best.sum() < max(_MINIMUM_POSITIONS, len(centers) // 2):
        return None
    for _ in range(5):
        refined = fit_similarity_to(centers[best], positions[best])
        if refined is None:
            return None
        similarity = refined
        error = error_of(similarity)
        again = error < max(limit, 2.5 * np.sqrt((error[best] ** 2).mean()))
        if (again == best).all():
            break
        best = again
    residual = float(np.sqrt((error[best] ** 2).mean()))
    uncertainty = residual / spread / np.sqrt(best.sum())
    return PositionFit(similarity, residual, int(best.sum()), len(centers), horizontal, uncertainty)


def _fit_horizontally(
    centers: np.ndarray, positions: np.ndarray, rotation: np.ndarray
) -> Similarity | None:
    """Scale, heading and shift of a model that `rotation` makes level; complex numbers are points
    of the map."""
    levelled = centers @ rotation.T
    source, target = (a[:, 0] + 1j * a[:, 1] for a in (levelled, positions))
    spread = (np.abs(source - source.mean()) ** 2).sum()
    if spread <= 0:
        return None
    factor = (np.conj(source - source.mean()) @ (target - target.mean())) / spread
    scale, heading = abs(factor), np.angle(factor)
    if scale <= 0:
        return None
    cosine, sine = np.cos(heading), np.sin(heading)
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ rotation
    moved = scale * centers @ rotation.T
    shift = (positions - moved).mean(0)
    above = positions[:, 2] - moved[:, 2]
    shift[2] = np.nanmedian(above) if np.isfinite(above).any() else -np.median(moved[:, 2])
    return Similarity(float(scale), rotation, shift)


def _fit(centers: np.ndarray, positions: np.ndarray, up: np.ndarray | None) -> Similarity | None:
    try:
        fit = _guarded(centers, positions)
        if up is None:
            return fit
        spread = np.linalg.svd(centers - centers.mean(0), compute_uv=False)
        if fit is not None and spread[1] > 0.1 * spread[0]:
            return fit
        return _fit_line(centers, positions, up)
    except (ValueError, np.linalg.LinAlgError):
        return None


def _guarded(centers: np.ndarray, positions: np.ndarray) -> Similarity | None:
    try:
        scale, rotation, translation = fit_similarity(centers, positions)
    except ValueError:
        return None
    return Similarity(scale, rotation, translation) if np.isfinite(scale) and scale > 0 else None


def _fit_line(centers: np.ndarray, positions: np.ndarray, up: np.ndarray) -> Similarity | None:
    """Fit for centres that lie nearly on a line: scale and direction from the line, the rest from
    the upward direction."""
    source, target = centers - centers.mean(0), positions - positions.mean(0)
    source_axis = np.linalg.svd(source, full_matrices=False)[2][0]
    along = source @ source_axis
    target_axis = target.T @ along
    if np.linalg.norm(target_axis) <= 0 or (along**2).sum() <= 0:
        return None
    scale = np.linalg.norm(target_axis) / (along**2).sum()
    source_frame = _frame(source_axis, up)
    target_frame = _frame(target_axis / np.linalg.norm(target_axis), np.array([0.0, 0.0, 1.0]))
    if source_frame is None or target_frame is None:
        return None
    rotation = target_frame @ source_frame.T
    return Similarity(scale, rotation, positions.mean(0) - scale * rotation @ centers.mean(0))


def _frame(axis: np.ndarray, up: np.ndarray) -> np.ndarray | None:
    side = np.cross(axis, up)
    if np.linalg.norm(side) < 1e-3:
        return None
    side /= np.linalg.norm(side)
    return np.stack([axis, side, np.cross(axis, side)], axis=1)


def estimate_up(poses_N44: np.ndarray, points_N3: np.ndarray) -> np.ndarray:
    """The upward direction in the model's frame, from how drones hold their cameras.

    A gimbal keeps the image's rows level, so the upward direction is perpendicular to the x axes of
    all cameras. Where these hardly differ (a straight flight), the normal of the plane through the
    sparse points stands in, turned towards the cameras.
    """
    x_axes = poses_N44[:, 0, :3]
    values, vectors = np.linalg.eigh(x_axes.T @ x_axes / len(x_axes))
    centers = -np.einsum("nij,ni->nj", poses_N44[:, :3, :3], poses_N44[:, :3, 3])
    if values[1] > 0.02:
        up = vectors[:, 0]
    else:
        median = np.median(points_N3, axis=0)
        weights = np.ones(len(points_N3))
        for _ in range(10):  # reweighted least squares: roofs and trees count little
            centre = np.average(points_N3, axis=0, weights=weights)
            offsets = points_N3 - centre
            up = np.linalg.eigh((offsets * weights[:, None]).T @ offsets)[1][:, 0]
            distance = np.abs(offsets @ up)
            weights = 1 / (distance + 0.5 * np.median(distance) + 1e-12)
        return up * np.sign((centers.mean(0) - median) @ up or 1.0)
    towards_cameras = centers.mean(0) - np.median(points_N3, axis=0)
    image_up = -poses_N44[:, 1, :3].mean(0)
    vote = up @ (towards_cameras / max(np.linalg.norm(towards_cameras), 1e-12)) + up @ image_up
    return up * (np.sign(vote) or 1.0)


def level(up_3: np.ndarray) -> np.ndarray:
    """A rotation [3, 3] that takes `up_3` to +z."""
    z = up_3 / np.linalg.norm(up_3)
    x = np.cross(np.array([0.0, 1.0, 0.0]) if abs(z[1]) < 0.9 else np.array([1.0, 0.0, 0.0]), z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def height_above_ground(centers_N3: np.ndarray, points_M3: np.ndarray) -> float:
    """Median height of the cameras above the ground of a level model, in its own units; the ground
    is the low part of the points."""
    return float(np.median(centers_N3[:, 2]) - np.percentile(points_M3[:, 2], 25))
