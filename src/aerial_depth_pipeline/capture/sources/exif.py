"""What a photograph says about its camera and position in EXIF, and about its gimbal in XMP."""

import logging
import math
import re
import struct
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from aerial_depth_pipeline.capture.sources.focal_length import (
    are_alike,
    digital_zoom,
    focal_pixels,
    number,
)
from aerial_depth_pipeline.capture.sources.source import Fix
from aerial_depth_pipeline.geometry.cameras import Camera

logger = logging.getLogger(__name__)

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_MODEL, _ORIENTATION, _DATE_TIME, _SUBSECOND = 0x0110, 0x0112, 0x9003, 0x9291
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_SAMPLES, _TIFF_XMP = 0x100, 0x101, 0x102, 0x115, 0x2BC
# An attribute or an element
_XMP_VALUE = rb"drone-dji:%s\s*(?:=\s*[\"']|>)\s*([^\"'<]+)"
_XMP_BAND = rb"BandName\s*(?:=\s*[\"']|>)\s*([^\"'<]+|<rdf:(?:Seq|Bag)>.*?</rdf:)"
_INFRARED = "infrared"
_PANORAMA = b"equirectangular"
_CALIBRATION_PARAMETERS = 9
_DAMAGED = (ValueError, SyntaxError, OSError, TypeError, KeyError, OverflowError, MemoryError)


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
    model: str = ""  # the camera's name
    band: str = ""  # of light where it is one of several, e.g. `NIR`
    is_colour: bool = True
    is_deep: bool = False  # more than 8 bits a channel
    is_panorama: bool = False  # all around, as no camera with a focal length sees
    focal_doubt: str = ""  # what is stated of the focal length and cannot be
    fix_doubt: str = ""  # the same of the position

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


@dataclass
class _Header:
    """What is read of a file before anything is made of it."""

    width: int  # pixels as stored
    height: int
    channels: int
    is_deep: bool
    xmp: bytes
    tags: Any
    details: Any
    gps: Any


def read_exif(path: Path) -> Exif | None:
    """Read a photograph's header; None where the file is not an image. Damaged or absent tags are
    left out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own on damaged tags and large images
            header = _read_header(path)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    xmp, details, width, height = header.xmp, header.details, header.width, header.height
    model = str(header.tags.get(_MODEL, "")).strip("\0 ")
    focal, focal_doubt = focal_pixels(details, model, max(width, height), min(width, height))
    orientation = header.tags.get(_ORIENTATION, 1)
    # Of an image that is rotated upright angles and camera would have to be rotated as well.
    is_upright = orientation not in range(2, 9)
    # A digital zoom is another camera than the one that the maker calibrated.
    is_whole = is_upright and digital_zoom(details) == 1
    calibrated = _calibrated(xmp, width, height, focal) if is_whole else None
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    fix, fix_doubt = _fix(header.gps, xmp)
    band, is_infrared = _band(xmp)
    return Exif(
        width,
        height,
        focal,
        fix,
        _time(details),
        angles=_angles(xmp) if is_upright else None,
        above_start=_xmp_number(xmp, b"RelativeAltitude"),
        fix_deviation=_fix_deviation(xmp),
        calibrated=calibrated,
        model=model,
        band=band,
        is_colour=header.channels >= 3 and not band and not is_infrared,
        is_deep=header.is_deep,
        is_panorama=_PANORAMA in xmp,
        focal_doubt=focal_doubt,
        fix_doubt=fix_doubt,
    )


def _read_header(path: Path) -> _Header:
    try:
        with Image.open(path) as image:
            header = _header_of(image, path)
    except UnidentifiedImageError:
        header = _header_of_tiff(path)
    if not isinstance(header.xmp, bytes):
        header.xmp = str(header.xmp).encode()
    if min(header.width, header.height) < 1:
        raise ValueError("an image without pixels")
    return header


def _header_of(image: Any, path: Path) -> _Header:
    is_deep = image.mode[0] in "IF" or any(";16" in str(tile) for tile in image.tile)
    channels = len(image.getbands()) if image.mode != "P" else 3
    xmp = image.info.get("xmp", b"")
    width, height = image.size
    header = _Header(width, height, channels, is_deep, xmp, {}, {}, {})
    try:
        header.tags = tags = image.getexif()
        if image.format == "TIFF" and tags.get(_ORIENTATION) in (5, 6, 7, 8):
            header.width, header.height = image.size[::-1]  # Pillow has turned it already
        header.details, header.gps = tags.get_ifd(_EXIF_IFD), tags.get_ifd(_GPS_IFD)
    except _DAMAGED as error:
        logger.warning("EXIF of %s is damaged (%s) and not used.", path, error)
    return header


def _header_of_tiff(path: Path) -> _Header:
    """Of a TIFF whose pixels Pillow does not know: more than 8 bits of several channels."""
    tags = Image.Exif()
    try:
        with path.open("rb") as stream:
            if stream.read(4) not in (b"II*\0", b"MM\0*"):
                raise ValueError("no TIFF")
            stream.seek(0)
            tags.load_from_fp(stream)
            size = int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])
            bits, channels = tags.get(_TIFF_BITS, 8), int(tags.get(_TIFF_SAMPLES, 1))
            details, gps = tags.get_ifd(_EXIF_IFD), tags.get_ifd(_GPS_IFD)
    except (*_DAMAGED, struct.error) as error:
        raise ValueError(f"{path} is no TIFF that can be read") from error
    is_deep = max(bits) > 8 if isinstance(bits, tuple) else bits > 8
    return _Header(*size, channels, is_deep, tags.get(_TIFF_XMP, b""), tags, details, gps)


def _fix(gps: Any, xmp: bytes) -> tuple[Fix | None, str]:
    """The position of EXIF, else of XMP, and what is wrong with that of EXIF where neither can be
    used."""
    height = number(gps.get(6))
    if height is not None and gps.get(5) in (1, b"\x01"):
        height = -height
    latitude, longitude = (
        _degrees(gps.get(2), gps.get(1), "NS"),
        _degrees(gps.get(4), gps.get(3), "EW"),
    )
    doubt = ""
    if gps.get(2) is not None and gps.get(4) is not None and None in (latitude, longitude):
        doubt = "without N or S, E or W" if not (gps.get(1) and gps.get(3)) else "that cannot be"
    if latitude is None or longitude is None:
        latitude = _xmp_number(xmp, b"GpsLatitude")
        longitude = _xmp_number(xmp, b"GpsLongt?itude")
        height = _xmp_number(xmp, b"AbsoluteAltitude") if height is None else height
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None, doubt
    if latitude == 0 and longitude == 0:
        return None, ""  # what receivers without a fix write
    return Fix(latitude, longitude, math.nan if height is None else height), ""


def _degrees(value: Any, reference: Any, letters: str) -> float | None:
    """Signed degrees of up to three numbers; None without the letter of the hemisphere, unless a
    sign stands in its place."""
    try:
        parts = [number(part) for part in value]
    except TypeError:
        parts = [number(value)]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts) or not 1 <= len(known) <= 3:
        return None
    whole, minutes, seconds = (*known, 0.0, 0.0)[:3]
    if not (0 <= minutes <= 60 and 0 <= seconds <= 60):
        return None
    degrees = abs(whole) + minutes / 60 + seconds / 3600
    if degrees > (90 if letters == "NS" else 180):
        return None
    text = reference.decode("ascii", "replace") if isinstance(reference, bytes) else str(reference)
    letter = text.strip("\0 ").upper()[:1]
    if not letter or letter not in letters:
        return -degrees if whole < 0 else None
    return -degrees if letter == letters[1] or whole < 0 else degrees


def _band(xmp: bytes) -> tuple[str, bool]:
    """The band of light that a photograph shows where it is one of several, and whether it is
    infrared."""
    if (found := re.search(_XMP_BAND, xmp, re.DOTALL)) is not None:
        text = re.sub(r"<[^>]*>?", " ", found.group(1).decode("utf-8", "replace"))
        names = [name for name in re.split(r"[\s,]+", text) if name]
        if len(names) == 1:
            return names[0], False
    return "", _INFRARED in (_xmp_value(xmp, b"ImageSource") or "").lower()


def _xmp_value(xmp: bytes, name: bytes) -> str | None:
    """A value that DJI's drones write in XMP."""
    found = re.search(_XMP_VALUE % name, xmp)
    return None if found is None else found.group(1).decode("ascii", "replace").strip()


