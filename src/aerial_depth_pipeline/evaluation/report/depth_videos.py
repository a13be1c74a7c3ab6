"""Videos for the report: input and predicted depth side by side, and a flight around a frame's
points."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from aerial_depth_pipeline.evaluation.report.depth_point_clouds import camera_points
from aerial_depth_pipeline.reporting.colours import depth_range, plasma

_MEMORY = 0.9
_BACKGROUND = 24


def side_by_side(
    predicted: Iterable[tuple[np.ndarray, np.ndarray]], width: int = 640
) -> Iterator[np.ndarray]:
    """Images with a frame on the left and its depth in plasma colours on the right (bright near).

    The colour scale follows the predictions slowly, so that it does not flicker.

    Args:
        predicted: frames [H, W, 3] uint8 RGB, each with its z-depth [H, W].
        width: of each half in pixels; made even.
    """
    ends = None
    for image, depth in predicted:
        size = (width // 2 * 2, round(width * image.shape[0] / image.shape[1] / 2) * 2)
        now = np.reciprocal(np.array(depth_range(depth)))
        ends = now if ends is None else _MEMORY * ends + (1 - _MEMORY) * now
        halves = (image, plasma(np.asarray(depth, np.float32), 1 / ends[0], 1 / ends[1]))
        yield np.hstack([cv2.resize(half, size, interpolation=cv2.INTER_AREA) for half in halves])


def fly_around(
    image_HW3: np.ndarray,
    depths: Iterable[np.ndarray],
    K_33: np.ndarray,
    frames: int = 64,
    width: int = 480,
    swing: float = 22.0,
) -> Iterator[np.ndarray]:
    """Images of one frame's coloured points from a camera that swings around their middle and
    back, once, so that the video can loop.

    Args:
        image_HW3: the frame, uint8 RGB.
        depths: z-depth [H, W] of the clouds that stand side by side, in one unit; points where it
            is finite and positive.
        K_33: intrinsics at the frame's size.
        frames: how many images.
        width: of each cloud's image in pixels, at most the frame's.
        swing: to either side, degrees.
    """
    depths = list(depths)
    width = min(width, image_HW3.shape[1] // 2 * 2)
    clouds = [camera_points(depth, K_33) for depth in depths]
    known = depths[-1][np.isfinite(depths[-1]) & (depths[-1] > 0)]
    pivot = np.array([0.0, 0.0, float(np.median(known))])
    height = round(width * image_HW3.shape[0] / image_HW3.shape[1] / 2) * 2
    scale = np.diag([width / image_HW3.shape[1], height / image_HW3.shape[0], 1.0])
    for turn in np.linspace(0, 2 * np.pi, frames, endpoint=False):
        yaw, pitch = np.radians(swing) * np.sin(turn), np.radians(swing) / 3 * (np.cos(turn) - 1)
        rotation = _about_x(pitch) @ _about_y(yaw)
        views = []
        for points_N3, v, u in clouds:
            moved = (points_N3 - pivot) @ rotation.T + pivot
            views.append(_splat(moved @ (scale @ K_33).T, image_HW3[v, u], (height, width)))
        yield np.hstack(views)


def _splat(projected_N3: np.ndarray, colours_N3: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Points painted from the farthest to the nearest, each over two by two pixels."""
    height, width = size
    order = np.argsort(-projected_N3[:, 2])
    order = order[projected_N3[order, 2] > 0]
    place = np.floor(projected_N3[order, :2] / projected_N3[order, 2:]).astype(int)
    inside = (place >= 0).all(1) & (place[:, 0] < width - 1) & (place[:, 1] < height - 1)
    (u, v), colours = place[inside].T, colours_N3[order][inside]
    image = np.full((height, width, 3), _BACKGROUND, np.uint8)
    for down, right in ((1, 1), (1, 0), (0, 1), (0, 0)):
        image[v + down, u + right] = colours
    return image


def _about_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
