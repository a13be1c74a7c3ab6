"""Where up is in a camera's axes: from what a gimbal reports, or from how the camera moved."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike

from aerial_depth_pipeline.capture.motion.two_view import TwoView, View, prepare, relative_pose
from aerial_depth_pipeline.formats.images import fit_width, read_frame, scale_down

_FEWEST_FRAMES = 8  # kept frames of a segment, and frames of a chain, from which on motion is used
CHAIN = 40  # frames of a chain, more where they would lie further apart than WIDEST_STEP
# Flow from one frame of a chain to the next, share of the width
WIDEST_STEP, NARROWEST_STEP = 0.08, 0.015
MATCHED_WIDTH = 768  # of the images that are matched, pixels
_CORNERS, _THRESHOLD, _FEWEST_INLIERS = 1000, 0.4, 50
_LEVEL = np.radians(1.0)  # by how much a gimbal's x axis is off level, one standard deviation
_HEIGHT = 0.5  # metres by which smoothed heights are off
ALIKE = 8  # neighbouring frames of a chain err alike: so many count as one measurement
_KNOWN = np.radians(3.0)  # standard deviation above which up is not known
_ROUNDS = 30


def up_of_gimbal(pitch: ArrayLike, roll: ArrayLike) -> np.ndarray:
    """The upward direction in the camera's axes, [..., 3] of length 1, from a gimbal's angles in
    degrees; NaN where an angle is.

    Args:
        pitch: 0 looks at the horizon, -90 straight down.
        roll: positive where the camera is rotated clockwise about its line of sight, seen from
            behind: its right side is lower.
    """
    p, r = np.radians(np.asarray(pitch)), np.radians(np.asarray(roll))
    return np.stack([-np.sin(r) * np.cos(p), -np.cos(r) * np.cos(p), np.sin(p) + 0 * r], -1)


def known_angles(angles_N2: np.ndarray, yaw_N: np.ndarray | None = None) -> np.ndarray | None:
    """Pitch and roll [N, 2] of a log, level where only the roll is missing; None where nothing is
    known: angles that are 0 throughout, the heading's `yaw_N` included, were never set."""
    pitch, roll = np.asarray(angles_N2, float).reshape(-1, 2).T
    known = np.isfinite(pitch)
    is_set = (pitch[known] != 0).any() or (yaw_N is not None and np.nan_to_num(yaw_N).any())
    if not known.any() or not is_set:
        return None
    return np.stack([pitch, np.where(known, np.nan_to_num(roll), np.nan)], 1)


def up_from_motion(
    rotations_N33: np.ndarray,
    directions_M3: np.ndarray,
    positions_N3: np.ndarray | None,
    alike: float = ALIKE,
) -> np.ndarray | None:
    """The upward direction of a chain of cameras, [3] of length 1 in the chain's axes; None where
    it is not determined to within about three degrees.

    A gimbal keeps the image's rows level, so up is perpendicular to all x axes; and the component
    along up of the way that the cameras took is their gain in height. Both are met by least
    squares.

    Args:
        rotations_N33: `camera_from_chain` of N cameras.
        directions_M3: from each camera to the next, M = N - 1, of length 1, in the chain's axes.
        positions_N3: east, north, up in metres, or None where they are not known.
        alike: neighbouring cameras err alike; so many count as one measurement.
    """
    count = len(rotations_N33)
    A, b, weight = rotations_N33[:, 0], np.zeros(count), np.full(count, 1 / _LEVEL)
    if positions_N3 is not None:
        A = np.concatenate([A, _way(directions_M3, positions_N3)])
        b = np.concatenate([b, positions_N3[:, 2] - positions_N3[:, 2].mean()])
        weight = np.concatenate([weight, np.full(count, 1 / _HEIGHT)])
    A, b = A * weight[:, None], b * weight
    # Up is up in the image or, looking down, towards the camera; that settles the sign, which a
    # level flight leaves open.
    upright = -(rotations_N33[:, 1] + rotations_N33[:, 2]).mean(0)
    axes = np.linalg.eigh(A.T @ A)[1].T
    minima = [_nearest_minimum(A, b, start) for start in (upright, *axes, *-axes)]
    minima = [up for up in minima if up @ upright > 0]
    if not minima:
        return None
    costs = np.array([((A @ up - b) ** 2).sum() for up in minima])
    up = minima[int(costs.argmin())]
    scale = alike * max(1.0, costs.min() / max(len(A) - 3, 1))
    across = _across(up)
    information = np.linalg.eigvalsh(across.T @ A.T @ A @ across)[0] / scale
    if information < _KNOWN**-2:
        return None
    rivals = [minima[i] for i in np.flatnonzero(costs - costs.min() < 9 * scale)]
    return up if all(other @ up > np.cos(_KNOWN) for other in rivals) else None


def _way(directions_M3: np.ndarray, positions_N3: np.ndarray) -> np.ndarray:
    """The cameras' places in the chain's axes, in metres about their mean: steps have the length of
    the positions'."""
    steps = directions_M3 * np.linalg.norm(np.diff(positions_N3, axis=0), axis=1)[:, None]
    places = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    places -= places.mean(0)
    # Noise makes short steps too long; the whole way shows by how much.
    return places * np.sqrt(positions_N3.var(0).sum() / max(places.var(0).sum(), 1e-12))


def _across(up_3: np.ndarray) -> np.ndarray:
    """Two directions at right angles to one, [3, 2]."""
    return np.linalg.svd(up_3[None])[2][1:].T


