"""Positions of the drone and attitudes of its camera at frame times, in local metres and the
camera's axes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from aerial_depth_pipeline.capture.motion.attitude import between, up_between, up_of_gimbal

Datum = Literal["start", "sea"]
_SAME_FOCAL = 0.005  # relative
_HOLE = 3.0  # seconds without an entry


@dataclass(frozen=True)
class Telemetry:
    """Positions and attitudes over time.

    Attributes:
        source: the file they come from.
        time_N: seconds since the video's first frame, increasing.
        position_N3: latitude and longitude in degrees, the latter without a jump at the date line,
            and altitude in metres, NaN where unknown.
        focal_N: the 35 mm equivalent focal length at each time in millimetres, digital zoom
            included, that the file states or that the drone it names has, NaN where unknown; None
            where it says nothing.
        warnings: what was wrong with the file.
        attitude_N2: pitch and roll of the gimbal in degrees as in `up_of_gimbal`, NaN where
            unknown; None where all are.
        datum: what the altitudes of the whole file count from: the place of departure (`start`),
            the sea or the ellipsoid (`sea`), or nobody says (None).
    """

    source: str
    time_N: np.ndarray
    position_N3: np.ndarray
    focal_N: np.ndarray | None = None
    warnings: list[str] = field(default_factory=list)
    attitude_N2: np.ndarray | None = None
    datum: Datum | None = None

    @property
    def has_places(self) -> bool:
        """Whether any latitude and longitude is known."""
        return bool(np.isfinite(self.position_N3[:, 0]).any())

    @cached_property
    def focal_35mm(self) -> float | None:
        """The commonest focal length, or None."""
        if self.focal_N is None or not np.isfinite(self.focal_N).any():
            return None
        lengths, counts = np.unique(self.focal_N[np.isfinite(self.focal_N)], return_counts=True)
        return float(lengths[counts.argmax()])

    def is_zoomed(self, time: float) -> bool:
        """Whether the focal length at a time is another than the commonest."""
        usual = self.focal_35mm
        if usual is None or self.focal_N is None or not np.isfinite(time):
            return False
        place = max(int(np.searchsorted(self.time_N, time, side="right")) - 1, 0)
        return bool(abs(self.focal_N[place] / usual - 1) > _SAME_FOCAL)  # False for NaN


def missing_heights(name: str, heights: np.ndarray) -> list[str]:
    """A sentence where a file's positions lack heights."""
    missing = int(np.count_nonzero(~np.isfinite(heights)))
    if not missing:
        return []
    entries = "None" if missing == len(heights) else f"{len(heights) - missing} of {len(heights)}"
    return [
        f"{entries} of the positions in {name} have a height; elsewhere positions count in the"
        " plane only."
    ]


def at_times(telemetry: Telemetry, times: np.ndarray) -> np.ndarray:
    """Positions [N, 3] (degrees, degrees, metres) at frame times, linear between entries that know
    the place and between those that know the height; NaN further than a second from any of these,
    where they lie further apart than in steady telemetry."""
    place_N2, height_N1 = np.split(telemetry.position_N3, [2], axis=1)
    return np.hstack([_within(times, telemetry.time_N, part) for part in (place_N2, height_N1)])


def up_at_times(telemetry: Telemetry, times: np.ndarray) -> np.ndarray:
    """The upward direction [N, 3] in the camera's axes at frame times, between entries that know
    it; NaN a second outside of these."""
    if telemetry.attitude_N2 is None:
        return np.full((len(times), 3), np.nan)
    up = up_of_gimbal(*telemetry.attitude_N2.T)
    # Directions and not angles: beyond straight down the roll jumps by half a turn.
    return _within(times, telemetry.time_N, up, up_between)


def _within(
    times: np.ndarray,
    known_N: np.ndarray,
    values_NC: np.ndarray,
    between: Callable[..., np.ndarray] = between,
) -> np.ndarray:
    """The values [M, C] at times, NaN in holes between finite ones and outside of them, but for the
    second next to these."""
    finite = np.isfinite(values_NC).all(1)
    known_N, values_NC = known_N[finite], values_NC[finite]
    if not len(known_N):
        return np.full((len(times), values_NC.shape[1]), np.nan)
    after = np.searchsorted(known_N, times)
    ends = np.concatenate([[-np.inf], known_N, [np.inf]])
    gap = ends[after + 1] - ends[after]
    nearest = np.minimum(times - ends[after], ends[after + 1] - times)
    steady = 3 * float(np.median(np.diff(known_N))) if len(known_N) > 1 else 0.0
    inside = (gap <= max(_HOLE, steady)) | (nearest <= 1.0)
    return np.where(inside[:, None], between(times, known_N, values_NC), np.nan)


def smooth_positions(times: np.ndarray, position_N3: np.ndarray, window: float = 1.0) -> np.ndarray:
    """Positions freed of the receiver's noise: at each time the value of a parabola fitted to what
    lies within `window` seconds of it.

    Positions that are not known (NaN) stay unknown; where fewer than five lie in the window they
    stay as they are. Without any altitude the plan alone is smoothed.
    """
    smoothed = np.array(position_N3, float)
    axes = 3 if np.isfinite(smoothed[:, 2]).any() else 2
    known = np.isfinite(smoothed[:, :axes]).all(1) & np.isfinite(times)
    for index in np.flatnonzero(known):
        near = known & (np.abs(times - times[index]) <= window)
        if near.sum() < 5:
            continue
        offset = (times[near] - times[index]) / window
        basis = np.stack([np.ones_like(offset), offset, offset**2], 1)
        fitted = np.linalg.lstsq(basis, position_N3[near, :axes], rcond=None)[0]
        smoothed[index, :axes] = fitted[0]
    return smoothed
