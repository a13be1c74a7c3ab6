"""The relative pose of two frames from tracked corners alone: rotation and direction of travel, up
to length."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from aerial_depth_pipeline.capture.motion.corner_tracking import corners_of, follow
from aerial_depth_pipeline.geometry.poses import angle_between, pose, rotation_angle

_LEVELS = 5  # of the pyramid: flow of a tenth of the width is found
_RETURN_TOLERANCE = 0.7  # pixels between a corner and where the way forwards and back ends
_ROUNDS = 8  # of refinement
_MINIMUM_TRACKS = 20
_PLANAR = (
    0.8  # share of the corners on one plane from which on its two-fold ambiguity is looked into
)
_APART = np.radians(15)  # directions of two motions that are not the same one


@dataclass(frozen=True)
class TwoView:
    """A relative pose.

    Attributes:
        T: [4, 4] float64, takes points of the first camera to the second; its translation has
            length 1.
        inliers: corners that agree with it.
        tracked: corners that could be followed.
        parallax: median displacement in pixels of the inliers that is left when the rotation is
            taken out.
        rivals: other poses that explain the corners about as well.
    """

    T: np.ndarray
    inliers: int
    tracked: int
    parallax: float
    rivals: "tuple[TwoView, ...]" = ()


@dataclass(frozen=True)
class View:
    """A frame prepared for tracking: the grey image and its corners in OpenCV's pixels."""

    gray: np.ndarray
    corners: np.ndarray


def prepare(gray_HW: np.ndarray, corners: int) -> View:
    """Find corners that cover the image: a spacing that would fill it with twice as many keeps them
    from gathering in one place."""
    height, width = gray_HW.shape
    spacing = max(2.0, (width * height / (2 * corners)) ** 0.5)
    return View(gray_HW, corners_of(gray_HW, corners, spacing))


def relative_pose(first: View, second: View, K_33: np.ndarray, threshold: float) -> TwoView | None:
    """Estimate the pose of the second camera relative to the first.

    Corners are followed with pyramidal Lucas-Kanade, the essential matrix comes from five points
    (Nister, PAMI 2004) inside of MAGSAC++ (Barath et al., CVPR 2020), the pose from it by the test
    that points lie in front of both cameras; it is then refined on all that agree.

    Args:
        first, second: prepared frames of one camera.
        K_33: calibration matrix at the frames' size, COLMAP's pixels.
        threshold: epipolar error in pixels up to which a corner agrees.

    Returns:
        None where too few corners can be followed or no pose is found.
    """
    there, good = follow(first.gray, second.gray, first.corners, _LEVELS, _RETURN_TOLERANCE)
    if good.sum() < _MINIMUM_TRACKS:
        return None
    # OpenCV's first pixel has its centre at 0, ours at 0.5.
    here_N2, there_N2 = first.corners[good] + 0.5, there[good] + 0.5
    x1, x2 = _plane(here_N2, K_33), _plane(there_N2, K_33)
    focal = float(np.sqrt(K_33[0, 0] * K_33[1, 1]))
    E, mask = cv2.findEssentialMat(
        x1[:, :2],
        x2[:, :2],
        np.eye(3),
        method=cv2.USAC_MAGSAC,
        prob=0.9999,
        threshold=threshold / focal,
        maxIters=1000,
    )
    if E is None or E.shape != (3, 3) or mask is None or mask.sum() < _MINIMUM_TRACKS:
        return None
    inlier = mask.ravel().astype(bool)
    poses = _motions(E, x1, x2, inlier, focal, threshold)
    # Where a plane is all there is to see, two motions explain it alike; a camera on a gimbal turns
    # little from frame to frame.
    poses.sort(key=lambda found: rotation_angle(found[0]))
    views = [
        view
        for R, t in poses
        if (view := _view(R, t, x1, x2, there_N2, K_33, focal, threshold)) is not None
    ]
    return replace(views[0], rivals=tuple(views[1:])) if views else None


