"""Latitude, longitude and altitude on the WGS 84 ellipsoid, and metres about a place."""

import numpy as np

Geographic = tuple[float, float, float]
"""Latitude and longitude in degrees, altitude in metres."""

_EQUATOR = 6378137.0
_ECCENTRICITY_SQUARED = 6.69437999014e-3


def local_metres(position_N3: np.ndarray, origin: Geographic) -> np.ndarray:
    """East, north and up [N, 3] in metres about `origin`, of latitude, longitude (degrees) and
    altitude (metres); exact, through earth-centred coordinates."""
    center = _earth_centred(np.array([origin]))[0]
    difference = _earth_centred(np.asarray(position_N3, float)) - center
    latitude, longitude = np.radians(origin[0]), np.radians(origin[1])
    sin_lat, cos_lat = float(np.sin(latitude)), float(np.cos(latitude))
    sin_lon, cos_lon = float(np.sin(longitude)), float(np.cos(longitude))
    east = [-sin_lon, cos_lon, 0.0]
    north = [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat]
    up = [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
    return difference @ np.array([east, north, up]).T


def to_geographic(local_N3: np.ndarray, origin: Geographic) -> np.ndarray:
    """Latitude, longitude (degrees) and altitude (metres) [N, 3] of local metres east, north, up,
    near the origin."""
    latitude, longitude, altitude = origin
    curvature = 1 - _ECCENTRICITY_SQUARED * np.sin(np.radians(latitude)) ** 2
    across = _EQUATOR / np.sqrt(curvature)
    along = across * (1 - _ECCENTRICITY_SQUARED) / curvature
    north = np.degrees(local_N3[:, 1] / (along + altitude))
    east = np.degrees(local_N3[:, 0] / ((across + altitude) * np.cos(np.radians(latitude))))
    return np.stack([latitude + north, longitude + east, altitude + local_N3[:, 2]], -1)


def _earth_centred(position_N3: np.ndarray) -> np.ndarray:
    latitude, longitude = np.radians(position_N3[:, 0]), np.radians(position_N3[:, 1])
    height = position_N3[:, 2]
    normal = _EQUATOR / np.sqrt(1 - _ECCENTRICITY_SQUARED * np.sin(latitude) ** 2)
    x = (normal + height) * np.cos(latitude) * np.cos(longitude)
    y = (normal + height) * np.cos(latitude) * np.sin(longitude)
    return np.stack([x, y, (normal * (1 - _ECCENTRICITY_SQUARED) + height) * np.sin(latitude)], 1)
