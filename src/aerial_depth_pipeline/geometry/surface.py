"""Inverse depth of a whole frame from a few of its points: a plane, and a smooth surface over it.

Depth completion from sparse points over a planar scaffold, as in VOICED (Wong et al., RA-L 2020),
without a network.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import torch
from scipy.sparse import dia_array
from scipy.spatial import cKDTree

FEWEST_POINTS = 12
LARGEST_ERROR = 0.5
"""Of a logarithm at points that are held back: wrong ones count no more."""
_HELD_BACK = 5  # every fifth
_CELLS = 96  # of the surface, across the width
_ROUNDS_OF_PLANE, _ROUNDS_OF_SURFACE = 15, 2
_SLOPE_DEVIATION = 0.5  # of the slope that is expected, before the points are looked at
_NOISE = 0.02  # least relative standard deviation of a point: what the cell around it differs by
_EDGE = 12.0  # grey levels; colour edge across which the surface bends freely
_RELIEF = 0.1  # relative change of depth between neighbouring cells, standard deviation
_NEIGHBOURS, _FEWEST_LIKE_IT = 8, 4
_SAME_DEPTH = 0.25  # relative, of neighbours that lie on one surface
_LEVELS, _ITERATIONS = 4, 8
NEAR = 0.05
"""Distance to a point, in widths, at which nearness has fallen to a third."""


@dataclass(frozen=True)
class FramePoints:
    """Points of one frame.

    Attributes:
        pixels_N2: where they lie, pixels of the frame.
        inverse_N: inverse depth, positive.
        deviation_N: its standard deviation.
    """

    pixels_N2: np.ndarray
    inverse_N: np.ndarray
    deviation_N: np.ndarray

    def where(self, chosen_N: np.ndarray) -> Self:
        """Some of the points."""
        return type(self)(*(values[chosen_N] for values in vars(self).values()))

    def hold_back(self) -> tuple[Self, Self]:
        """All but every fifth point, and these."""
        held_N = np.arange(len(self.inverse_N)) % _HELD_BACK == 0
        return self.where(~held_N), self.where(held_N)


def plane_through(
    points: FramePoints, width: int, height: int, slope_2: np.ndarray | None = None
) -> np.ndarray:
    """The plane (p, q, r) [3] of least mean relative error: inverse depth p u + q v + r, with u and
    v from -1 to 1 across the image.

    Where the points leave its slope open, as few or all on one side do, it stays near `slope_2`.

    Args:
        points: at least `FEWEST_POINTS`.
        width, height: of the frame, pixels.
        slope_2: slope of level ground (`geometry.ground.ground_slope`); NaN or None: frontal.

    Raises:
        ValueError: with fewer points.
    """
    if len(points.inverse_N) < FEWEST_POINTS:
        raise ValueError(f"a plane needs {FEWEST_POINTS} points, not {len(points.inverse_N)}")
    slope = np.zeros(2) if slope_2 is None else np.nan_to_num(np.asarray(slope_2, float))
    uv_N2 = 2 * points.pixels_N2 / (width, height) - 1
    inverse_N = points.inverse_N.astype(float)
    middle = float(np.median(inverse_N))
    rows_N3 = np.concatenate([uv_N2, np.ones((len(uv_N2), 1))], 1)
    prior_23 = np.concatenate([np.eye(2), -slope[:, None]], 1) / (_SLOPE_DEVIATION * middle)
    least = _least_inverse_depth(points)
    plane = np.array([*(slope * middle), middle])
    for _ in range(_ROUNDS_OF_PLANE):
        on_plane_N = np.maximum(rows_N3 @ plane, least)
        error_N = np.hypot(on_plane_N - inverse_N, np.hypot(points.deviation_N, 0.01 * inverse_N))
        # The mean of error / on_plane and this weighted square have the same stationary points.
        weight_N = inverse_N / (on_plane_N**2 * error_N * _NOISE)
        scaled_N3 = rows_N3 * weight_N[:, None]
        plane = np.linalg.solve(
            scaled_N3.T @ rows_N3 + prior_23.T @ prior_23, scaled_N3.T @ inverse_N
        )
    return plane


def plane_of_points(
    points: FramePoints, image_HW3: np.ndarray, slope_2: np.ndarray | None = None
) -> np.ndarray:
    """Inverse depth [H, W] of `plane_through` for a frame."""
    height, width = image_HW3.shape[:2]
    plane = plane_through(points, width, height, slope_2)
    return _on_plane(plane, height, width, _least_inverse_depth(points))


def _on_plane(plane_3: np.ndarray, height: int, width: int, least: float) -> np.ndarray:
    """Inverse depth [H, W] of a plane, nowhere below `least`."""
    u = (2 * np.arange(width) + 1) / width - 1
    v = (2 * np.arange(height) + 1) / height - 1
    return np.maximum(plane_3[0] * u + plane_3[1] * v[:, None] + plane_3[2], least)


def _least_inverse_depth(points: FramePoints) -> float:
    """What no pixel of the frame is taken to lie below: half of nearly the smallest of the
    points."""
    return 0.5 * float(np.quantile(points.inverse_N, 0.02))


def _supported(points: FramePoints) -> FramePoints:
    """The points without those that hardly any neighbour is as far away as."""
    count = min(_NEIGHBOURS + 1, len(points.inverse_N))
    _, nearest_NK = cKDTree(points.pixels_N2).query(points.pixels_N2, count)
    log_N, noise_N = np.log(points.inverse_N), points.deviation_N / points.inverse_N
    difference_NK = np.abs(log_N[nearest_NK] - log_N[:, None])
    agrees_NK = difference_NK < np.maximum(_SAME_DEPTH, 3 * noise_N)[:, None]
    kept_N = agrees_NK.sum(1) > _FEWEST_LIKE_IT  # itself counts
    if kept_N.sum() < FEWEST_POINTS:
        return points
    return points.where(kept_N)


def surface_through(
    points: FramePoints, image_HW3: np.ndarray, slope_2: np.ndarray | None = None
) -> np.ndarray:
    """Inverse depth [H, W] of the smooth surface through the points.

    The logarithm of its ratio to the plane through the points has least squared difference between
    neighbouring cells, less so across edges of the image, and from the points, robustly. The linear
    system is solved from coarse to fine by conjugate gradients.

    Args:
        points: at least `FEWEST_POINTS`.
        image_HW3: the frame, uint8.
        slope_2: as in `plane_through`.

    Raises:
        ValueError: with fewer points.
    """
    height, width = image_HW3.shape[:2]
    points = _supported(points)
    plane = plane_through(points, width, height, slope_2)
    least = _least_inverse_depth(points)
    rows, columns = max(1, round(_CELLS * height / width)), _CELLS
    u_N, v_N = (2 * points.pixels_N2 / (width, height) - 1).T
    on_plane_N = np.maximum(plane[0] * u_N + plane[1] * v_N + plane[2], least)
    log_N = np.log(points.inverse_N / on_plane_N)
    noise_N = np.hypot(points.deviation_N / points.inverse_N, _NOISE)
    x_N = np.clip(points.pixels_N2[:, 0] / width * columns, 0, columns - 1).astype(int)
    y_N = np.clip(points.pixels_N2[:, 1] / height * rows, 0, rows - 1).astype(int)
    cell_N, size = y_N * columns + x_N, (columns, rows)
    colour_HW3 = cv2.resize(image_HW3, size, interpolation=cv2.INTER_AREA).astype(float)
    weight_N = (_RELIEF / noise_N) ** 2
    log_HW: np.ndarray = np.zeros((rows, columns))
    for number in range(_ROUNDS_OF_SURFACE):
        weight_HW, pull_HW = (
            np.bincount(cell_N, values_N, rows * columns).reshape(rows, columns)
            for values_N in (weight_N, weight_N * log_N)
        )
        if number == 0:
            log_HW = _coarse_to_fine(weight_HW, pull_HW, colour_HW3)
        else:
            log_HW = _solve(weight_HW, pull_HW, colour_HW3, log_HW)
        error_N = (log_HW.flat[cell_N] - log_N) / noise_N
        weight_N = (_RELIEF / noise_N) ** 2 / np.sqrt(1 + error_N**2)
    ratio_HW = np.exp(cv2.resize(log_HW, (width, height), interpolation=cv2.INTER_LINEAR))
    return _on_plane(plane, height, width, least) * ratio_HW


def start_of(
    points: FramePoints, image_HW3: np.ndarray, slope_2: np.ndarray | None = None
) -> np.ndarray:
    """What a network starts from [2, H, W], float32: inverse depth of `surface_through`, and how
    near a point is, from 1 at a point to 0 far from all.

    Args and errors: as for `surface_through`.
    """
    height, width = image_HW3.shape[:2]
    away_HW = np.ones((height, width), np.uint8)
    column_N, row_N = (points.pixels_N2.T).astype(int)
    away_HW[row_N.clip(0, height - 1), column_N.clip(0, width - 1)] = 0
    distance_HW = cv2.distanceTransform(away_HW, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    nearness_HW = np.exp(-distance_HW / (NEAR * width))
    surface_HW = surface_through(points, image_HW3, slope_2)
    return np.stack([surface_HW, nearness_HW]).astype(np.float32)


def has_points(start_B2HW: np.ndarray) -> np.ndarray:
    """Which of the starts [B] show a point."""
    return np.asarray(start_B2HW[:, 1].any((1, 2)))


def relative_start(start_B2HW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Starts with their inverse depth divided by its median, and the medians [B], 0 where a start
    is unknown everywhere."""
    inverse = start_B2HW[:, 0].flatten(1)
    median = torch.where(inverse > 0, inverse, torch.nan).nanmedian(1).values.nan_to_num()
    unit = torch.where(median > 0, median, torch.ones_like(median))[:, None, None, None]
    return torch.cat([start_B2HW[:, :1] / unit, start_B2HW[:, 1:]], 1), median


