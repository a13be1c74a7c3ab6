"""The focal length of a photograph or film from what EXIF, or the drone's name, says of it."""

import math
from typing import Any

from aerial_depth_pipeline.capture.sources.drone_models import drone_in
from aerial_depth_pipeline.geometry.cameras import Camera

_FOCAL_MM, _FOCAL_35MM, _DIGITAL_ZOOM = 0x920A, 0xA405, 0xA404
_PLANE_RESOLUTION, _PLANE_UNIT, _TAKEN_WIDTH = 0xA20E, 0xA210, 0xA002
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# Diagonal of a 36 x 24 mm frame: the 35 mm equivalent compares diagonals (CIPA DCG-001).
_DIAGONAL_35MM = math.hypot(36.0, 24.0)
# From a phone's telephoto to medium format; outside of it a tag is wrong.
_SENSOR_WIDTHS_MM = (3.2, 60.0)
_SENSOR_DIAGONALS_MM = (2.5, 75.0)
_EQUIVALENTS_MM = (8.0, 1200.0)  # from a fisheye to the longest zoom that flies
_LARGEST_ZOOM = 30.0
_ALIKE = math.log(1.15)  # two statements of one focal length, which whole millimetres round


def number(value: Any) -> float | None:
    """A finite number of EXIF or XMP; None where it is none."""
    try:
        result = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def are_alike(one: float, other: float) -> bool:
    """Whether two focal lengths may be statements of the same one."""
    return abs(math.log(one / other)) < _ALIKE


def digital_zoom(details: Any) -> float:
    """The digital zoom of a photograph, 1 without any."""
    zoom = number(details.get(_DIGITAL_ZOOM)) or 1.0
    return zoom if 1 < zoom <= _LARGEST_ZOOM else 1.0


def focal_pixels(
    details: Any, model: str, long_side: int, short_side: int
) -> tuple[float | None, str]:
    """The focal length in pixels that the statements of EXIF agree on.

    The pitch of the sensor's pixels counts where nothing contradicts it, then the 35 mm
    equivalent, then the lens of the drone.

    Args:
        details: tags of the EXIF directory.
        model: what EXIF calls the camera.
        long_side: pixels of the image.
        short_side: the same.

    Returns:
        The focal length, None where nothing states one that can be; and what is wrong with what
        is stated, '' where nothing is.
    """
    zoom, focal_mm = digital_zoom(details), number(details.get(_FOCAL_MM))
    equivalent, doubt = _equivalent_mm(details, focal_mm)
    by_pitch = _focal_by_pitch(details, focal_mm, long_side)
    drone = drone_in(model)
    by_drone = _focal_from_35mm(drone[1], long_side, short_side) * zoom if drone else None
    by_pitch = by_pitch and by_pitch * zoom
    if equivalent is None:
        focal = by_pitch or by_drone
        return focal, "" if focal else doubt
    stated = _focal_from_35mm(equivalent, long_side, short_side)
    others = [focal for focal in (by_pitch, by_drone) if focal]
    # Some cameras state the equivalent with their digital zoom in it already.
    by_equivalent = stated if any(are_alike(stated, focal) for focal in others) else stated * zoom
    if not others or any(are_alike(by_equivalent, focal) for focal in others):
        is_finer = by_pitch is not None and are_alike(by_equivalent, by_pitch)
        return (by_pitch if is_finer else by_equivalent), ""
    if by_drone is None and by_pitch is not None and by_pitch > by_equivalent:
        return by_equivalent, ""  # the image was shrunk, and the sensor's resolution stayed
    if by_drone is not None and by_pitch is not None and are_alike(by_drone, by_pitch):
        return by_pitch, ""
    says = "the sensor's resolution" if drone is None else f"the lens of the {drone[0]}"
    return None, f"a 35 mm equivalent of {equivalent:g} mm, which contradicts {says}"


def _equivalent_mm(details: Any, focal_mm: float | None) -> tuple[float | None, str]:
    """The 35 mm equivalent, and what is wrong with it."""
    equivalent = number(details.get(_FOCAL_35MM))
    if not equivalent:  # 0 is EXIF's own 'unknown'
        return None, ""
    doubt = f"a 35 mm equivalent of {equivalent:g} mm"
    if not _EQUIVALENTS_MM[0] <= equivalent <= _EQUIVALENTS_MM[1]:
        return None, doubt
    if focal_mm and focal_mm > 0:
        diagonal = _DIAGONAL_35MM * focal_mm / equivalent
        if not _SENSOR_DIAGONALS_MM[0] <= diagonal <= _SENSOR_DIAGONALS_MM[1]:
            return None, f"{doubt} for a lens of {focal_mm:g} mm"
    return equivalent, ""


def _focal_by_pitch(details: Any, focal_mm: float | None, long_side: int) -> float | None:
    """Pixels, by the pitch of the sensor's pixels and the width that the photograph had when it
    was taken, as far as EXIF states it."""
    pitch, unit = number(details.get(_PLANE_RESOLUTION)), _UNIT_MM.get(details.get(_PLANE_UNIT, 2))
    if not focal_mm or not pitch or not unit or focal_mm <= 0 or pitch <= 0:
        return None
    taken = max(long_side, number(details.get(_TAKEN_WIDTH)) or 0.0)
    # A program that shrinks an image may leave the resolution as it was, which shows as a sensor
    # too small.
    if not _SENSOR_WIDTHS_MM[0] <= taken / pitch * unit <= _SENSOR_WIDTHS_MM[1]:
        return None
    return focal_mm * pitch / unit * long_side / taken


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
