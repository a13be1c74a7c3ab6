"""Settings of a simulated flight. Imports nothing heavy: the configuration is checked with them."""

from typing import Annotated, Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Mark, Rules, Settings


class FlightSettings(Settings):
    """One flight over one simulated world. The same settings give the same world, the same path and
    the same depth, bit for bit."""

    world: Literal["town", "countryside", "orthophoto"] = "town"
    """`town`, `countryside`: made from `world_seed`; `orthophoto`: with its surface model."""
    world_seed: int = Field(0, ge=0)
    """Seed of the world; flights that share it fly over the same place."""
    orthophoto: str | None = None
    """GeoTIFF of `world: orthophoto`."""
    surface_model: str | None = None
    """GeoTIFF of its heights."""
    orthophoto_extent: float = Field(800.0, gt=0)
    """Side of the square around the middle of their overlap, metres."""
    height_unit: float = Field(1.0, gt=0)
    """Metres per unit of the surface model (0.3048 for feet)."""
    moving_vehicles: int = Field(0, ge=0)
    """Vehicles that drive on the roads."""
    sun_elevation: float | None = Field(None, gt=0, le=90)
    """Sun above the horizon, degrees; null for random."""
    sun_azimuth: float | None = None
    """Sun clockwise from north, degrees; null for random."""
    visibility: float = Field(2500.0, gt=0)
    """Distance at which haze has swallowed 95 % of the contrast, metres."""
    path: Literal["orbit", "strip", "free"] = "orbit"
    """`orbit` circles and looks inwards; `strip` flies parallel legs; `free` wanders."""
    seed: int = Field(0, ge=0)
    """Seed of wind, drift, noise and the start."""
    frames: int = Field(100, gt=0)
    """Length of the flight in frames."""
    fps: float = Field(15.0, gt=0)
    """Frames per second of the video."""
    altitude: float = Field(55.0, gt=0)
    """Mean height above the ground, metres."""
    altitude_change: float = Field(14.0, ge=0)
    """Largest swing of the height along the flight and between flights, metres."""
    pitch: float = Field(36.0, gt=0, le=90)
    """Mean angle of the camera below the horizon, degrees; 90 is nadir."""
    pitch_change: float = Field(9.0, ge=0)
    """Largest swing of the pitch along the flight and between flights, degrees."""
    orbit_step: float = 1.8
    """Degrees of the circle per frame (`orbit`)."""
    step: float = Field(1.2, ge=0)
    """Metres per frame (`strip`, `free`)."""
    leg_length: float = Field(150.0, gt=0)
    """Length of a leg, metres (`strip`)."""
    leg_spacing: float = Field(30.0, gt=0)
    """Distance between legs, metres (`strip`)."""
    wind: float = Field(1.0, ge=0)
    """Gusts: 1 moves the camera by about 0.15 m and rotates it by 0.3 degrees; 0: none."""
    clearance: float = Field(5.0, ge=0)
    """Smallest distance of camera and surface; a nearer flight is refused, metres."""
    width: int = Field(384, gt=0)
    """Width of the video in pixels."""
    height: int = Field(224, gt=0)
    """Height of the video in pixels."""
    field_of_view: float = Field(65.0, ge=10, le=120)
    """Horizontal field of view, degrees."""
    exposure_drift: float = Field(0.05, ge=0)
    """Swing of the brightness along the flight, as a share."""
    noise: float = Field(1.5, ge=0)
    """Standard deviation of sensor noise at mid grey, grey levels of 255."""
    depth_every: int = Field(5, gt=0)
    """Exact depth of every n-th frame is written."""
    gps_noise: float = Field(0.4, ge=0)
    """Standard deviation of the positions in the SRT, metres."""
    latitude: float = Field(47.05, ge=-89, le=89)
    """Latitude of the world's origin, degrees; an orthophoto brings its own."""
    longitude: float = Field(8.31, ge=-180, le=180)
    """Longitude of the origin of town 0, degrees; other worlds lie 0.05° apart, each at its own
    place."""
    ground_altitude: float = 430.0
    """Altitude of the world's origin, metres."""
    workers: Annotated[int, Mark.NO_EFFECT] = Field(0, ge=0)
    """Rendering processes; 0 for all cores."""

    def _rules(self) -> Rules:
        yield (
            self.width % 2 == 0 and self.height % 2 == 0,
            f"width and height must be even, as H.264 wants them, not {self.width}x{self.height}",
        )
        yield (
            self.altitude_change < self.altitude,
            f"altitude_change ({self.altitude_change}) must be smaller than altitude"
            f" ({self.altitude})",
        )
        yield (
            self.world != "orthophoto" or (self.orthophoto and self.surface_model),
            "world 'orthophoto' needs the paths of two GeoTIFFs: orthophoto and surface_model",
        )
