"""Where up is in the camera's axes all along a video, from one look at its frames."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from aerial_depth_pipeline.capture.motion.attitude import (
    ALIKE,
    CHAIN,
    NARROWEST_STEP,
    WIDEST_STEP,
    between,
    link,
    matchable,
    up_of_chain,
)
from aerial_depth_pipeline.capture.motion.corner_tracking import follow
from aerial_depth_pipeline.capture.motion.two_view import TwoView, View

_FOLLOWED = 0.5  # share of the corners that are to be found again


@dataclass(frozen=True)
class _Stretch:
    """What hangs together: its last moment, and the upward directions at moments of it; None where
    they are not determined."""

    until: float
    time_M: np.ndarray
    up_M3: np.ndarray | None


@dataclass(frozen=True)
class UpOverTime:
    """The upward direction in the camera's axes over a video."""

    stretches: tuple[_Stretch, ...]

    def at(self, time_N: np.ndarray) -> np.ndarray:
        """[N, 3] of length 1 at these seconds; NaN where the video does not determine it."""
        time_N = np.asarray(time_N, float)
        up_N3 = np.full((len(time_N), 3), np.nan)
        ends = np.array([stretch.until for stretch in self.stretches[:-1]])
        place = np.searchsorted(ends, time_N)
        for index, stretch in enumerate(self.stretches):
            here = (place == index) & np.isfinite(time_N)
            if stretch.up_M3 is not None and here.any():
                up_N3[here] = between(time_N[here], stretch.time_M, stretch.up_M3)
        return up_N3


def up_over_time(
    frames: Iterable[tuple[float, np.ndarray]],
    K_33: np.ndarray,
    positions_at: Callable[[np.ndarray], np.ndarray] | None = None,
) -> UpOverTime:
    """Chain the frames of a video by their relative poses and find up as `up_from_motion` does; one
    picture is kept at a time.

    Args:
        frames: seconds and the undistorted grey picture, at most `MATCHED_WIDTH` wide, a few in
            each second.
        K_33: calibration matrix of these pictures, COLMAP's pixels.
        positions_at: gives east, north, up in metres [N, 3] at seconds [N], freed of the receiver's
            noise, NaN where unknown.
    """
    walk = _Walk(K_33, positions_at)
    for time, gray in frames:
        walk.look(time, gray)
    walk.end()
    return UpOverTime(tuple(walk.stretches))


class _Walk:
    """Frames, one after the other, on their way to chains."""

    def __init__(
        self, K_33: np.ndarray, positions_at: Callable[[np.ndarray], np.ndarray] | None
    ) -> None:
        self.stretches: list[_Stretch] = []
        self._K, self._positions_at = K_33, positions_at
        self._last: View | None = None
        self._near: tuple[float, np.ndarray] | None = (
            None  # the latest frame that has hardly moved since the last one of the chain
        )
        self._times: list[float] = []
        self._links: list[TwoView] = []

    def look(self, time: float, gray_HW: np.ndarray) -> None:
        if self._last is None:
            self._begin(time, matchable(gray_HW))
            return
        moved = self._moved(gray_HW)
        if np.isnan(moved) and self._near is not None:
            # Too far from the chain's end, but perhaps not from the frame before.
            self._add(*self._near)
            moved = self._moved(gray_HW)
        if moved < NARROWEST_STEP:
            self._near = time, gray_HW
        else:
            self._add(time, gray_HW)

    def end(self) -> None:
        """Close the last stretch."""
        if not self._times:
            return
        times = np.array(self._times)
        positions = self._positions_at(times) if self._positions_at is not None else None
        until = self._times[-1] if self._near is None else self._near[0]
        # How long a chain will be is not known while it grows; a long one is denser than it had to
        # be, and its frames err more alike.
        denser = float(np.clip(len(times) / CHAIN, 1, WIDEST_STEP / NARROWEST_STEP))
        self.stretches.append(
            _Stretch(until, times, up_of_chain(self._links, positions, ALIKE * denser))
        )

    def _begin(self, time: float, view: View) -> None:
        self._last, self._near, self._times, self._links = view, None, [time], []

    def _moved(self, gray_HW: np.ndarray) -> float:
        """Median flow since the chain's last frame, share of the width; NaN where it cannot be
        followed."""
        corners = self._last.corners
        there, good = follow(self._last.gray, gray_HW, corners)
        if good.sum() <= _FOLLOWED * len(corners):
            return float("nan")
        return (
            float(np.median(np.linalg.norm(there[good] - corners[good], axis=1))) / gray_HW.shape[1]
        )

    def _add(self, time: float, gray_HW: np.ndarray) -> None:
        view = matchable(gray_HW)
        found = link(self._last, view, self._K)
        if found is None:
            self.end()
            self._begin(time, view)
            return
        self._last, self._near = view, None
        self._times.append(time)
        self._links.append(found)
