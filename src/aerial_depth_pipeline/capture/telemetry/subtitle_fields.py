"""What one entry of a drone's subtitles says, in the makers' dialects."""

import re

import numpy as np

from aerial_depth_pipeline.capture.telemetry.notation import FEET, as_number, in_parentheses
from aerial_depth_pipeline.capture.telemetry.telemetry import Datum

Fields = dict[str, float]
"""By name as in `_FIELDS`, and of `GPS()`: `first`, `second` (numbers whose order only the whole
file tells), `satellites` (a height)."""

_DIGITS = r"[-+]?\d+(?:[.,]\d+)?(?![\d.])"
_NUMBER = rf"({_DIGITS})"
_IS = r"\"?\s*[:=]\s*\"?\s*"
_LENGTH = rf"{_NUMBER}\s*(ft\b|feet\b)?"
_POLE = r"\s*°?\s*([NSEW]\b)?"
_FIELDS = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        # [latitude: 44.05] [longitude: -123.06] [rel_alt: 75.2 abs_alt: 204.3]; some firmware
        # writes longtitude, or a blank before a colon; other makers lat, lon or lng
        "latitude": rf"\blat(?:itude)?{_IS}{_NUMBER}{_POLE}",
        "longitude": rf"\b(?:longt?itude|lon|lng|long){_IS}{_NUMBER}{_POLE}",
        "relative": rf"\b(?:rel|relative)[_ ]?alt(?:itude)?{_IS}{_LENGTH}",
        "absolute": rf"\b(?:abs(?:olute)?[_ ]?alt(?:itude)?|(?:alt_)?a?msl){_IS}{_LENGTH}",
        "altitude": rf"(?<!relative )(?<!absolute )\balt(?:itude)?{_IS}{_LENGTH}",
        # BAROMETER:1.9, BAROMETER:1.9M and BAROMETER(1.9); Hb:1.9 of the oldest
        "barometer": rf"\b(?:BAROMETER|Hb)\s*[:(]?\s*{_LENGTH}",
        # GPS (120.35, 23.12, 26), D 499.16m, H 98.00m
        "height": rf"(?<![\w.])H\s*:?\s*{_NUMBER}\s*(?:m\b|(ft\b|feet\b))",
        # Millimetres where there is a decimal point; some firmware writes whole tenths
        "focal": rf"\bfocal_len(?:gth)?{_IS}(\d+[.,]\d+)",
        "focal whole": rf"\bfocal_len(?:gth)?{_IS}(\d+)(?![\d.,])",
        # [dzoom_ratio: 1.50], [dzoom_ratio: 15000, delta:0] and DZOOM 1.500
        "zoom": rf"\b(?:dzoom_ratio\s*:|DZOOM)\s*{_NUMBER}",
        # [gb_yaw: -31.9 gb_pitch: -45.0 gb_roll: 0.0] of the newer ones
        "pitch": rf"\b(?:gb|gimbal)[_ .]?pitch{_IS}{_NUMBER}",
        "roll": rf"\b(?:gb|gimbal)[_ .]?roll{_IS}{_NUMBER}",
        "yaw": rf"\b(?:gb|gimbal)[_ .]?yaw{_IS}{_NUMBER}",
    }.items()
}
# GPS(149.02,-20.25,16), GPS(36.61,-6.11,0.0M), GPS(E:149.02,S:20.25,31.5m) and G.PRY (-24.4°, ...)
_GPS = re.compile(r"\bGPS\s*:?\s*\(([^()]*)\)", re.IGNORECASE)
_GIMBAL = re.compile(r"\bG\.PRY\s*:?\s*\(([^()]*)\)", re.IGNORECASE)
_PART = re.compile(rf"([NSEW])?\s*:?\s*{_NUMBER}\s*°?\s*([NSEW])?\s*(m|ft|feet)?", re.IGNORECASE)
_TENTHS, _ZOOM_TEN_THOUSANDTHS = 200, 1000
_FOCALS_MM, _MOST_ZOOM = (8, 2000), 100
DATUMS: dict[str, Datum | None] = {
    "relative": "start",
    "barometer": "start",
    "height": "start",
    "absolute": "sea",
    "altitude": "sea",
    "satellites": "sea",
    "stated": None,  # in GPS() of makers who do not say what it counts from
}
"""What heights count from, the steadiest first: above the start it is the barometer's."""


