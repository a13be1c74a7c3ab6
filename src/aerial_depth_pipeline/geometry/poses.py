"""Rigid motions as 4x4 matrices: numpy in float64 for geometry, torch for what a network
predicts."""

from typing import TypeVar

import numpy as np
import torch

Motion = TypeVar("Motion", np.ndarray, torch.Tensor)


def pose(rotation_33: np.ndarray, translation_3: np.ndarray) -> np.ndarray:
    """A 4x4 rigid motion from rotation and translation."""
    T = np.eye(4)
    T[:3, :3] = rotation_33
    T[:3, 3] = translation_3
    return T


def invert(T: Motion) -> Motion:
    """The inverse of rigid motions [..., 4, 4] without a general matrix inverse."""
    inverse = torch.zeros_like(T) if isinstance(T, torch.Tensor) else np.zeros_like(T)
    rotation = T[..., :3, :3].swapaxes(-1, -2)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = -(rotation @ T[..., :3, 3, None])[..., 0]
    inverse[..., 3, 3] = 1
    return inverse


def relative_pose(source_from_world: np.ndarray, target_from_world: np.ndarray) -> np.ndarray:
    """`T_source_from_target`: takes points of the target camera to the source camera."""
    return source_from_world @ invert(target_from_world)


def camera_center(cam_from_world: np.ndarray) -> np.ndarray:
    """Position of the camera in the world, [..., 3]."""
    return invert(cam_from_world)[..., :3, 3]


def look_at(
    center_3: np.ndarray, point_3: np.ndarray, up_3: np.ndarray = np.array([0.0, 0.0, 1.0])
) -> np.ndarray:
    """`cam_from_world` of a level camera at `center_3` that looks at `point_3` (x right, y down, z
    forward).

    Looking straight along `up_3` the image's top points to world +y.
    """
    forward = np.asarray(point_3, float) - center_3
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, up_3)
    if np.linalg.norm(right) < 1e-9:
        right = np.cross(forward, np.array([0.0, 1.0, 0.0]))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return pose(rotation, -rotation @ np.asarray(center_3, float))


def rotation_angle(rotation_33: np.ndarray) -> np.ndarray:
    """Angle of rotation matrices [..., 3, 3] in radians; accurate near zero and near pi."""
    r = rotation_33
    sine = 0.5 * np.sqrt(
        (r[..., 2, 1] - r[..., 1, 2]) ** 2
        + (r[..., 0, 2] - r[..., 2, 0]) ** 2
        + (r[..., 1, 0] - r[..., 0, 1]) ** 2
    )
    return np.arctan2(sine, 0.5 * (np.trace(r, axis1=-2, axis2=-1) - 1))


def angle_between(a_3: np.ndarray, b_3: np.ndarray) -> np.ndarray:
    """Angle between vectors [..., 3] in radians."""
    cross = np.linalg.norm(np.cross(a_3, b_3), axis=-1)
    return np.arctan2(cross, np.sum(np.asarray(a_3) * b_3, axis=-1))


def rotation_from_axis_angle(axis_angle_B3: torch.Tensor) -> torch.Tensor:
    """Rotation matrices [B, 3, 3] from axis times angle in radians [B, 3]; differentiable at zero
    (Rodrigues' formula)."""
    # A floor under the squared angle keeps the square root's derivative finite at the identity,
    # where training starts.
    squared = (axis_angle_B3**2).sum(-1).clamp_min(1e-16)[:, None, None]
    angle = squared.sqrt()
    zero = torch.zeros_like(axis_angle_B3[:, 0])
    x, y, z = axis_angle_B3.unbind(-1)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    identity = torch.eye(3, dtype=axis_angle_B3.dtype, device=axis_angle_B3.device)
    half = torch.sin(angle / 2) / angle  # 1 - cos(a) = 2 sin(a/2)^2, which keeps its digits
    return identity + torch.sin(angle) / angle * skew + 2 * half**2 * (skew @ skew)


def pose_from_vectors(axis_angle_B3: torch.Tensor, translation_B3: torch.Tensor) -> torch.Tensor:
    """Rigid motions [B, 4, 4] from axis times angle and translation."""
    top = torch.cat([rotation_from_axis_angle(axis_angle_B3), translation_B3[:, :, None]], -1)
    bottom = torch.zeros_like(top[:, :1])
    bottom[:, :, 3] = 1
    return torch.cat([top, bottom], 1)


def fit_similarity(
    source_N3: np.ndarray, target_N3: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale s, rotation R and translation t with target = s R source + t in the least-squares sense
    (Umeyama, PAMI 1991).

    Raises:
        ValueError: with fewer than three points, or points on one line, where the rotation is not
            determined.
    """
    source_N3, target_N3 = np.asarray(source_N3, float), np.asarray(target_N3, float)
    if len(source_N3) < 3 or source_N3.shape != target_N3.shape:
        raise ValueError("a similarity needs at least three pairs of points")
    source_mean, target_mean = source_N3.mean(0), target_N3.mean(0)
    source, target = source_N3 - source_mean, target_N3 - target_mean
    u, singular, vt = np.linalg.svd(target.T @ source / len(source))
    if singular[1] <= 1e-9 * max(singular[0], 1e-300):
        raise ValueError("the points lie on one line; the similarity's rotation is not determined")
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = float((singular * sign).sum() / (source**2).sum() * len(source))
    return scale, rotation, target_mean - scale * rotation @ source_mean
