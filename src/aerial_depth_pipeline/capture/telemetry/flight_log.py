"""Flight logs as tables."""

import io
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.motion.attitude import known_angles
from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry.notation import (
    FEET,
    HIGHEST,
    as_places,
    read_text,
    within,
)
from aerial_depth_pipeline.capture.telemetry.telemetry import Datum, Telemetry, missing_heights

_SAME_LENGTH = 2.0  # seconds between a video and its recording
_EPOCH = 1e8  # seconds; times beyond are dates
# Columns by what they hold: names without case, blanks, units and the part of the drone (`OSD.`).
# The first that holds numbers counts.
_TIME = "time times seconds timestamp elapsedtime flytime offsettime timems timemillisecond".split()
_SINCE_TAKE_OFF = ("flytime", "offsettime", "timems", "timemillisecond")
_FLAGS = ("isvideo", "recordstate", "isrecording", "recording", "videorecording")
_DATES = ("datetimeutc", "datetime", "updatetimeutc", "timeutc", "dateutc")
_LATITUDE, _LONGITUDE = ("latitude", "lat"), ("longitude", "lon", "lng", "long")
_ABOVE_START = "osdheight relalt relativealtitude relativeheight heightabovetakeoff"
_ABOVE_SEA = "altitude alt absalt absoluteheight absolutealtitude altitudeabovesealevel elevation"
_HEIGHT: dict[str, Datum | None] = {
    **dict.fromkeys(_ABOVE_START.split(), "start"),
    "height": None,
    **dict.fromkeys(_ABOVE_SEA.split(), "sea"),
}
_ANGLES = [
    [f"{part}{axis}" for part in ("gimbal", "gb") for axis in names]
    for names in (("pitch",), ("roll",), ("heading", "yaw"))
]
_KNOWN = {*_TIME, *_FLAGS, *_DATES, *_LATITUDE, *_LONGITUDE, *_HEIGHT, "frame"}
_KNOWN |= {name for names in _ANGLES for name in names}
_SECONDS = {
    "s": 1.0,
    "ms": 1e-3,
    "millisecond": 1e-3,
    "milliseconds": 1e-3,
    "min": 60.0,
    "minutes": 60.0,
}
_METRES = {"ft": FEET, "feet": FEET, "foot": FEET, "km": 1e3, "cm": 1e-2, "mm": 1e-3}
_PARTS = r"^(?:osd(?!\.height)|gps|custom|camera|general|details|aircraft|imu\w*)[.:]\s*"
_UNIT = re.compile(r"[(\[]\s*([^)\]]*?)\s*[)\]]\s*$|[_ ](ft|feet|m|meters|metres|deg|rad|ms|s)$")
_QUANTITY = re.compile(r"\s*([-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)\s*°?\s*([A-Za-z]*)\s*")


class _Column:
    """Numbers of a column of texts, with what its name or else its values state as their unit."""

    def __init__(self, values: pd.Series, unit: str, has_poles: bool) -> None:
        self.values = values
        found = values.astype(str).str.extract(f"^{_QUANTITY.pattern}$")
        numbers = found[0].str.replace(",", ".").astype(float)
        units = found[1].str.lower()
        if has_poles:
            numbers = numbers.where(~units.isin(["s", "w"]), -numbers.abs())
        if numbers.isna().all():  # 00:01:02.5
            clock = values.where(values.astype(str).str.fullmatch(r"\d{1,2}:\d\d:\d\d(\.\d{1,6})?"))
            numbers = pd.to_timedelta(clock).dt.total_seconds()
        self.unit = unit or next((text for text in units.dropna() if text), "")
        self.numbers = numbers.where(np.isfinite(numbers))


