"""How files of telemetry write texts, numbers and places."""

import re
from pathlib import Path

import numpy as np

FEET = 0.3048
HIGHEST = 10_000.0  # metres
_NULL_ISLAND = 1e-4  # degrees; receivers without a fix write zeros
_LARGEST_RADIANS = np.array([np.pi / 2, np.pi])


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 or UTF-16; whatever ends a line is a newline.

    Raises:
        ValueError: where the file is empty or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read ({error.strerror}).") from error
    if not data.strip(b"\0 \r\n\t"):
        raise ValueError(f"{path.name} is empty; copy it again from the drone.")
    encoding = "utf-8"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in data[1:200:2]:
        encoding = "utf-16-le"
    elif b"\0" in data[:200:2]:
        encoding = "utf-16-be"
    text = data.decode(encoding, errors="replace").lstrip("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_number(text: str) -> float:
    """A number with a decimal point or comma."""
    return float(text.replace(",", "."))


def is_place(latitude_N: np.ndarray, longitude_N: np.ndarray) -> np.ndarray:
    """Whether these degrees are a place [N]; zero, zero is what receivers without a fix write."""
    latitude_N, longitude_N = np.abs(latitude_N), np.abs(longitude_N)
    fixed = (latitude_N > _NULL_ISLAND) | (longitude_N > _NULL_ISLAND)
    return (latitude_N <= 90) & (longitude_N <= 180) & fixed


def as_places(name: str, stated_N2: np.ndarray, radians: bool) -> tuple[np.ndarray, list[str]]:
    """Latitude and longitude [N, 2] in degrees, the longitude without a jump at the date line and
    NaN where there is no place; sentences about the file of this name.

    Args:
        name: of the file.
        stated_N2: as it states them.
        radians: whether it says that they are radians.
    """
    places_N2, warnings = np.array(stated_N2, float).reshape(-1, 2), []
    places_N2[~is_place(*places_N2.T)] = np.nan
    known = np.isfinite(places_N2).all(1)
    # So near to zero, zero there is only the sea.
    if not radians and known.any() and (np.abs(places_N2[known]) <= _LARGEST_RADIANS).all():
        radians = True
        warnings = [
            f"The latitudes and longitudes in {name} are taken for radians: in degrees they lie in"
            " the Gulf of Guinea."
        ]
    if radians:
        places_N2 = np.degrees(places_N2)
    places_N2[known, 1] = np.unwrap(places_N2[known, 1], period=360)
    return places_N2, warnings


def within(limit: float, values: np.ndarray) -> np.ndarray:
    """The values, NaN where one is larger than can be."""
    return np.where(np.abs(values) <= limit, values, np.nan)


def in_parentheses(text: str) -> list[str]:
    """The parts of a list such as `8.5,47.25,16`, `8,5, 47,25, 16` or `E:8,5;N:47,25`; a comma
    is a decimal one where the parts are set apart by more than a comma."""
    if ";" in text:
        return [part.strip() for part in text.split(";")]
    parts = re.split(r",\s+", text.strip())
    if len(parts) > 1 and not any("." in part and "," in part for part in parts):
        return parts
    parts = text.split(",")
    # 8,5,47,25,16 of firmware that writes its numbers in the user's language
    if "." not in text and len(parts) >= 4:
        parts = [",".join(parts[i : i + 2]) for i in range(0, len(parts), 2)]
    return [part.strip() for part in parts]
