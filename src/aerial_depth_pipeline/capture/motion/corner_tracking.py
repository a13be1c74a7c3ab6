"""Corners followed from image to image, and what they say about the camera's motion."""

from dataclasses import dataclass

import cv2
import numpy as np

_WINDOW = (15, 15)
_FROM_GUESS = cv2.OPTFLOW_USE_INITIAL_FLOW
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)


def corners_of(
    gray_HW: np.ndarray, count: int, spacing: float, weakest: float = 0.005
) -> np.ndarray:
    """Up to `count` corners at least `spacing` pixels apart, the strongest first, [N, 2] float32 in
    OpenCV's pixels (first centre at 0); the weakest has this share of the strongest one's
    strength."""
    corners = cv2.goodFeaturesToTrack(gray_HW, count, weakest, spacing, blockSize=5)
    return np.zeros((0, 2), np.float32) if corners is None else corners.reshape(-1, 2)


def follow(
    from_HW: np.ndarray,
    to_HW: np.ndarray,
    points_N2: np.ndarray,
    levels: int = 4,
    tolerance: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Follow points with pyramidal Lucas-Kanade (Bouguet 2000) and check them by following them
    back (Kalal et al. 2010).

    Args:
        from_HW, to_HW: grey images of one size.
        points_N2: OpenCV's pixels.
        levels: levels of the pyramid above the image.
        tolerance: forward-backward error in pixels up to which a point is trusted.

    Returns:
        Points in the second image [N, 2], and which of them can be trusted [N].
    """
    if len(points_N2) == 0:
        return points_N2, np.zeros(0, bool)
    start = points_N2.reshape(-1, 1, 2)
    ends, forward, _ = cv2.calcOpticalFlowPyrLK(
        from_HW, to_HW, start, np.zeros_like(start), None, None, _WINDOW, levels, _CRITERIA
    )
    # The way back starts at the origin's place, so that it converges at once on a good track.
    back, backward, _ = cv2.calcOpticalFlowPyrLK(
        to_HW, from_HW, ends, start.copy(), None, None, _WINDOW, 1, _CRITERIA, _FROM_GUESS
    )
    ends_N2 = ends.reshape(-1, 2)
    height, width = to_HW.shape
    inside = ((ends_N2 >= 0) & (ends_N2 <= (width - 1, height - 1))).all(1)
    returned = np.linalg.norm(back.reshape(-1, 2) - points_N2, axis=1) <= tolerance
    tracked = forward.ravel().astype(bool) & backward.ravel().astype(bool)
    return ends_N2, tracked & returned & inside


@dataclass(frozen=True)
class Motion:
    """Motion between two images; NaN but for `tracked` with fewer than eight corners."""

    tracked: float  # share of the corners that can be followed
    flow: float  # median displacement, share of the width
    parallax: float  # the same when the best rotation is taken out


def measure_motion(
    from_HW: np.ndarray, to_HW: np.ndarray, points_N2: np.ndarray, focals: tuple[float, ...]
) -> Motion:
    """Motion of corners [N, 2] of the first of two small grey images.

    `focals` are the focal lengths to try, as shares of the width, principal point in the middle;
    the one that leaves least is taken.
    """
    ends, good = follow(from_HW, to_HW, points_N2)
    if good.sum() < 8:
        return Motion(float(good.sum()) / max(len(points_N2), 1), float("nan"), float("nan"))
    height, width = from_HW.shape
    starts, ends = points_N2[good], ends[good]
    flow = float(np.median(np.linalg.norm(ends - starts, axis=1))) / width
    left = min(_left_by_rotation(starts, ends, focal * width, width, height) for focal in focals)
    return Motion(float(good.mean()), flow, left / width)


def _left_by_rotation(
    starts_N2: np.ndarray, ends_N2: np.ndarray, focal: float, width: int, height: int
) -> float:
    """Median displacement in pixels after the best rotation, which is found robustly by reweighting
    (Wahba's problem by SVD)."""
    middle = np.array([(width - 1) / 2, (height - 1) / 2])

    def rays(points: np.ndarray) -> np.ndarray:
        along = np.concatenate([(points - middle) / focal, np.ones((len(points), 1))], 1)
        return along / np.linalg.norm(along, axis=1, keepdims=True)

    first, second = rays(starts_N2), rays(ends_N2)
    weights = error = np.ones(len(first))
    for _ in range(6):
        u, _, vt = np.linalg.svd(second.T @ (first * weights[:, None]))
        rotation = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
        error = np.linalg.norm(first @ rotation.T - second, axis=1) * focal
        weights = 1 / np.maximum(error, 0.1)  # least absolute values
    return float(np.median(error))
