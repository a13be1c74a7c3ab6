"""Flight logs as tables."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.motion.attitude import known_angles
from aerial_depth_pipeline.capture.telemetry.telemetry import (
    Datum,
    Telemetry,
    is_plausible,
    missing_heights,
)

_FEET = 0.3048
# Columns by what they hold: names without case, blanks and units, and what their numbers are
# multiplied by. The first that is there counts.
_TIME = {
    **dict.fromkeys(("time", "times", "seconds", "timestamp"), 1.0),
    **dict.fromkeys(("timemillisecond", "timems", "milliseconds"), 1e-3),
}
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


def read_table(path: Path, fps: float | None) -> Telemetry:
    """Read a CSV file with the columns time (seconds; or time(millisecond), or frame), latitude,
    longitude and, where there, a height and the gimbal's pitch and roll (degrees).

    Raises:
        ValueError: where columns are missing or no row holds a position.
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
    if time is None and "frame" in table.columns and fps:
        seconds = numbers["frame"] / fps
    if latitude is None or longitude is None or seconds is None:
        raise ValueError(
            f"{path.name} needs the columns time (seconds) or frame, latitude and longitude."
        )
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
