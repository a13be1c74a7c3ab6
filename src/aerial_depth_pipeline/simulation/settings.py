"""Settings of a simulated flight. Imports nothing heavy: the configuration is checked with them."""

from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings


class FlightSettings(Settings):
    """One flight over one simulated world. The same settings give the same world, the same path and
    the same depth, bit for bit."""

    world: Literal["town", "countryside", "orthophoto"] = "town"
    """`town` and `countryside` are invented from `world_seed`; `orthophoto` is a real place: a
    photograph over its surface model."""
    world_seed: int = Field(0, ge=0)
    """Which town or countryside it is. Flights that share it fly over the same place."""
    orthophoto: str | None = None
    """GeoTIFFs (paths) for `world: orthophoto`; they are cut to `orthophoto_extent` metres around
    the middle of their overlap."""
    surface_model: str | None = None
    """GeoTIFFs (paths) for `world: orthophoto`; they are cut to `orthophoto_extent` metres around
    the middle of their overlap."""
    orthophoto_extent: float = Field(800.0, gt=0)
    """Side of the square that is cut out of an orthophoto, metres."""
    height_unit: float = Field(1.0, gt=0)
    """Metres per unit of the surface model's heights (0.3048 for feet)."""
    moving_vehicles: int = Field(0, ge=0)
    """How many vehicles drive on the roads while the camera flies (0: the world stands still)."""
    sun_elevation: float | None = Field(None, gt=0, le=90)
    """Where the sun stands, degrees above the horizon and clockwise from north; None draws it."""
    sun_azimuth: float | None = None
    """Where the sun stands, degrees above the horizon and clockwise from north; None draws it."""
    visibility: float = Field(2500.0, gt=0)
    """Distance in metres at which haze has swallowed 95 % of the contrast."""
    path: Literal["orbit", "strip", "free"] = "orbit"
    """`orbit` circles around a point and looks inwards; `strip` flies parallel legs and looks
    ahead; `free` wanders."""
    seed: int = Field(0, ge=0)
    """Wind, drift, noise, and where the flight starts."""
    frames: int = Field(100, gt=0)
    """Length of the flight."""
    fps: float = Field(15.0, gt=0)
    """Frames per second of the video."""
    altitude: float = Field(55.0, gt=0)
    """Metres above the ground, on average."""
    altitude_change: float = Field(14.0, ge=0)
    """The altitude swings by at most so many metres along the flight and from flight to flight."""
    pitch: float = Field(36.0, gt=0, le=90)
    """Degrees that the camera looks down from the horizon, on average; 90 is nadir."""
    pitch_change: float = Field(9.0, ge=0)
    """The pitch swings by at most so many degrees along the flight and from flight to flight."""
    orbit_step: float = 1.8
    """Degrees of the circle per frame (`orbit`)."""
    step: float = Field(1.2, ge=0)
    """Metres per frame (`strip`, `free`)."""
    leg_length: float = Field(150.0, gt=0)
    """Metres (`strip`)."""
    leg_spacing: float = Field(30.0, gt=0)
    """Metres (`strip`)."""
    wind: float = Field(1.0, ge=0)
    """Strength of the gusts: 1 moves the camera by about 0.15 m and turns it by about 0.3 degrees;
    0 is still air."""
    clearance: float = Field(5.0, ge=0)
    """The flight is refused where a surface comes nearer to the camera than so many metres."""
    width: int = Field(384, gt=0)
    """Size of the video in pixels."""
    height: int = Field(224, gt=0)
    """Size of the video in pixels."""
    field_of_view: float = Field(65.0, ge=10, le=120)
    """Horizontal, degrees."""
    exposure_drift: float = Field(0.05, ge=0)
    """How far the brightness swings along the flight, as a share."""
    noise: float = Field(1.5, ge=0)
    """Standard deviation of the sensor's noise in grey levels of 255, at mid grey."""
    depth_every: int = Field(5, gt=0)
    """Exact depth is written for every so many-th frame."""
    gps_noise: float = Field(0.4, ge=0)
    """Standard deviation of the positions in the SRT, metres."""
    latitude: float = Field(47.05, ge=-89, le=89)
    """Where the world's origin lies: degrees and metres. An orthophoto brings its own place."""
    longitude: float = Field(8.31, ge=-180, le=180)
    """Where the world's origin lies: degrees and metres. An orthophoto brings its own place."""
    ground_altitude: float = 430.0
    """Where the world's origin lies: degrees and metres. An orthophoto brings its own place."""
    workers: int = Field(0, ge=0)
    """Processes that render; 0 takes all cores. The result does not depend on it."""

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