def _motions(
    E_33, x1, x2, inlier, focal: float, threshold: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The motion, and others that explain the corners about as well: they exist where all is in one
    plane (Longuet-Higgins 1986)."""
    found = _pose_in_front(E_33, x1[inlier], x2[inlier])
    starts = [] if found is None else [found]
    H, mask = cv2.findHomography(
        x1[:, :2], x2[:, :2], cv2.RANSAC, 2 * threshold / focal, maxIters=200
    )
    if H is not None and mask is not None and mask.mean() >= _PLANAR:
        for R, t in zip(*cv2.decomposeHomographyMat(H, np.eye(3))[1:3], strict=True):
            direction = t.ravel() / max(np.linalg.norm(t), 1e-12)
            if _depth_signs(R, direction, x1, x2).mean() >= 0.9:
                starts.append((R, direction))
    motions: list[tuple[float, np.ndarray, np.ndarray]] = []
    for start in starts:
        R, t = _refine(*start, x1, x2, focal, threshold)
        if all(angle_between(t, known) > _APART for _, _, known in motions):
            motions.append((_cost(R, t, x1, x2, focal, threshold), R, t))
    least = min((cost for cost, _, _ in motions), default=0.0)
    return [(R, t) for cost, R, t in motions if cost <= 1.15 * least + 5]


def _view(R, t, x1, x2, there_N2, K_33, focal: float, threshold: float) -> TwoView | None:
    inlier = (np.abs(_sampson(R, t, x1, x2)) * focal < 2 * threshold) & _depth_signs(R, t, x1, x2)
    if inlier.sum() < _MINIMUM_TRACKS:
        return None
    return TwoView(
        pose(R, t), int(inlier.sum()), len(x1), _parallax(R, x1[inlier], there_N2[inlier], K_33)
    )


def _cost(R, t, x1, x2, focal: float, threshold: float) -> float:
    """Cauchy's loss of the Sampson distances, in units of the threshold."""
    return float(np.log1p((_sampson(R, t, x1, x2) * focal / threshold) ** 2).sum())


def _plane(points_N2: np.ndarray, K_33: np.ndarray) -> np.ndarray:
    """Points on the plane at depth 1, [N, 3]."""
    x = (points_N2[:, 0].astype(float) - K_33[0, 2]) / K_33[0, 0]
    y = (points_N2[:, 1].astype(float) - K_33[1, 2]) / K_33[1, 1]
    return np.stack([x, y, np.ones_like(x)], 1)


def _pose_in_front(
    E_33: np.ndarray, x1: np.ndarray, x2: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Of the four poses of an essential matrix the one that has most points in front of both
    cameras, at whatever distance.

    cv2.recoverPose leaves points beyond fifty baselines out, which are all there is in a slow
    flight high up.
    """
    R1, R2, t = cv2.decomposeEssentialMat(E_33)
    best, most, second = None, 0, 0
    for R in (R1, R2):
        for direction in (t.ravel(), -t.ravel()):
            count = int(_depth_signs(R, direction, x1, x2).sum())
            if count > most:
                best, most, second = (R, direction), count, most
            else:
                second = max(second, count)
    # Where two poses see about as many points in front, the sign of the direction is a guess.
    return best if most > 1.5 * second else None


def _depth_signs(R: np.ndarray, t: np.ndarray, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """Which points lie in front of both cameras: the depths a, b of b x2 = a R x1 + t in the
    least-squares sense."""
    ray = x1 @ R.T
    rr, xx, rx = (ray * ray).sum(1), (x2 * x2).sum(1), (ray * x2).sum(1)
    rt, xt = ray @ t, x2 @ t
    determinant = rr * xx - rx * rx  # never negative (Cauchy-Schwarz)
    a = -xx * rt + rx * xt
    b = rr * xt - rx * rt
    return (a > 0) & (b > 0) & (determinant > 0)


def _sampson(R: np.ndarray, t: np.ndarray, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """Signed Sampson distance on the plane at depth 1."""
    E = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]]) @ R
    line2, line1 = x1 @ E.T, x2 @ E
    return (x2 * line2).sum(1) / np.sqrt(
        line2[:, 0] ** 2 + line2[:, 1] ** 2 + line1[:, 0] ** 2 + line1[:, 1] ** 2 + 1e-18
    )


def _refine(R, t, x1, x2, focal: float, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Newton on the Sampson distance over rotation and direction, reweighted by Cauchy's
    function."""
    near = np.abs(_sampson(R, t, x1, x2)) * focal < 3 * threshold
    x1, x2 = x1[near], x2[near]

    def moved(change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rotated = cv2.Rodrigues(change[:3])[0] @ R
        across = np.linalg.svd(t[None])[2][1:]  # two directions at right angles to t
        direction = t + change[3:] @ across
        return rotated, direction / np.linalg.norm(direction)

    step = 1e-6
    cost = np.inf
    for _ in range(_ROUNDS):
        residual = _sampson(R, t, x1, x2) * focal
        new_cost = float(np.log1p((residual / threshold) ** 2).sum())
        if not new_cost < cost * (1 - 1e-6):
            break
        cost = new_cost
        jacobian = np.stack(
            [(_sampson(*moved(step * row), x1, x2) * focal - residual) / step for row in np.eye(5)],
            1,
        )
        weight = 1 / (1 + (residual / threshold) ** 2)
        normal = jacobian.T @ (jacobian * weight[:, None])
        change = np.linalg.lstsq(
            normal + 1e-12 * np.trace(normal) * np.eye(5),
            -jacobian.T @ (weight * residual),
            rcond=None,
        )[0]
        candidate = moved(change)
        if _cost(*candidate, x1, x2, focal, threshold) >= cost:
            break
        R, t = candidate
    return R, t


def _parallax(R: np.ndarray, x1: np.ndarray, there_N2: np.ndarray, K_33: np.ndarray) -> float:
    turned = x1 @ R.T
    unmoved = (turned[:, :2] / turned[:, 2:]) * [K_33[0, 0], K_33[1, 1]] + [K_33[0, 2], K_33[1, 2]]
    return float(np.median(np.linalg.norm(there_N2 - unmoved, axis=1)))
