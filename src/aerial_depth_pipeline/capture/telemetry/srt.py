"""DJI's subtitles in their dialects."""

import re
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.motion.attitude import known_angles
from aerial_depth_pipeline.capture.sources.drone_models import drone_in
from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry.telemetry import (
    Datum,
    Telemetry,
    is_plausible,
    missing_heights,
)

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
        "barometer": rf"\b(?:BAROMETER|Hb)\s*[:(]?\s*{_NUMBER}",
        "height": rf"\bH\s+{_NUMBER}\s*m\b",
        # Millimetres where there is a decimal point; some firmware writes whole tenths
        "focal": r"\bfocal_len\s*:\s*(\d+\.\d+)",
        "focal whole": r"\bfocal_len\s*:\s*(\d+)(?![\d.])",
        # [dzoom_ratio: 1.50], [dzoom_ratio: 15000, delta:0] and DZOOM 1.500
        "zoom": rf"\b(?:dzoom_ratio\s*:|DZOOM)\s*{_NUMBER}",
        # [gb_yaw: -31.9 gb_pitch: -45.0 gb_roll: 0.0] of the newer ones
        "pitch": rf"\b(?:gb|gimbal)_pitch\s*:\s*{_NUMBER}",
        "roll": rf"\b(?:gb|gimbal)_roll\s*:\s*{_NUMBER}",
    }.items()
}
# The third number is a height where it has a unit or a decimal point, else a count of satellites.
_GPS = re.compile(
    rf"\bGPS\s*\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*(?:,\s*(?:([-+]?\d+(?:\.\d*)?)\s*[mM]"
    r"|([-+]?\d+\.\d+)|\d+)\s*)?\)"
)
_TENTHS, _ZOOM_TEN_THOUSANDTHS = 200, 1000
_FOCALS_MM = (8, 200)
# Height above the start is the barometer's and steadier than the satellites'.
_DATUMS: dict[str, Datum] = {
    "relative": "start",
    "barometer": "start",
    "height": "start",
    "absolute": "sea",
    "altitude": "sea",
    "satellites": "sea",
}


def read_srt(path: Path, recording: Recording | None = None) -> Telemetry:
    """Read DJI subtitles: bracketed `key: value`, or `GPS(longitude,latitude,...)`; one entry for
    each frame or for each second.

    Raises:
        ValueError: where no entry holds a position.
    """
    # Universal newlines: whatever ends a line is \n.
    text = path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff")
    starts = list(_TIMES.finditer(text))
    times: list[float] = []
    places, entries = [], []
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        entry = text[start.end() : following.start() if following else len(text)]
        fields = {
            name: float(match.group(1))
            for name, pattern in _FIELDS.items()
            if (match := pattern.search(entry))
        }
        hours, minutes, seconds, fraction = start.groups()
        time = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
        place = _place(fields, entry)
        if place is None or (times and time <= times[-1]):
            continue
        times.append(time)
        places.append(place)
        entries.append(fields)
    if not times:
        raise ValueError(f"{path.name} holds no position that is understood.")
    focals = np.array([_focal(fields) for fields in entries])
    if np.isnan(focals).any() and (drone := drone_in(text)):
        focals = np.array([_focal(fields, drone[1]) for fields in entries])
    skipped, warnings = len(starts) - len(times), []
    if skipped:
        warnings = [
            f"{skipped} of {len(starts)} entries of {path.name} hold no position and are skipped."
        ]
    # One datum a file: the steadiest that at least half of the entries have.
    counts = {name: sum(name in fields for fields in entries) for name in _DATUMS}
    height = next((name for name in _DATUMS if 2 * counts[name] >= len(entries)), "relative")
    heights = [fields.get(height, np.nan) for fields in entries]
    warnings += missing_heights(path.name, heights)
    positions = np.column_stack([np.array(places), heights])
    angles = [[fields.get(name, np.nan) for name in ("pitch", "roll")] for fields in entries]
    attitude, datum = known_angles(np.array(angles)), _DATUMS[height]
    return Telemetry(path.name, np.array(times), positions, focals, warnings, attitude, datum)


def _place(fields: dict[str, float], entry: str) -> tuple[float, float] | None:
    """Latitude and longitude of an entry; the height in GPS() joins its fields."""
    latitude, longitude = fields.get("latitude"), fields.get("longitude")
    if latitude is None and (gps := _GPS.search(entry)):
        longitude, latitude = float(gps.group(1)), float(gps.group(2))
        if stated := gps.group(3) or gps.group(4):
            fields["satellites"] = float(stated)
        # A few write the latitude first, which shows where the other cannot be a latitude.
        if abs(latitude) > 90:
            longitude, latitude = latitude, longitude
    if latitude is None or longitude is None or not is_plausible(latitude, longitude):
        return None
    return latitude, longitude


def _focal(fields: dict[str, float], of_drone: float = float("nan")) -> float:
    """35 mm equivalent focal length in millimetres, NaN where unknown."""
    whole = fields.get("focal whole", np.nan)
    # Whole numbers from 20 mm on in tenths: no lens that writes millimetres is as long.
    focal = fields.get("focal", whole / 10 if whole >= _TENTHS else whole)
    if not _FOCALS_MM[0] <= focal <= _FOCALS_MM[1]:
        focal = of_drone
    zoom = fields.get("zoom", 1.0)
    zoom = zoom / 10000 if zoom >= _ZOOM_TEN_THOUSANDTHS else zoom
    return focal * zoom if zoom >= 1 else focal
