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
_FEWEST = 0.25  # of the corners; up to here weak ones fill up
_WEAKEST = 2e-4  # strength of a weak corner, as a share of the strongest one's
# Share of the corners on one plane from which on its two-fold ambiguity is looked into
_PLANAR = 0.8
_APART = np.radians(15)  # directions of two motions that are not the same one


@dataclass(frozen=True)
class TwoView:
    """A relative pose."""

    T: np.ndarray  # [4, 4], takes points of the first camera to the second; translation of length 1
    inliers: int  # corners that agree with it
    tracked: int  # corners that could be followed
    parallax: float  # pixels; the inliers' median displacement when the rotation is taken out
    rivals: "tuple[TwoView, ...]" = ()  # other poses that explain the corners about as well


@dataclass(frozen=True)
class View:
    """A frame prepared for tracking: the grey image and its corners in OpenCV's pixels."""

    gray: np.ndarray
    corners: np.ndarray


def prepare(gray_HW: np.ndarray, corners: int, with_weak: bool = False) -> View:
    """Find corners that cover the image: a spacing that would fill it with twice as many keeps them
    from gathering in one place.

    Weak ones, which compressed video moves along with what is around them, are left out unless they
    are wanted or there are few others.
    """
    height, width = gray_HW.shape
    spacing = max(2.0, (width * height / (2 * corners)) ** 0.5)
    if with_weak:
        return View(gray_HW, corners_of(gray_HW, corners, spacing, _WEAKEST))
    found, fewest = corners_of(gray_HW, corners, spacing), round(_FEWEST * corners)
    if len(found) < fewest:
        found = corners_of(gray_HW, fewest, spacing, _WEAKEST)
    return View(gray_HW, found)