def _nearest_minimum(A_N3: np.ndarray, b_N: np.ndarray, start_3: np.ndarray) -> np.ndarray:
    """Gauss-Newton on the unit sphere for the least |A u - b|."""
    up = start_3 / np.linalg.norm(start_3)
    for _ in range(_ROUNDS):
        across = _across(up)
        change = across @ np.linalg.lstsq(A_N3 @ across, b_N - A_N3 @ up, rcond=1e-9)[0]
        change /= max(1.0, np.linalg.norm(change) / 0.5)
        up = (up + change) / np.linalg.norm(up + change)
        if np.linalg.norm(change) < 1e-9:
            break
    return up


def up_of_frames(
    paths: list[Path],
    K_33: np.ndarray,
    segments_N: np.ndarray,
    way_N: np.ndarray,
    positions_N3: np.ndarray,
) -> np.ndarray:
    """The upward direction in the axes of each undistorted frame of a video, [N, 3] of length 1,
    from the frames themselves; NaN where it is not determined.

    Args:
        paths: the frames, in order of time.
        K_33: their calibration matrix, COLMAP's pixels.
        segments_N: frames of one segment follow each other without a cut.
        way_N: median flow accumulated over the video, share of the width.
        positions_N3: east, north, up in metres, freed of the receiver's noise; NaN where unknown.
            They count where a whole chain has them.
    """
    up_N3 = np.full((len(paths), 3), np.nan)
    for segment in np.unique(segments_N):
        members = np.flatnonzero(segments_N == segment)
        if len(members) < _FEWEST_FRAMES:
            continue
        way = way_N[members] - way_N[members[0]]
        step = float(np.clip(way[-1] / (CHAIN - 1), NARROWEST_STEP, WIDEST_STEP))
        places = np.searchsorted(way, np.arange(0, way[-1] + step / 2, step) - 1e-9)
        chosen = np.unique(places.clip(max=len(way) - 1))
        for first, links in _chains(_links([paths[members[i]] for i in chosen], K_33)):
            chain = chosen[first : first + len(links) + 1]
            up = up_of_chain(links, positions_N3[members[chain]])
            if up is not None:
                near = (way >= way[chain[0]] - step) & (way <= way[chain[-1]] + step)
                up_N3[members[near]] = up_between(way[near], way[chain], up)
    return up_N3


def _links(paths: list[Path], K_33: np.ndarray) -> list[TwoView | None]:
    """The relative pose of each frame and the next; None where it does not hold."""
    written_height, written_width = read_frame(paths[0]).shape[:2]
    width, height = fit_width(written_width, written_height, MATCHED_WIDTH)
    K = np.diag([width / written_width, height / written_height, 1.0]) @ K_33

    def view(path: Path) -> View:
        image = scale_down(read_frame(path), width, height)
        return matchable(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))

    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        views = list(pool.map(view, paths))
        return list(pool.map(lambda first, second: link(first, second, K), views, views[1:]))


def _chains(links: list[TwoView | None]) -> Iterator[tuple[int, list[TwoView]]]:
    """The unbroken runs of links and the place of the first frame of each."""
    chain: list[TwoView] = []
    for place, two_view in enumerate([*links, None]):
        if two_view is not None:
            chain.append(two_view)
        else:
            yield place - len(chain), chain
            chain = []


def matchable(gray_HW: np.ndarray) -> View:
    """An image, at most `MATCHED_WIDTH` wide, prepared for `link`."""
    return prepare(gray_HW, _CORNERS)


def link(first: View, second: View, K_33: np.ndarray) -> TwoView | None:
    """The relative pose of a frame of a chain and the next; None where it does not hold."""
    two_view = relative_pose(first, second, K_33, _THRESHOLD)
    return two_view if two_view is not None and two_view.inliers >= _FEWEST_INLIERS else None


def up_of_chain(
    links: list[TwoView], positions_N3: np.ndarray | None, alike: float = ALIKE
) -> np.ndarray | None:
    """The upward direction in the axes of each camera of a chain, [N, 3] of length 1; None where
    the chain is too short or does not determine it.

    Args:
        links: from each camera to the next.
        positions_N3: as in `up_from_motion`; they count where all of them are known.
        alike: as in `up_from_motion`.
    """
    if len(links) + 1 < _FEWEST_FRAMES:
        return None
    chained, directions = [np.eye(3)], []  # the chain's axes are the first camera's
    for two_view in links:
        chained.append(two_view.T[:3, :3] @ chained[-1])
        directions.append(-chained[-1].T @ two_view.T[:3, 3])
    if positions_N3 is not None and not np.isfinite(positions_N3).all():
        positions_N3 = None
    rotations = np.array(chained)
    up = up_from_motion(rotations, np.array(directions), positions_N3, alike)
    return None if up is None else rotations @ up


def between(way_N: np.ndarray, known_M: np.ndarray, values_M3: np.ndarray) -> np.ndarray:
    """Values [N, 3] linear in between, the nearest one outside."""
    return np.stack([np.interp(way_N, known_M, column) for column in values_M3.T], 1)


def up_between(way_N: np.ndarray, known_M: np.ndarray, up_M3: np.ndarray) -> np.ndarray:
    """Directions as `between` gives them, of length 1."""
    up = between(way_N, known_M, up_M3)
    return up / np.linalg.norm(up, axis=1, keepdims=True)