def read_table(path: Path, recording: Recording) -> Telemetry:
    """Read a CSV file, separated by commas, semicolons or tabs, with the columns time or frame,
    latitude and longitude and, where there, a height and the gimbal's angles (degrees); units stand
    behind the names or the values.

    `time` in seconds and `frame` count from the video's first frame. The log of a flight (its time
    in milliseconds, or with a recording flag or a column datetime(utc)) counts from take-off: the
    video begins where its recording flag is set, or at its own creation time.

    Raises:
        ValueError: where columns are missing, no row holds a position, or nothing says when the
            video begins.
    """
    columns = _read_columns(path)

    def first(names: Iterable[str]) -> str | None:
        return next((n for n in names if n in columns and columns[n].numbers.notna().any()), None)

    time, latitude, longitude = first(_TIME), first(_LATITUDE), first(_LONGITUDE)
    seconds = None
    if time is not None:
        unit = "ms" if time in ("timems", "timemillisecond") else columns[time].unit
        seconds = columns[time].numbers * _SECONDS.get(unit, 1.0)
        seconds = seconds / 1e3 if seconds.median() > 1e3 * _EPOCH else seconds
    elif "frame" in columns and recording.fps:
        seconds = columns["frame"].numbers / recording.fps
    if seconds is None and (date := next((name for name in _DATES if name in columns), None)):
        seconds = _moments(columns[date].values)
        seconds -= seconds.min()
    if latitude is None or longitude is None or seconds is None:
        raise ValueError(
            f"{path.name} needs the columns time (seconds) or frame, latitude and longitude, with"
            " numbers in them."
        )
    flags = {name: column.values for name, column in columns.items() if name in (*_FLAGS, *_DATES)}
    of_flight = time in _SINCE_TAKE_OFF or flags or seconds.median() > _EPOCH
    if of_flight or (time is not None and _SECONDS.get(columns[time].unit, 1.0) != 1.0):
        seconds = seconds - _video_start(path.name, flags, seconds, recording)
    # One datum a file: the first column that holds heights.
    height = first(_HEIGHT)
    heights, unknown = np.full(len(seconds), np.nan), np.full(len(seconds), np.nan)
    if height is not None:
        factor = _METRES.get(columns[height].unit, 1.0)
        heights = within(HIGHEST, columns[height].numbers.to_numpy() * factor)
    angles = [columns[name].numbers if (name := first(names)) else unknown for names in _ANGLES]
    radians = columns[latitude].unit.startswith("rad")
    stated = np.stack([columns[name].numbers for name in (latitude, longitude)], 1)
    order = np.argsort(seconds.to_numpy(), kind="stable")
    rows = np.column_stack([seconds, heights, *angles])[order]
    places_N2, told = as_places(path.name, stated[order], radians)
    good = np.isfinite(places_N2).all(1) & np.isfinite(rows[:, 0])
    if not good.any():
        raise ValueError(f"{path.name} holds no position.")
    if not good.all():
        told.append(
            f"{(~good).sum()} of {len(good)} rows of {path.name} hold no position and are skipped."
        )
    rows, places_N2 = rows[good], places_N2[good]
    later = np.diff(rows[:, 0], prepend=-np.inf) > 0
    rows, places_N2 = rows[later], places_N2[later]
    told += missing_heights(path.name, rows[:, 1])
    attitude = known_angles(within(360.0, rows[:, 2:4]), rows[:, 4])
    positions = np.column_stack([places_N2, rows[:, 1]])
    datum = None if height is None else _HEIGHT[height]
    return Telemetry(path.name, rows[:, 0], positions, None, told, attitude, datum)


def _read_columns(path: Path) -> dict[str, _Column]:
    """The columns by name; of two of one name the first."""
    # Spreadsheets name their separator in a line of its own.
    text = re.sub(r"\A(?:sep=.\n|#.*\n|\s*\n)+", "", read_text(path))
    header = text.split("\n", 1)[0]
    separator = max(",;\t|", key=header.count)
    try:
        with warnings.catch_warnings():  # a separator at the ends of lines
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text), sep=separator, skipinitialspace=True, index_col=False, dtype=str
            )
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{path.name} is not a table ({' '.join(str(error).split())}).") from error
    columns: dict[str, _Column] = {}
    for place, stated in enumerate(table.columns):
        name = re.sub(_PARTS, "", str(stated).strip().lower())
        unit = _UNIT.search(name)
        # Which clock a date is of is no unit.
        unit = None if unit and unit[1] in ("utc", "local") else unit
        plain = re.sub(r"[^a-z]", "", name[: unit.start()] if unit else name)
        if plain in _KNOWN:
            stated_unit = (unit[1] or unit[2]) if unit else ""
            has_poles = plain in (*_LATITUDE, *_LONGITUDE)
            columns.setdefault(plain, _Column(table.iloc[:, place], stated_unit, has_poles))
    return columns


def _moments(values: pd.Series) -> pd.Series:
    """Seconds since 1970, NaN where a value is no date."""
    try:
        moments = pd.to_datetime(values, utc=True, errors="coerce", format="mixed")
        return (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    except (ValueError, OverflowError):  # years that cannot be
        return pd.Series(np.nan, values.index)


def _video_start(
    name: str, columns: dict[str, pd.Series], seconds: pd.Series, recording: Recording
) -> float:
    """The log's time at the video's first frame; `columns` are its recording flags and dates."""
    starts = []
    if (flagged := next((flag for flag in _FLAGS if flag in columns), None)) is not None:
        text = columns[flagged].astype(str).str.strip().str.lower()
        flag = text.isin(["1", "1.0", "true", "yes", "recording", "on", "starting"])
        run = (flag != flag.shift(fill_value=False)).cumsum()[flag]
        starts = [(of_run.min(), of_run.max()) for _, of_run in seconds[flag].groupby(run)]
    if len(starts) > 1 and recording.duration is not None:
        length = recording.duration
        starts = [(a, b) for a, b in starts if abs(b - a - length) <= _SAME_LENGTH] or starts
    if len(starts) == 1 and np.isfinite(starts[0][0]):
        return float(starts[0][0])
    if recording.start is not None:
        date = next((column for column in _DATES if column in columns), None)
        since = seconds if date is None else _moments(columns[date])
        known = since.notna() & seconds.notna()
        if known.any() and since[known].min() - 1 <= recording.start <= since[known].max() + 1:
            return float((seconds[known] - since[known]).median() + recording.start)
    raise ValueError(
        f"{name} is the log of a whole flight and does not say when the video begins; name its time"
        " column 'time' and let it count seconds from the video's first frame."
    )
