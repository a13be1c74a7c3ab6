"""Where up is in the camera's axes all along a video, from one look at its frames."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from aerial_depth_pipeline.capture.motion import attitude
from aerial_depth_pipeline.capture.motion.corner_tracking import follow
from aerial_depth_pipeline.capture.motion.two_view import TwoView, View

Moment = tuple[float, np.ndarray]  # seconds, and the grey image then
PositionsAt = Callable[[np.ndarray], np.ndarray]

_FOLLOWED = 0.5  # share of the corners that are to be found again
# Errors of links add up: chains are so long, and begin so many frames before the last one ends
_LONGEST, _OVERLAP = 200, 100


@dataclass(frozen=True)
class _Stretch:
    """Frames that one chain covers."""

    until: float  # the last moment
    time_M: np.ndarray
    up_M3: np.ndarray | None  # at these moments; None where it is not determined


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
            inside = (place == index) & np.isfinite(time_N)
            if (up := stretch.up_M3) is not None and inside.any():
                up_N3[inside] = attitude.up_between(time_N[inside], stretch.time_M, up)
        return up_N3


@dataclass
class _Chain:
    """Frames whose relative poses are known, each a step from the one before."""

    last: View
    times: list[float]
    links: list[TwoView] = field(default_factory=list)
    # The latest frame that has hardly moved since the last one of the chain
    near: Moment | None = None

    def flow(self, gray_HW: np.ndarray) -> float:
        """Median flow since the last frame, share of the width; NaN where it cannot be followed."""
        corners = self.last.corners
        ends, good = follow(self.last.gray, gray_HW, corners)
        if good.sum() <= _FOLLOWED * len(corners):
            return float("nan")
        flow = np.linalg.norm(ends[good] - corners[good], axis=1)
        return float(np.median(flow)) / gray_HW.shape[1]

    def continuation(self) -> "_Chain":
        """A chain of the last frames of this one."""
        return _Chain(self.last, self.times[-_OVERLAP:], self.links[-_OVERLAP + 1 :], self.near)

    def stretch(self, positions_at: PositionsAt | None, until: float | None = None) -> _Stretch:
        """What the chain says of up, up to its end or to an earlier moment."""
        times = np.array(self.times)
        positions = None if positions_at is None else positions_at(times)
        if until is None:
            until = self.times[-1] if self.near is None else self.near[0]
        # How long a chain will be is not known while it grows; a long one is denser than it had to
        # be, and its frames err more alike.
        densest = attitude.WIDEST_STEP / attitude.NARROWEST_STEP
        alike = attitude.ALIKE * float(np.clip(len(times) / attitude.CHAIN, 1, densest))
        return _Stretch(until, times, attitude.up_of_chain(self.links, positions, alike))


def up_over_time(
    frames: Iterable[Moment], K_33: np.ndarray, positions_at: PositionsAt | None = None
) -> UpOverTime:
    """Chain the frames of a video by their relative poses and find up as `up_from_motion` does; one
    image is kept at a time.

    Args:
        frames: undistorted, at most `MATCHED_WIDTH` wide, a few in each second.
        K_33: calibration matrix of these images, COLMAP's pixels.
        positions_at: gives east, north, up in metres [N, 3] at seconds [N], freed of the receiver's
            noise, NaN where unknown.
    """
    stretches: list[_Stretch] = []
    chain: _Chain | None = None  # the one that grows

    def longer(chain: _Chain, time: float, gray_HW: np.ndarray) -> _Chain:
        view = attitude.matchable(gray_HW)
        two_view = attitude.link(chain.last, view, K_33)
        if two_view is None:
            stretches.append(chain.stretch(positions_at))
            return _Chain(view, [time])
        chain.last, chain.near = view, None
        chain.times.append(time)
        chain.links.append(two_view)
        if len(chain.links) < _LONGEST:
            return chain
        stretches.append(chain.stretch(positions_at, chain.times[-_OVERLAP // 2]))
        return chain.continuation()

    for time, gray_HW in frames:
        if chain is None:
            chain = _Chain(attitude.matchable(gray_HW), [time])
            continue
        flow = chain.flow(gray_HW)
        if np.isnan(flow) and chain.near is not None:
            # Too far from the chain's end, but perhaps not from the frame before.
            chain = longer(chain, *chain.near)
            flow = chain.flow(gray_HW)
        if flow < attitude.NARROWEST_STEP:
            chain.near = time, gray_HW
        else:
            chain = longer(chain, time, gray_HW)
    return UpOverTime((*stretches, *([chain.stretch(positions_at)] if chain else [])))
