"""Drones' subtitles, beside a video or in it."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.motion.attitude import known_angles
from aerial_depth_pipeline.capture.sources.drone_models import drone_in
from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry.notation import HIGHEST, as_places, read_text, within
from aerial_depth_pipeline.capture.telemetry.subtitle_fields import (
    DATUMS,
    Fields,
    focal_35mm,
    places,
    read_fields,
)
from aerial_depth_pipeline.capture.telemetry.telemetry import Telemetry, missing_heights

_MOMENT = r"(\d{1,4}):(\d\d):(\d\d)[,.](\d{1,3})"
_TIMES = re.compile(rf"{_MOMENT}\s*-->(?:\s*{_MOMENT})?")
_ANGLES = ("pitch", "roll", "yaw")
_CLOCK = 1.5  # seconds; a clock that starts again starts below

Cue = tuple[float, float, str]
"""When an entry is shown and until when, in seconds, and its text."""


def read_srt(path: Path, recording: Recording | None = None) -> Telemetry:
    """Read subtitles: bracketed `key: value`, or `GPS(...)`; one entry for each frame or for each
    second.

    Raises:
        ValueError: where no entry holds a position, a height, a lens or an attitude.
    """
    text = read_text(path)
    cues = list(_cues(text))
    if not cues:
        raise ValueError(
            f"{path.name} states no times (lines such as 00:00:01,000 --> 00:00:02,000); copy the"
            " drone's own file again, or give the positions as telemetry.csv."
        )
    return read_cues(path.name, cues)


def read_cues(name: str, cues: Sequence[Cue]) -> Telemetry:
    """Telemetry from subtitles that a file of this name holds.

    Raises:
        ValueError: as `read_srt`.
    """
    times, warnings = _one_clock(name, cues)
    order = np.argsort(times, kind="stable")
    order = order[np.diff(times[order], prepend=-1.0) > 0]
    found = [(times[i], fields) for i in order if (fields := read_fields(cues[i][2]))]
    entries = [fields for _, fields in found]
    places_N2, remarks = as_places(name, places(entries), radians=False)
    height = _steadiest(entries)
    heights = within(HIGHEST, np.array([fields.get(height, np.nan) for fields in entries]))
    angles = [[fields.get(key, np.nan) for key in _ANGLES] for fields in entries]
    angles_N3 = within(360.0, np.array(angles).reshape(-1, len(_ANGLES)))
    attitude = known_angles(*np.split(angles_N3, [2], axis=1))
    focals = np.array([focal_35mm(fields) for fields in entries])
    if np.isnan(focals).any() and (drone := drone_in("\n".join(text for *_, text in cues))):
        focals = np.array([focal_35mm(fields, drone[1]) for fields in entries])
    placed = np.isfinite(places_N2).all(1)
    rest = np.isfinite(heights).any() or np.isfinite(focals).any() or attitude is not None
    if not placed.any() and not rest:
        raise ValueError(
            f"{name} holds no position, height, focal length or gimbal angle that is understood; if"
            " it is the drone's, give its positions as telemetry.csv."
        )
    missing = len(cues) - int(placed.sum())
    if missing:
        warnings.append(
            f"{missing} of {len(cues)} entries of {name} hold no position"
            f"{'; height, lens and gimbal count where they are stated' if rest else ''}."
        )
    warnings += remarks + missing_heights(name, heights[placed])
    position_N3 = np.column_stack([places_N2, heights])
    moments = np.array([time for time, _ in found])
    return Telemetry(name, moments, position_N3, focals, warnings, attitude, DATUMS[height])


def _cues(text: str) -> Iterator[Cue]:
    starts = list(_TIMES.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends, strict=False):
        begin = _seconds(*match.groups()[:4])
        until = begin if match[5] is None else _seconds(*match.groups()[4:])
        yield begin, until, text[match.end() : end]


def _seconds(hours: str, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _one_clock(name: str, cues: Sequence[Cue]) -> tuple[np.ndarray, list[str]]:
    """When the entries are shown [N], in seconds; where the clock starts again, as in files that
    were written one after the other, it counts on."""
    times, shift, parts = np.zeros(len(cues)), 0.0, 1
    for place, (start, _, _) in enumerate(cues):
        if place and start < _CLOCK and cues[place - 1][0] > start + _CLOCK:
            following = cues[place + 1][0] if place + 1 < len(cues) else start
            if start <= following < start + 2 * _CLOCK:
                last, end, _ = cues[place - 1]
                usual = times[place - 1] - times[place - 2] if place > 1 else 0.0
                shift += min(max(end, last), last + max(usual, _CLOCK)) - start
                parts += 1
        times[place] = start + shift
    if parts == 1:
        return times, []
    return times, [
        f"The clock of {name} starts {parts} times: its parts are taken for one flight, each from"
        " where the one before it ends."
    ]


def _steadiest(entries: Sequence[Fields]) -> str:
    """The height that counts in the whole file, so that it has one datum: the steadiest that at
    least half of those entries have that have any."""
    counts = {name: sum(name in fields for fields in entries) for name in DATUMS}
    if not any(fields.get("satellites") for fields in entries):
        counts["satellites"] = 0  # never set
    of_any = sum(bool(DATUMS.keys() & fields.keys()) for fields in entries)
    return next(
        (name for name in DATUMS if counts[name] and 2 * counts[name] >= of_any), "relative"
    )
