"""Files that drones and their apps write beside a video: DJI subtitles in their dialects, and
tables."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.motion.attitude import known_angles
from aerial_depth_pipeline.capture.sources.drone_models import drone_in
from aerial_depth_pipeline.capture.sources.source import visible_files
from aerial_depth_pipeline.capture.telemetry.telemetry import Telemetry

_FEET = 0.3048


def find_telemetry(
    raw: Path, video: Path | None, fps: float | None
) -> tuple[Telemetry | None, list[str]]:
    """Read the telemetry beside a video: a subtitle file or a table of the video's name,
    `telemetry.csv`, or the only subtitle file there.

    Args:
        raw: the scene's folder.
        video: the video, if the scene is one.
        fps: frames per second, for tables that count in frames.

    Returns:
        The telemetry, or None where there is none that can be read, and sentences for the report
        that say what is wrong.
    """
    subtitles, tables = visible_files(raw, {".srt"}), visible_files(raw, {".csv"})
    named = [
        p
        for p in (*subtitles, *tables)
        if video is not None and p.stem.lower() == video.stem.lower()
    ]
    named += [p for p in tables if p.stem.lower() == "telemetry"]
    found = named or (subtitles if len(subtitles) == 1 else [])
    told = []
    for path in found:
        try:
            return (
                read_srt(path) if path.suffix.lower() == ".srt" else read_table(path, fps)
            ), told
        except ValueError as error:
            told.append(f"{error} The scene has no positions from it.")
    return None, told


_TIMES = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})\s*-->")
_NUMBER = r"([-+]?\d+(?:\.\d*)?)"
_FIELDS = {
    name: re.compile(pattern)
    for name, pattern in {
        # [latitude: 44.05] [longitude: -123.06] [rel_alt: 75.2 abs_alt: 204.3]; some firmware
        # writes longtitude, or a blank before a colon
        "latitude": rf"\blatitude\s*:\s*{_NUMBER}",
        "longitude": rf"\blongt?itude\s*:\s*{_NUMBER}",
        "relative": rf"\brel_alt\s*:\s*{_NUMBER}",
        "absolute": rf"\babs_alt\s*:\s*{_NUMBER}",
        "altitude": rf"\baltitude\s*:\s*{_NUMBER}",
        # GPS(149.02,-20.25,16) BAROMETER:1.9 of the older ones; GPS (120.35, 23.12, 26), D 499.16m,
        # H 98.00m of the small ones
        "barometer": rf"\bBAROMETER\s*:?\s*{_NUMBER}",
        "height": rf"\bH\s+{_NUMBER}\s*m\b",
        "focal": rf"\bfocal_len\s*:\s*{_NUMBER}",
        # [gb_yaw: -31.9 gb_pitch: -45.0 gb_roll: 0.0] of the newer ones
        "pitch": rf"\b(?:gb|gimbal)_pitch\s*:\s*{_NUMBER}",
        "roll": rf"\b(?:gb|gimbal)_roll\s*:\s*{_NUMBER}",
    }.items()
}
_GPS = re.compile(rf"\bGPS\s*\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*[mM]?\s*)?\)")


def read_srt(path: Path) -> Telemetry:
    """Read DJI subtitles: bracketed `key: value`, or `GPS(longitude,latitude,...)`; one entry for
    each frame or for each second.

    Raises:
        ValueError: where no entry holds a position.
    """
    text = (
        path.read_text(encoding="utf-8", errors="replace")
        .lstrip("\ufeff")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )
    starts = list(_TIMES.finditer(text))
    times, fixes, angles, focal, skipped = [], [], [], None, 0
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        entry = text[start.end() : following.start() if following else len(text)]
        hours, minutes, seconds, fraction = start.groups()
        time = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
        fix = _fix_of(entry)
        if fix is None or (times and time <= times[-1]):
            skipped += 1
            continue
        times.append(time)
        fixes.append(fix)
        stated = [_FIELDS[name].search(entry) for name in ("pitch", "roll")]
        angles.append([float(match.group(1)) if match else np.nan for match in stated])
        if focal is None and (stated := _FIELDS["focal"].search(entry)):
            focal = _plausible_focal(float(stated.group(1)))
    if not times:
        raise ValueError(f"{path.name} holds no position that is understood.")
    if focal is None and (drone := drone_in(text)):
        focal = drone[1]
    told = (
        [f"{skipped} of {len(starts)} entries of {path.name} hold no position and are skipped."]
        if skipped
        else []
    )
    return Telemetry(path.name, np.array(times), np.array(fixes), focal, told, known_angles(angles))


def _fix_of(entry: str) -> tuple[float, float, float] | None:
    found = {
        name: float(match.group(1))
        for name, pattern in _FIELDS.items()
        if (match := pattern.search(entry))
    }
    third = None
    if (gps := _GPS.search(entry)) and "latitude" not in found:
        found["longitude"], found["latitude"] = float(gps.group(1)), float(gps.group(2))
        third = float(gps.group(3)) if gps.group(3) else None
        if (
            abs(found["latitude"]) > 90
        ):  # a few write the latitude first, which shows where the other one cannot be a latitude
            found["longitude"], found["latitude"] = found["latitude"], found["longitude"]
    if (
        "latitude" not in found
        or "longitude" not in found
        or not _plausible(found["latitude"], found["longitude"])
    ):
        return None
    # Height above the start is the barometer's and steadier than the satellites'; the third number
    # in GPS() may be their count.
    names = ("relative", "barometer", "height", "absolute", "altitude")
    height = next((found[name] for name in names if name in found), third)
    return found["latitude"], found["longitude"], height if height is not None else 0.0


def _plausible(latitude: float, longitude: float) -> bool:
    return abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0.0, 0.0)


def _plausible_focal(value: float) -> float | None:
    value = value / 10 if value >= 150 else value  # some firmware writes tenths of a millimetre
    return value if 8 <= value <= 200 else None


# Columns by what they hold: names without case, blanks and units, and what their numbers are
# multiplied by.
_TIME_COLUMNS = {
    "time": 1.0,
    "times": 1.0,
    "seconds": 1.0,
    "timestamp": 1.0,
    "timemillisecond": 1e-3,
    "timems": 1e-3,
    "milliseconds": 1e-3,
}
_LATITUDE_COLUMNS = ("latitude", "lat")
_LONGITUDE_COLUMNS = ("longitude", "lon", "lng", "long")
_HEIGHT_COLUMNS = {
    **dict.fromkeys(
        (
            "relalt",
            "relativealtitude",
            "heightabovetakeoff",
            "heightabovetakeoffmeters",
            "height",
            "heightm",
        ),
        1.0,
    ),
    **dict.fromkeys(("heightabovetakeofffeet", "heightfeet"), _FEET),
    **dict.fromkeys(
        ("altitude", "alt", "altitudem", "absalt", "altitudeabovesealevelmeters", "elevation"), 1.0
    ),
    **dict.fromkeys(("altitudefeet", "altitudeabovesealevelfeet"), _FEET),
}
_PITCH_COLUMNS = ("gimbalpitch", "gimbalpitchdegrees", "gimbalpitchdeg", "gbpitch")
_ROLL_COLUMNS = ("gimbalroll", "gimbalrolldegrees", "gimbalrolldeg", "gbroll")


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

    def column(names) -> str | None:
        return next((name for name in names if name in table.columns), None)

    latitude, longitude, height = (
        column(_LATITUDE_COLUMNS),
        column(_LONGITUDE_COLUMNS),
        column(_HEIGHT_COLUMNS),
    )
    time = column(_TIME_COLUMNS)
    in_frames = time is None and "frame" in table.columns and bool(fps)
    if latitude is None or longitude is None or (time is None and not in_frames):
        raise ValueError(
            f"{path.name} needs the columns time (seconds) or frame, latitude and longitude."
        )
    numbers = table.apply(pd.to_numeric, errors="coerce")
    seconds = numbers["frame"] / fps if in_frames else numbers[time] * _TIME_COLUMNS[time]
    heights = numbers[height] * _HEIGHT_COLUMNS[height] if height else 0.0 * seconds
    angles = [
        numbers[name] if name else np.nan * seconds
        for name in (column(_PITCH_COLUMNS), column(_ROLL_COLUMNS))
    ]
    rows = np.stack(
        [seconds, numbers[latitude], numbers[longitude], heights.fillna(0.0), *angles], 1
    ).astype(float)
    good = np.isfinite(rows[:, :4]).all(1) & np.array(
        [_plausible(lat, lon) for lat, lon in rows[:, 1:3]], bool
    )
    rows = rows[good][np.argsort(rows[good][:, 0], kind="stable")]
    rows = rows[np.concatenate([[True], np.diff(rows[:, 0]) > 0])] if len(rows) else rows
    if not len(rows):
        raise ValueError(f"{path.name} holds no position.")
    told = (
        [f"{(~good).sum()} of {len(table)} rows of {path.name} hold no position and are skipped."]
        if not good.all()
        else []
    )
    return Telemetry(path.name, rows[:, 0], rows[:, 1:4], None, told, known_angles(rows[:, 4:]))