def _xmp_number(xmp: bytes, name: bytes) -> float | None:
    return number(_xmp_value(xmp, name))


def _fix_deviation(xmp: bytes) -> float | None:
    """Root mean square over the axes of the deviations that an RTK receiver states."""
    stated = [_xmp_number(xmp, b"RtkStd" + axis) for axis in (b"Lon", b"Lat", b"Hgt")]
    known = [deviation for deviation in stated if deviation is not None and deviation > 0]
    return math.hypot(*known) / math.sqrt(3) if len(known) == 3 else None


def _calibrated(xmp: bytes, width: int, height: int, focal: float | None) -> Camera | None:
    """The maker's calibration of an image that is not yet undistorted.

    `DewarpData` is a date and fx, fy, cx, cy, k1, k2, p1, p2, k3 in OpenCV's terms; the principal
    point counts from the designed one, which is the middle of the whole image. None where there is
    no such data or the image is no longer whole.
    """
    _, _, stated = (_xmp_value(xmp, b"DewarpData") or "").partition(";")
    numbers = [number(value) for value in stated.split(",")]
    if _xmp_number(xmp, b"DewarpFlag") != 0 or len(numbers) != _CALIBRATION_PARAMETERS:
        return None
    axes = (
        (b"CalibratedOpticalCenterX", width),
        (b"CalibratedOpticalCenterY", height),
    )
    for name, size in axes:
        centre = _xmp_number(xmp, name)
        if centre is not None and abs(centre - size / 2) > 1:
            return None
    is_size_known = all(_xmp_number(xmp, name) is not None for name, _ in axes)
    values = (math.nan if value is None else value for value in numbers)
    fx, fy, cx, cy, k1, k2, p1, p2, k3 = values
    if p1 == p2:  # some drones write one of them twice, which is worse than none
        p1 = p2 = 0.0
    params = (fx, fy, width / 2 + cx, height / 2 + cy, k1, k2, p1, p2, k3, 0.0, 0.0, 0.0)
    try:
        camera = Camera("FULL_OPENCV", width, height, params)
    except ValueError:
        return None
    # Where the size is not stated, an image that was shrunk shows by its focal length.
    return camera if is_size_known or not focal or are_alike(fx, focal) else None


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