def _coarse_to_fine(
    weight_HW: np.ndarray, pull_HW: np.ndarray, colour_HW3: np.ndarray
) -> np.ndarray:
    """Solve at an eighth, a quarter, half and the whole of the size, each from the one before."""
    log_HW: np.ndarray = np.zeros((1, 1))
    for level in reversed(range(_LEVELS)):
        height, width = (max(1, -(-length // 2**level)) for length in weight_HW.shape)
        share = weight_HW.size / (height * width)
        weight, pull, colour = (
            cv2.resize(each, (width, height), interpolation=cv2.INTER_AREA)
            for each in (weight_HW, pull_HW, colour_HW3)
        )
        log_HW = cv2.resize(log_HW, (width, height), interpolation=cv2.INTER_LINEAR)
        log_HW = _solve(share * weight, share * pull, colour, log_HW)
    return log_HW


def _solve(
    weight_HW: np.ndarray, pull_HW: np.ndarray, colour_HW3: np.ndarray, start_HW: np.ndarray
) -> np.ndarray:
    """Conjugate gradients with Jacobi's preconditioner for (weight + Laplacian) x = pull."""
    size = height, width = weight_HW.shape
    right_HW, below_HW = np.zeros(size), np.zeros(size)  # how stiff a cell's bond to the next is
    for axis, bond in ((1, right_HW[:, : width - 1]), (0, below_HW[: height - 1])):
        bond[:] = np.exp(-np.linalg.norm(np.diff(colour_HW3, axis=axis), axis=2) / _EDGE)
    diagonal_HW = weight_HW + right_HW + below_HW
    diagonal_HW[:, 1:] += right_HW[:, : width - 1]
    diagonal_HW[1:] += below_HW[: height - 1]
    right, below, diagonal = right_HW.ravel(), below_HW.ravel(), diagonal_HW.ravel()
    bands = np.stack([diagonal, -np.roll(right, 1), -right, -np.roll(below, width), -below])
    cells = weight_HW.size
    matrix = dia_array((bands, [0, 1, -1, width, -width]), shape=(cells, cells))
    x = start_HW.ravel()
    residual = pull_HW.ravel() - matrix @ x
    direction = residual / diagonal
    fit = residual @ direction
    for _ in range(_ITERATIONS):
        image = matrix @ direction
        step = fit / max(direction @ image, 1e-30)
        x, residual = x + step * direction, residual - step * image
        improved = residual / diagonal
        fit, before = residual @ improved, fit
        direction = improved + fit / max(before, 1e-30) * direction
    return x.reshape(size)