@dataclass(frozen=True)
class _Tracks:
    """Corners of two frames on the plane at depth 1 [N, 3], and the epipolar error in pixels up to
    which a corner agrees."""

    x1: np.ndarray
    x2: np.ndarray
    focal: float
    threshold: float

    def __getitem__(self, mask_N: np.ndarray) -> "_Tracks":
        return replace(self, x1=self.x1[mask_N], x2=self.x2[mask_N])

    def errors(self, R: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Signed Sampson distances in pixels [N]."""
        E = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]]) @ R
        line2, line1 = self.x1 @ E.T, self.x2 @ E
        norm = line2[:, 0] ** 2 + line2[:, 1] ** 2 + line1[:, 0] ** 2 + line1[:, 1] ** 2
        return (self.x2 * line2).sum(1) / np.sqrt(norm + 1e-18) * self.focal

    def cost(self, R: np.ndarray, t: np.ndarray) -> float:
        """Cauchy's loss of the Sampson distances, in units of the threshold."""
        return float(np.log1p((self.errors(R, t) / self.threshold) ** 2).sum())

    def in_front(self, R: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Which points lie in front of both cameras: the depths a, b of b x2 = a R x1 + t in the
        least-squares sense."""
        ray, x2 = self.x1 @ R.T, self.x2
        rr, xx, rx = (ray * ray).sum(1), (x2 * x2).sum(1), (ray * x2).sum(1)
        rt, xt = ray @ t, x2 @ t
        a, b = -xx * rt + rx * xt, rr * xt - rx * rt
        determinant = rr * xx - rx * rx  # never negative (Cauchy-Schwarz)
        return (a > 0) & (b > 0) & (determinant > 0)


Motion = tuple[np.ndarray, np.ndarray]  # rotation [3, 3] and direction [3] of length 1


def relative_pose(first: View, second: View, K_33: np.ndarray, threshold: float) -> TwoView | None:
    """Estimate the pose of the second camera relative to the first; None where too few corners can
    be followed or no pose is found.

    Corners are followed with pyramidal Lucas-Kanade, the essential matrix comes from five points
    (Nister, PAMI 2004) inside of MAGSAC++ (Barath et al., CVPR 2020), the pose from it by the test
    that points lie in front of both cameras; it is then refined on all that agree.

    Args:
        first, second: prepared frames of one camera.
        K_33: calibration matrix at the frames' size, COLMAP's pixels.
        threshold: epipolar error in pixels up to which a corner agrees.
    """
    ends, good = follow(first.gray, second.gray, first.corners, _LEVELS, _RETURN_TOLERANCE)
    if good.sum() < _MINIMUM_TRACKS:
        return None
    # OpenCV's first pixel has its centre at 0, ours at 0.5.
    starts_N2, ends_N2 = first.corners[good] + 0.5, ends[good] + 0.5
    focal = float(np.sqrt(K_33[0, 0] * K_33[1, 1]))
    tracks = _Tracks(_plane(starts_N2, K_33), _plane(ends_N2, K_33), focal, threshold)
    points, limit = (tracks.x1[:, :2], tracks.x2[:, :2]), threshold / focal
    E, mask = cv2.findEssentialMat(
        *points, np.eye(3), cv2.USAC_MAGSAC, 0.9999, limit, maxIters=1000
    )
    if E is None or E.shape != (3, 3) or mask is None or mask.sum() < _MINIMUM_TRACKS:
        return None
    motions = _motions(E, tracks, mask.ravel().astype(bool))
    # Where a plane is all there is to see, two motions explain it alike; a camera on a gimbal
    # rotates little from frame to frame.
    motions.sort(key=lambda motion: float(rotation_angle(motion[0])))
    views = []
    for R, t in motions:
        inliers = (np.abs(tracks.errors(R, t)) < 2 * threshold) & tracks.in_front(R, t)
        count = int(inliers.sum())
        if count >= _MINIMUM_TRACKS:
            parallax = _parallax(R, tracks.x1[inliers], ends_N2[inliers], K_33)
            views.append(TwoView(pose(R, t), count, len(inliers), parallax))
    return replace(views[0], rivals=tuple(views[1:])) if views else None


def _motions(E_33: np.ndarray, tracks: _Tracks, inliers: np.ndarray) -> list[Motion]:
    """The motion, and others that explain the corners about as well: they exist where all is in one
    plane (Longuet-Higgins 1986)."""
    best = _pose_in_front(E_33, tracks[inliers])
    starts = [] if best is None else [best]
    points, threshold = (tracks.x1[:, :2], tracks.x2[:, :2]), 2 * tracks.threshold / tracks.focal
    H, mask = cv2.findHomography(*points, cv2.RANSAC, threshold, maxIters=200)
    if H is not None and mask is not None and mask.mean() >= _PLANAR:
        for R, t in zip(*cv2.decomposeHomographyMat(H, np.eye(3))[1:3], strict=True):
            direction = t.ravel() / max(float(np.linalg.norm(t)), 1e-12)
            if tracks.in_front(R, direction).mean() >= 0.9:
                starts.append((R, direction))
    motions: list[Motion] = []
    for start in starts:
        R, t = _refine(*start, tracks)
        if all(angle_between(t, other) > _APART for _, other in motions):
            motions.append((R, t))
    costs = [tracks.cost(*motion) for motion in motions]
    least = min(costs, default=0.0)
    return [motion for motion, cost in zip(motions, costs, strict=True) if cost <= 1.15 * least + 5]


def _plane(points_N2: np.ndarray, K_33: np.ndarray) -> np.ndarray:
    """Points on the plane at depth 1, [N, 3]."""
    x_N2 = (points_N2.astype(float) - K_33[:2, 2]) / (K_33[0, 0], K_33[1, 1])
    return np.concatenate([x_N2, np.ones((len(x_N2), 1))], 1)


def _pose_in_front(E_33: np.ndarray, inliers: _Tracks) -> Motion | None:
    """Of the four poses of an essential matrix the one that has most points in front of both
    cameras. (cv2.recoverPose leaves points beyond fifty baselines out, which are all there is in a
    slow flight high up.)"""
    R1, R2, t = cv2.decomposeEssentialMat(E_33)
    motions = [(R, direction) for R in (R1, R2) for direction in (t.ravel(), -t.ravel())]
    counts = [int(inliers.in_front(*motion).sum()) for motion in motions]
    second, most = sorted(counts)[-2:]
    # Where two poses see about as many points in front, the sign of the direction is a guess.
    return motions[counts.index(most)] if most > 1.5 * second else None


def _refine(R: np.ndarray, t: np.ndarray, tracks: _Tracks) -> Motion:
    """Gauss-Newton on the Sampson distance over rotation and direction, reweighted by Cauchy's
    function."""
    tracks = tracks[np.abs(tracks.errors(R, t)) < 3 * tracks.threshold]

    def moved(change: np.ndarray) -> Motion:
        rotated = cv2.Rodrigues(change[:3])[0] @ R
        across = np.linalg.svd(t[None])[2][1:]  # two directions at right angles to t
        direction = t + change[3:] @ across
        return rotated, direction / np.linalg.norm(direction)

    step, cost, new_cost = 1e-6, np.inf, tracks.cost(R, t)
    for _ in range(_ROUNDS):
        if not new_cost < cost * (1 - 1e-6):
            break
        residual, cost = tracks.errors(R, t), new_cost
        steps = [(tracks.errors(*moved(step * row)) - residual) / step for row in np.eye(5)]
        jacobian = np.stack(steps, 1)
        weight = 1 / (1 + (residual / tracks.threshold) ** 2)
        normal = jacobian.T @ (jacobian * weight[:, None])
        damped = normal + 1e-12 * np.trace(normal) * np.eye(5)
        change = np.linalg.lstsq(damped, -jacobian.T @ (weight * residual), rcond=None)[0]
        candidate = moved(change)
        if (new_cost := tracks.cost(*candidate)) >= cost:
            break
        R, t = candidate
    return R, t


def _parallax(R: np.ndarray, x1_N3: np.ndarray, ends_N2: np.ndarray, K_33: np.ndarray) -> float:
    rotated = x1_N3 @ R.T
    unmoved = (rotated[:, :2] / rotated[:, 2:]) * K_33.diagonal()[:2] + K_33[:2, 2]
    return float(np.median(np.linalg.norm(ends_N2 - unmoved, axis=1)))
