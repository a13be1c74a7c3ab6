"""Flight logs as tables."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.motion.attitude import known_angles
from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry.telemetry import (
    Datum,
    Telemetry,
    is_plausible,
    missing_heights,
)

_FEET, _MILLISECOND = 0.3048, 1e-3
_SAME_LENGTH = 2.0  # seconds between a video and its recording
# Columns by what they hold: names without case, blanks and units, and what their numbers are
# multiplied by. The first that is there counts.
_TIME = {
    **dict.fromkeys(("time", "times", "seconds", "timestamp"), 1.0),
    **dict.fromkeys(("timemillisecond", "timems", "milliseconds"), _MILLISECOND),
}
_FLAG, _DATES = "isvideo", ("datetimeutc", "datetime")
_LATITUDE, _LONGITUDE = ("latitude", "lat"), ("longitude", "lon", "lng", "long")
_ABOVE_START = "relalt relativealtitude heightabovetakeoff heightabovetakeoffmeters"
_ABOVE_SEA = "altitude alt altitudem absalt altitudeabovesealevelmeters elevation"
# Name → metres a unit, and what the height counts from
_HEIGHT: dict[str, tuple[float, Datum | None]] = {
    **dict.fromkeys(_ABOVE_START.split(), (1.0, "start")),
    **dict.fromkeys(("height", "heightm"), (1.0, None)),
    "heightabovetakeofffeet": (_FEET, "start"),
    "heightfeet": (_FEET, None),
    **dict.fromkeys(_ABOVE_SEA.split(), (1.0, "sea")),
    **dict.fromkeys(("altitudefeet", "altitudeabovesealevelfeet"), (_FEET, "sea")),
}
_PITCH = ("gimbalpitch", "gimbalpitchdegrees", "gimbalpitchdeg", "gbpitch")
_ROLL = ("gimbalroll", "gimbalrolldegrees", "gimbalrolldeg", "gbroll")


def read_table(path: Path, recording: Recording) -> Telemetry:
    """Read a CSV file with the columns time or frame, latitude, longitude and, where there, a
    height and the gimbal's pitch and roll (degrees).

    `time` in seconds and `frame` count from the video's first frame. The log of a flight (its time
    in milliseconds, or with a column isVideo or datetime(utc)) counts from take-off: the video
    begins where its recording flag is set, or at its own creation time.

    Raises:
        ValueError: where columns are missing, no row holds a position, or nothing says when the
            video begins.
    """
    try:
        table = pd.read_csv(path, skipinitialspace=True)
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{path.name} is not a table ({' '.join(str(error).split())}).") from error
    table.columns = [re.sub(r"[^a-z]", "", str(name).lower()) for name in table.columns]
    numbers = table.apply(pd.to_numeric, errors="coerce")

    def column(names: Iterable[str]) -> str | None:
        return next((name for name in names if name in table.columns), None)

    time, latitude, longitude = column(_TIME), column(_LATITUDE), column(_LONGITUDE)
    seconds = None if time is None else numbers[time] * _TIME[time]
    if time is None and "frame" in table.columns and recording.fps:
        seconds = numbers["frame"] / recording.fps
    if latitude is None or longitude is None or seconds is None:
        raise ValueError(
            f"{path.name} needs the columns time (seconds) or frame, latitude and longitude."
        )
    if _TIME.get(time or "") == _MILLISECOND or {_FLAG, *_DATES} & set(table.columns):
        seconds = seconds - _video_start(path.name, table, seconds, recording)
    # One datum a file: the first column that holds heights.
    present = [name for name in _HEIGHT if name in numbers and numbers[name].notna().any()]
    factor, datum = _HEIGHT[present[0]] if present else (np.nan, None)
    heights = factor * (numbers[present[0]] if present else seconds)
    angles = [
        numbers[name] if name else np.nan * seconds for name in (column(_PITCH), column(_ROLL))
    ]
    columns = [seconds, numbers[latitude], numbers[longitude], heights, *angles]
    rows = np.stack(columns, 1).astype(float)
    plausible = np.array([is_plausible(lat, lon) for lat, lon in rows[:, 1:3]], bool)
    good = np.isfinite(rows[:, :3]).all(1) & plausible
    rows = rows[good][np.argsort(rows[good][:, 0], kind="stable")]
    if not len(rows):
        raise ValueError(f"{path.name} holds no position.")
    rows = rows[np.concatenate([[True], np.diff(rows[:, 0]) > 0])]
    warnings = []
    if not good.all():
        warnings = [
            f"{(~good).sum()} of {len(table)} rows of {path.name} hold no position and are skipped."
        ]
    warnings += missing_heights(path.name, rows[:, 3])
    attitude = known_angles(rows[:, 4:])
    return Telemetry(path.name, rows[:, 0], rows[:, 1:4], None, warnings, attitude, datum)


def _video_start(name: str, table: pd.DataFrame, seconds: pd.Series, recording: Recording) -> float:
    """The log's time at the video's first frame."""
    starts = []
    if _FLAG in table.columns:
        flag = table[_FLAG].astype(str).str.strip().str.lower().isin(["1", "1.0", "true"])
        run = (flag != flag.shift(fill_value=False)).cumsum()[flag]
        starts = [(of_run.min(), of_run.max()) for _, of_run in seconds[flag].groupby(run)]
    if len(starts) > 1 and recording.duration is not None:
        length = recording.duration
        starts = [(a, b) for a, b in starts if abs(b - a - length) <= _SAME_LENGTH] or starts
    if len(starts) == 1:
        return float(starts[0][0])
    date = next((column for column in _DATES if column in table.columns), None)
    if date is not None and recording.start is not None:
        moments = pd.to_datetime(table[date], utc=True, errors="coerce", format="mixed")
        known = moments.notna() & seconds.notna()
        if known.any():
            since = (moments[known] - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
            if since.min() - 1 <= recording.start <= since.max() + 1:
                return float((seconds[known] - since).median() + recording.start)
    raise ValueError(
        f"{name} is the log of a whole flight and does not say when the video begins; name its time"
        " column 'time' and let it count seconds from the video's first frame."
    )
