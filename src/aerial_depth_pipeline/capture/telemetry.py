"""Positions of the drone: DJI subtitles or EXIF, brought to frame times and into local metres."""

import logging
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.sources import Fix

logger = logging.getLogger(__name__)

# WGS 84
_SEMI_MAJOR = 6378137.0
_ECCENTRICITY_SQUARED = 6.69437999014e-3


@dataclass(frozen=True)
class Telemetry:
    """Positions over time.

    Attributes:
        source: the file they come from.
        time_N: seconds since the video's first frame, increasing.
        position_N3: latitude and longitude in degrees, altitude in metres.
        focal_35mm: the 35 mm equivalent focal length that the file states, or None.
        warnings: what was wrong with the file.
    """

    source: str
    time_N: np.ndarray
    position_N3: np.ndarray
    focal_35mm: float | None = None
    warnings: list[str] = field(default_factory=list)


def find_telemetry(raw: Path, video: Path | None) -> Telemetry | None:
    """Read the telemetry that lies beside a video: a subtitle file of the video's name, else the only one there. None without one."""
    subtitles = sorted(p for p in raw.iterdir() if p.suffix.lower() == ".srt" and p.is_file() and not p.name.startswith("."))
    if video is not None:
        subtitles = [p for p in subtitles if p.stem.lower() == video.stem.lower()] or subtitles[:1]
    for path in subtitles[:1]:
        return read_srt(path)
    return None


_TIMES = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})\s*-->")
_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_BRACKETED = {
    name: re.compile(rf"\b{pattern}\s*:\s*{_NUMBER}")
    for name, pattern in {
        "latitude": "latitude",
        "longitude": "longt?itude",  # some firmware spells it longtitude
        "relative": "rel_alt",
        "absolute": "abs_alt",
        "altitude": "altitude",
        "focal": "focal_len",
    }.items()
}


def read_srt(path: Path) -> Telemetry | None:
    """Read a DJI subtitle file; None, with a warning in the log, where it holds no position."""
    text = path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff")
    times, fixes, focal = [], [], None
    skipped = 0
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        start = _TIMES.search(block)
        if not start:
            continue
        hours, minutes, seconds, fraction = start.groups()
        time = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
        fix = _fix_of(block[start.end() :])
        if fix is None or (times and time <= times[-1]):
            skipped += 1
            continue
        times.append(time)
        fixes.append(fix)
        if focal is None and (stated := _BRACKETED["focal"].search(block)):
            focal = _plausible_focal(float(stated.group(1)))
    if not times:
        logger.warning("%s holds no positions that are understood; the scene has no telemetry.", path)
        return None
    warnings = [f"{skipped} entries of {path.name} hold no position and are skipped."] if skipped else []
    return Telemetry(path.name, np.array(times), np.array(fixes), focal, warnings)


def _fix_of(text: str) -> tuple[float, float, float] | None:
    found = {name: float(match.group(1)) for name, pattern in _BRACKETED.items() if (match := pattern.search(text))}
    if "latitude" not in found or "longitude" not in found:
        return None
    latitude, longitude = found["latitude"], found["longitude"]
    # Height above the start is the barometer's and steadier than the absolute one.
    height = found.get("relative", found.get("absolute", found.get("altitude", 0.0)))
    return (latitude, longitude, height) if _plausible(latitude, longitude) else None


def _plausible(latitude: float, longitude: float) -> bool:
    return abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0.0, 0.0)


def _plausible_focal(value: float) -> float | None:
    value = value / 10 if value >= 150 else value  # some firmware writes tenths of a millimetre
    return value if 8 <= value <= 200 else None


def at_times(telemetry: Telemetry, times: np.ndarray) -> np.ndarray:
    """Positions [N, 3] (degrees, degrees, metres) at frame times, linear in between; NaN more than a second outside of the telemetry."""
    known = telemetry.time_N
    positions = np.stack([np.interp(times, known, telemetry.position_N3[:, axis]) for axis in range(3)], 1)
    positions[~((times >= known[0] - 1.0) & (times <= known[-1] + 1.0))] = np.nan
    return positions


def local_metres(position_N3: np.ndarray, origin: Fix) -> np.ndarray:
    """East, north and up [N, 3] in metres about `origin`, of latitude, longitude (degrees) and altitude (metres).

    Exact: through earth-centred coordinates of the WGS 84 ellipsoid.
    """
    center = _earth_centred(np.array([[origin.latitude, origin.longitude, origin.altitude]]))[0]
    difference = _earth_centred(np.asarray(position_N3, float)) - center
    latitude, longitude = math.radians(origin.latitude), math.radians(origin.longitude)
    sin_lat, cos_lat, sin_lon, cos_lon = math.sin(latitude), math.cos(latitude), math.sin(longitude), math.cos(longitude)
    east_north_up = np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )
    return difference @ east_north_up.T


def _earth_centred(position_N3: np.ndarray) -> np.ndarray:
    latitude, longitude = np.radians(position_N3[:, 0]), np.radians(position_N3[:, 1])
    height = position_N3[:, 2]
    normal = _SEMI_MAJOR / np.sqrt(1 - _ECCENTRICITY_SQUARED * np.sin(latitude) ** 2)
    return np.stack(
        [
            (normal + height) * np.cos(latitude) * np.cos(longitude),
            (normal + height) * np.cos(latitude) * np.sin(longitude),
            (normal * (1 - _ECCENTRICITY_SQUARED) + height) * np.sin(latitude),
        ],
        1,
    )


def smooth_positions(times: np.ndarray, position_N3: np.ndarray, window: float) -> np.ndarray:
    """Positions freed of the receiver's noise: at each time the value of a parabola fitted to what lies within `window` seconds of it.

    Positions that are not known (NaN) stay unknown; where fewer than five lie in the window they stay as they are.
    """
    smoothed = np.array(position_N3, float)
    known = np.isfinite(position_N3).all(1) & np.isfinite(times)
    for index in np.flatnonzero(known):
        near = known & (np.abs(times - times[index]) <= window)
        if near.sum() < 5:
            continue
        offset = (times[near] - times[index]) / window
        basis = np.stack([np.ones_like(offset), offset, offset**2], 1)
        smoothed[index] = np.linalg.lstsq(basis, position_N3[near], rcond=None)[0][0]
    return smoothed
