"""What a photograph says about its camera and position in EXIF, and about its gimbal in XMP."""

import logging
import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from aerial_depth_pipeline.capture.sources.drone_models import drone_in
from aerial_depth_pipeline.capture.sources.source import Fix
from aerial_depth_pipeline.geometry.cameras import Camera

logger = logging.getLogger(__name__)

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_MODEL, _ORIENTATION, _DATE_TIME, _SUBSECOND = 0x0110, 0x0112, 0x9003, 0x9291
_FOCAL_MM, _FOCAL_35MM, _DIGITAL_ZOOM = 0x920A, 0xA405, 0xA404
_PLANE_RESOLUTION, _PLANE_UNIT = 0xA20E, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# Diagonal of a 36 x 24 mm frame: the 35 mm equivalent compares diagonals (CIPA DCG-001).
_DIAGONAL_35MM = math.hypot(36.0, 24.0)
# An attribute or an element
_XMP_VALUE = rb"drone-dji:%s\s*(?:=\s*[\"']|>)\s*([^\"'<]+)"
_CALIBRATION_PARAMETERS = 9
# From a phone's telephoto to medium format; outside of it the tag is wrong.
_SENSOR_WIDTHS_MM = (3.2, 60.0)


@dataclass(frozen=True)
class Exif:
    """EXIF of one photograph."""

    width: int  # pixels of the upright image
    height: int
    focal: float | None  # pixels of the upright image
    fix: Fix | None
    time: float | None  # seconds since 1970 on the camera's clock
    angles: tuple[float, float] | None = None  # pitch and roll in degrees as in `up_of_gimbal`
    above_start: float | None = None  # height in metres above the place of departure
    fix_deviation: float | None = None  # of the fix along an axis, metres
    calibrated: Camera | None = None  # with distortion, as the drone's maker measured it

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


def read_exif(path: Path) -> Exif | None:
    """Read a photograph's header; None where the file is not an image. Damaged or absent tags are
    left out."""
    details: Any = {}
    gps: Any = {}
    orientation, model = 1, ""
    try:
        with Image.open(path) as image:
            width, height = image.size
            xmp = image.info.get("xmp", b"")
            try:
                tags = image.getexif()
                ifds = tags.get_ifd(_EXIF_IFD), tags.get_ifd(_GPS_IFD)
                orientation, model = tags.get(_ORIENTATION, 1), str(tags.get(_MODEL, ""))
                details, gps = ifds
            except (ValueError, SyntaxError, OSError, TypeError, KeyError) as error:
                logger.warning("EXIF of %s is damaged (%s) and not used.", path, error)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    focal = _focal_pixels(details, model, max(width, height), min(width, height))
    if focal is not None and (zoom := _number(details.get(_DIGITAL_ZOOM))) and zoom > 1:
        focal *= zoom
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    # Of an image that is rotated upright angles and camera would have to be rotated as well.
    is_upright = orientation in (0, 1)
    angles = _angles(xmp) if is_upright else None
    calibrated = _calibrated(xmp, width, height) if is_upright else None
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    above_start = _xmp_number(xmp, b"RelativeAltitude")
    fix, deviation = _fix(gps), _fix_deviation(xmp)
    time = _time(details)
    return Exif(width, height, focal, fix, time, angles, above_start, deviation, calibrated)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _focal_pixels(details: Any, model: str, long_side: int, short_side: int) -> float | None:
    """From the sensor's pixel pitch where it is plausible, else the 35 mm equivalent, else the
    drone."""
    focal_mm, pitch = _number(details.get(_FOCAL_MM)), _number(details.get(_PLANE_RESOLUTION))
    unit = _UNIT_MM.get(details.get(_PLANE_UNIT, 2))
    if focal_mm and pitch and unit and focal_mm > 0 and pitch > 0:
        # The pitch refers to the sensor; a program that shrank the image leaves it as it was, which
        # shows as a sensor too small.
        sensor_width = long_side / pitch * unit
        if _SENSOR_WIDTHS_MM[0] <= sensor_width <= _SENSOR_WIDTHS_MM[1]:
            return focal_mm * pitch / unit
    equivalent = _number(details.get(_FOCAL_35MM))
    if not equivalent and (drone := drone_in(model)):
        equivalent = drone[1]
    if equivalent and equivalent > 0:
        return _focal_from_35mm(equivalent, long_side, short_side)
    return None


def _focal_from_35mm(equivalent_mm: float, long_side: int, short_side: int) -> float:
    # The equivalent is that of the whole sensor, 4:3 or 3:2. A wider image (16:9) is a strip of the
    # same width, so the diagonal is taken of the 4:3 image of that width.
    is_strip = long_side / short_side > 1.6
    full_short_side = max(short_side, 3 * long_side / 4) if is_strip else short_side
    return equivalent_mm * math.hypot(long_side, full_short_side) / _DIAGONAL_35MM


