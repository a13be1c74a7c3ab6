"""Depth of corners that were followed to other frames of known pose."""

from dataclasses import dataclass

import numpy as np

_ROUNDS = 4  # of reweighted Gauss-Newton
_NOISE = 0.2  # pixels; standard deviation of a tracked corner at the least


@dataclass(frozen=True)
class CornerDepths:
    """Depth of the corners [N] of one frame.

    Attributes:
        inverse_N: inverse depth in the unit of the poses, NaN where no view agrees.
        deviation_N: its standard deviation, from parallax and residual.
        agrees_SN: which of the other frames agree with it.
    """

    inverse_N: np.ndarray
    deviation_N: np.ndarray
    agrees_SN: np.ndarray


def triangulate(
    starts_N2: np.ndarray,
    ends_SN2: np.ndarray,
    T_S44: np.ndarray,
    K_33: np.ndarray,
    max_residual: float,
) -> CornerDepths:
    """Inverse depth of least reprojection error over all frames that a corner was followed to.

    Args:
        starts_N2: corners in pixels.
        ends_SN2: the same corners in the other frames, NaN where they were lost.
        T_S44: takes points of the corners' frame to the other frames.
        K_33: calibration matrix of all frames.
        max_residual: reprojection error in pixels beyond which a frame does not agree; the inverse
            depth is found again without it.
    """
    focal_2 = K_33.diagonal()[:2]
    x_N3 = np.concatenate([(starts_N2 - K_33[:2, 2]) / focal_2, np.ones((len(starts_N2), 1))], 1)
    # A point at inverse depth w lies at a + w b in the other frame, up to length.
    a_SN3 = np.einsum("sij,nj->sni", T_S44[:, :3, :3], x_N3)
    b_SN3 = np.broadcast_to(T_S44[:, None, :3, 3], a_SN3.shape)
    seen_SN2 = (ends_SN2 - K_33[:2, 2]) / focal_2
    used_SN = np.isfinite(seen_SN2).all(-1)
    seen_SN2 = np.where(used_SN[..., None], seen_SN2, 0.0)
    # x (a + w b)_z = (a + w b)_x is linear in w.
    slope_SN2 = b_SN3[..., :2] - seen_SN2 * b_SN3[..., 2:]
    offset_SN2 = seen_SN2 * a_SN3[..., 2:] - a_SN3[..., :2]
    slope_SN2, offset_SN2 = slope_SN2 * focal_2, offset_SN2 * focal_2
    inverse_N = _solve(slope_SN2, offset_SN2, used_SN)
    residual_SN = np.zeros(used_SN.shape)
    for _ in range(_ROUNDS):
        z_SN = a_SN3[..., 2] + inverse_N * b_SN3[..., 2]
        in_front = used_SN & (z_SN > 1e-6)
        weight_SN = np.where(in_front, 1 / np.where(in_front, z_SN, 1.0), 0.0)
        error_SN2 = (slope_SN2 * inverse_N[:, None] - offset_SN2) * weight_SN[..., None]
        residual_SN = np.linalg.norm(error_SN2, axis=-1)
        robust_SN = weight_SN / np.sqrt(1 + (residual_SN / max_residual) ** 2)
        inverse_N = _solve(slope_SN2, offset_SN2, robust_SN)
    agrees_SN = in_front & (residual_SN <= max_residual)
    weight_SN = np.where(agrees_SN, weight_SN, 0.0)
    inverse_N = _solve(slope_SN2, offset_SN2, weight_SN)
    information_N = ((slope_SN2 * weight_SN[..., None]) ** 2).sum((0, 2))
    views_N = agrees_SN.sum(0)
    error_SN2 = (slope_SN2 * inverse_N[:, None] - offset_SN2) * weight_SN[..., None]
    variance_N = (error_SN2**2).sum((0, 2)) / np.maximum(2 * views_N - 1, 1) + _NOISE**2
    known_N = (views_N > 0) & (inverse_N > 0)
    deviation_N = np.sqrt(variance_N / np.maximum(information_N, 1e-300))
    return CornerDepths(
        np.where(known_N, inverse_N, np.nan),
        np.where(known_N, deviation_N, np.nan),
        agrees_SN & known_N,
    )


def _solve(slope_SN2: np.ndarray, offset_SN2: np.ndarray, weight_SN: np.ndarray) -> np.ndarray:
    """Weighted least squares of slope · w = offset for each corner."""
    square_SN1 = weight_SN[..., None] ** 2
    top_N = (square_SN1 * slope_SN2 * offset_SN2).sum((0, 2))
    return top_N / np.maximum((square_SN1 * slope_SN2**2).sum((0, 2)), 1e-300)
