"""A world: triangles, their textures, the sun and the air. `build_world` makes the one that the
settings name."""

from dataclasses import dataclass, field

import numpy as np

from aerial_depth_pipeline.simulation.meshes import Mesh
from aerial_depth_pipeline.simulation.settings import FlightSettings
from aerial_depth_pipeline.simulation.textures import Texture

_BETWEEN_WORLDS = 0.05  # degrees of longitude, a multiple of those in which telemetry is written


@dataclass
class World:
    """Everything a camera can see, in metres, x east, y north, z up.

    Attributes:
        mesh: the triangles that stand still.
        textures: what they wear.
        half: the camera may fly in the square from -half to +half.
        sun_3: unit vector toward the sun.
        haze_rgb: colour of the air at the horizon, linear light.
        visibility: metres.
        origin: latitude, longitude (degrees) and altitude (metres) of the world's (0, 0, 0).
        sunlit: whether the sun is to shine; a photograph has its light in it already.
        roads: polylines [K, 3] that moving vehicles follow.
    """

    mesh: Mesh
    textures: list[Texture]
    half: float
    sun_3: np.ndarray
    haze_rgb: np.ndarray
    visibility: float
    origin: tuple[float, float, float]
    sunlit: bool = True
    roads: list[np.ndarray] = field(default_factory=list)


def build_world(settings: FlightSettings) -> World:
    """Build the world that the settings name.

    Raises:
        UserError: where an orthophoto or its surface model is missing or does not fit.
    """
    if settings.world == "town":
        from aerial_depth_pipeline.simulation.town import build_town

        mesh, textures, half, roads = build_town(settings.world_seed)
        origin = place_of(settings)
    elif settings.world == "countryside":
        from aerial_depth_pipeline.simulation.countryside import build_countryside

        mesh, textures, half, roads = build_countryside(settings.world_seed)
        origin = place_of(settings)
    else:
        from aerial_depth_pipeline.simulation.orthophoto import build_orthophoto

        mesh, textures, half, origin = build_orthophoto(
            settings.orthophoto or "",
            settings.surface_model or "",
            settings.orthophoto_extent,
            settings.height_unit,
        )
        roads = []
    rng = np.random.default_rng([settings.world_seed, 3])
    elevation = rng.uniform(32, 62) if settings.sun_elevation is None else settings.sun_elevation
    azimuth = rng.uniform(100, 260) if settings.sun_azimuth is None else settings.sun_azimuth
    elevation, azimuth = np.radians(elevation), np.radians(azimuth)
    sun = np.array(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.cos(elevation) * np.cos(azimuth),
            np.sin(elevation),
        ]
    )
    haze = np.array([0.56, 0.63, 0.72]) * rng.uniform(0.9, 1.1)
    return World(
        mesh,
        textures,
        half,
        sun,
        haze,
        settings.visibility,
        origin,
        settings.world != "orthophoto",
        roads,
    )


def place_of(settings: FlightSettings) -> tuple[float, float, float]:
    """Latitude, longitude (degrees) and altitude (metres) of a world's origin. Every town and
    countryside has a place of its own: flights over different worlds share no ground."""
    number = settings.world_seed if settings.world == "town" else -1 - settings.world_seed
    longitude = (settings.longitude + number * _BETWEEN_WORLDS + 180) % 360 - 180
    return settings.latitude, longitude, settings.ground_altitude