def camera_from_35mm(equivalent_mm: float, width: int, height: int) -> Camera:
    """The camera of an upright image with this 35 mm equivalent focal length in mm."""
    focal = _focal_from_35mm(equivalent_mm, max(width, height), min(width, height))
    return centred_pinhole(focal, width, height)


def centred_pinhole(focal: float, width: int, height: int) -> Camera:
    """The pinhole camera with its principal point in the image's middle; pixels."""
    return Camera.pinhole(width, height, focal, focal, width / 2, height / 2)


def _fix(gps: Any) -> Fix | None:
    latitude = _degrees(gps.get(2), gps.get(1), "S")
    longitude = _degrees(gps.get(4), gps.get(3), "W")
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    if latitude == 0 and longitude == 0:
        return None  # what receivers without a fix write
    altitude = _number(gps.get(6))
    altitude = math.nan if altitude is None else altitude
    below = gps.get(5) in (1, b"\x01")
    return Fix(latitude, longitude, -altitude if below else altitude)


def _degrees(value: Any, reference: Any, negative: str) -> float | None:
    try:
        whole, minutes, seconds = (_number(part) for part in value)
    except (TypeError, ValueError):
        return None
    if whole is None or minutes is None or seconds is None:
        return None
    degrees = whole + minutes / 60 + seconds / 3600
    return -degrees if str(reference).upper().startswith(negative) else degrees


def _xmp_value(xmp: bytes, name: bytes) -> str | None:
    """A value that DJI's drones write in XMP."""
    found = re.search(_XMP_VALUE % name, xmp)
    return None if found is None else found.group(1).decode("ascii", "replace").strip()


def _xmp_number(xmp: bytes, name: bytes) -> float | None:
    return _number(_xmp_value(xmp, name))


def _fix_deviation(xmp: bytes) -> float | None:
    """Root mean square over the axes of the deviations that an RTK receiver states."""
    stated = [_xmp_number(xmp, b"RtkStd" + axis) for axis in (b"Lon", b"Lat", b"Hgt")]
    known = [deviation for deviation in stated if deviation is not None and deviation > 0]
    return math.hypot(*known) / math.sqrt(3) if len(known) == 3 else None


def _calibrated(xmp: bytes, width: int, height: int) -> Camera | None:
    """The maker's calibration of an image that is not yet undistorted.

    `DewarpData` is a date and fx, fy, cx, cy, k1, k2, p1, p2, k3 in OpenCV's terms; the principal
    point counts from the designed one, which is the middle of the whole image. None where there is
    no such data or the image is no longer whole.
    """
    _, _, stated = (_xmp_value(xmp, b"DewarpData") or "").partition(";")
    numbers = [_number(value) for value in stated.split(",")]
    if _xmp_number(xmp, b"DewarpFlag") != 0 or len(numbers) != _CALIBRATION_PARAMETERS:
        return None
    axes = (b"CalibratedOpticalCenterX", width), (b"CalibratedOpticalCenterY", height)
    for name, size in axes:
        centre = _xmp_number(xmp, name)
        if centre is not None and abs(centre - size / 2) > 1:
            return None
    values = (math.nan if number is None else number for number in numbers)
    fx, fy, cx, cy, k1, k2, p1, p2, k3 = values
    if p1 == p2:  # some drones write one of them twice, which is worse than none
        p1 = p2 = 0.0
    params = (fx, fy, width / 2 + cx, height / 2 + cy, k1, k2, p1, p2, k3, 0.0, 0.0, 0.0)
    try:
        return Camera("FULL_OPENCV", width, height, params)
    except ValueError:
        return None


def _angles(xmp: bytes) -> tuple[float, float] | None:
    """Pitch and roll of the gimbal in degrees; without a roll they are level."""
    pitch = _xmp_number(xmp, b"GimbalPitchDegree")
    return None if pitch is None else (pitch, _xmp_number(xmp, b"GimbalRollDegree") or 0.0)


def _time(details: Any) -> float | None:
    try:
        moment = datetime.strptime(str(details[_DATE_TIME]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except (KeyError, ValueError):
        return None
    fraction = str(details.get(_SUBSECOND, "")).strip("\0 ")
    # Only differences between photographs count, so the unknown time zone does not matter.
    seconds = (moment - datetime(1970, 1, 1)).total_seconds()
    return seconds + (float(f"0.{fraction}") if fraction.isdigit() else 0.0)