def read_fields(text: str) -> Fields:
    """What an entry says; a number at its very end without a blank may be cut off and does not
    count."""
    fields: Fields = {}
    for name, pattern in _FIELDS.items():
        if (match := pattern.search(text)) and match.end(1) < len(text):
            value, unit = as_number(match[1]), match[2] if pattern.groups > 1 else None
            if unit and unit.upper() in ("S", "W"):
                value = -abs(value)
            fields[name] = value * FEET if unit and unit[0] in "fF" else value
    if (match := _GIMBAL.search(text)) and len(parts := in_parentheses(match[1])) == 3:
        angles = [_PART.fullmatch(part) for part in parts]
        named = zip(("pitch", "roll", "yaw"), angles, strict=True)
        fields |= {name: as_number(angle[2]) for name, angle in named if angle}
    if (match := _GPS.search(text)) and not {"latitude", "longitude"} <= fields.keys():
        fields |= _gps(match[1])
    return fields


def _gps(inside: str) -> Fields:
    """What stands in the parentheses of GPS(): nothing where it is not understood."""
    parts = [_PART.fullmatch(part) for part in in_parentheses(inside)]
    if len(parts) not in (2, 3) or parts[0] is None or parts[1] is None:
        return {}
    fields: Fields = {}
    for order, part in zip(("first", "second"), (parts[0], parts[1]), strict=True):
        pole, value = (part[1] or part[3] or "").upper(), as_number(part[2])
        name = {"N": "latitude", "S": "latitude", "": order}.get(pole, "longitude")
        fields[name] = -abs(value) if pole in ("S", "W") else value
    # With a unit or decimals the third number is a height, else a count of satellites.
    if len(parts) == 3 and (third := parts[2]) and (third[4] or re.search(r"[.,]", third[2])):
        stated = "stated" if {"latitude", "longitude"} <= fields.keys() else "satellites"
        factor = FEET if third[4] and third[4][0] in "fF" else 1.0
        fields[stated] = as_number(third[2]) * factor
    return fields


def places(entries: list[Fields]) -> np.ndarray:
    """Latitude and longitude [N, 2] of all entries of a file, as stated; NaN where they are not.

    In `GPS()` the longitude stands first where a count of satellites follows (Mavic Pro, Phantom),
    the latitude where a height does (Matrice 300, Avata 2); numbers that cannot be a latitude
    overrule this.
    """
    names = ("first", "second", "latitude", "longitude")
    stated = [[entry.get(name, np.nan) for name in names] for entry in entries]
    first, second, latitude, longitude = np.array(stated).reshape(-1, len(names)).T
    votes = np.sum(np.abs(second) > 90) - np.sum(np.abs(first) > 90)
    if votes == 0:
        heights = sum("satellites" in entry for entry in entries)
        votes = 2 * heights - np.isfinite(first).sum()
    if votes <= 0:
        first, second = second, first
    named = np.isfinite(latitude) & np.isfinite(longitude)
    return np.stack([np.where(named, latitude, first), np.where(named, longitude, second)], 1)


def focal_35mm(fields: Fields, of_drone: float = float("nan")) -> float:
    """35 mm equivalent focal length in millimetres, NaN where unknown."""
    whole = fields.get("focal whole", np.nan)
    # Whole numbers from 20 mm on in tenths: no lens that writes millimetres is as long.
    focal = fields.get("focal", whole / 10 if whole >= _TENTHS else whole)
    if not _FOCALS_MM[0] <= focal <= _FOCALS_MM[1]:
        focal = of_drone
    zoom = fields.get("zoom", 1.0)
    zoom = zoom / 10000 if zoom >= _ZOOM_TEN_THOUSANDTHS else zoom
    return focal * zoom if 1 <= zoom <= _MOST_ZOOM else focal
