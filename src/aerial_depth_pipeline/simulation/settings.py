"""Settings of a simulated flight. Imports nothing heavy: the configuration is checked with them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class FlightSettings:
    """One flight over one simulated world. The same settings give the same world, the same path and
    the same depth, bit for bit.

    The world:
        world: `town` and `countryside` are invented from `world_seed`; `orthophoto` is a real
            place: a photograph over its surface model.
        world_seed: which town or countryside it is. Flights that share it fly over the same place.
        orthophoto, surface_model: GeoTIFFs (paths) for `world: orthophoto`; they are cut to
            `orthophoto_extent` metres around the middle of their overlap.
        orthophoto_extent: side of the square that is cut out of an orthophoto, metres.
        height_unit: metres per unit of the surface model's heights (0.3048 for feet).
        moving_vehicles: how many vehicles drive on the roads while the camera flies (0: the world
            stands still).
        sun_elevation, sun_azimuth: where the sun stands, degrees above the horizon and clockwise
            from north; None draws it.
        visibility: distance in metres at which haze has swallowed 95 % of the contrast.

    The path:
        path: `orbit` circles around a point and looks inwards; `strip` flies parallel legs and
            looks ahead; `free` wanders.
        seed: wind, drift, noise, and where the flight starts.
        frames: length of the flight.
        fps: frames per second of the video.
        altitude: metres above the ground, on average.
        altitude_change: the altitude swings by at most so many metres along the flight and from
            flight to flight.
        pitch: degrees that the camera looks down from the horizon, on average; 90 is nadir.
        pitch_change: the pitch swings by at most so many degrees along the flight and from flight
            to flight.
        orbit_step: degrees of the circle per frame (`orbit`).
        step: metres per frame (`strip`, `free`).
        leg_length, leg_spacing: metres (`strip`).
        wind: strength of the gusts: 1 moves the camera by about 0.15 m and turns it by about 0.3
            degrees; 0 is still air.
        clearance: the flight is refused where a surface comes nearer to the camera than so many
            metres.

    The camera:
        width, height: size of the video in pixels.
        field_of_view: horizontal, degrees.
        exposure_drift: how far the brightness swings along the flight, as a share.
        noise: standard deviation of the sensor's noise in grey levels of 255, at mid grey.

    The files:
        depth_every: exact depth is written for every so many-th frame.
        gps_noise: standard deviation of the positions in the SRT, metres.
        latitude, longitude, ground_altitude: where the world's origin lies: degrees and metres. An
            orthophoto brings its own place.
        workers: processes that render; 0 takes all cores. The result does not depend on it.
    """

    world: Literal["town", "countryside", "orthophoto"] = "town"
    world_seed: int = 0
    orthophoto: str | None = None
    surface_model: str | None = None
    orthophoto_extent: float = 800.0
    height_unit: float = 1.0
    moving_vehicles: int = 0
    sun_elevation: float | None = None
    sun_azimuth: float | None = None
    visibility: float = 2500.0
    path: Literal["orbit", "strip", "free"] = "orbit"
    seed: int = 0
    frames: int = 100
    fps: float = 15.0
    altitude: float = 55.0
    altitude_change: float = 14.0
    pitch: float = 36.0
    pitch_change: float = 9.0
    orbit_step: float = 1.8
    step: float = 1.2
    leg_length: float = 150.0
    leg_spacing: float = 30.0
    wind: float = 1.0
    clearance: float = 5.0
    width: int = 384
    height: int = 224
    field_of_view: float = 65.0
    exposure_drift: float = 0.05
    noise: float = 1.5
    depth_every: int = 5
    gps_noise: float = 0.4
    latitude: float = 47.05
    longitude: float = 8.31
    ground_altitude: float = 430.0
    workers: int = 0

    def __post_init__(self) -> None:
        positive = (
            "frames", "fps", "altitude", "width", "height", "depth_every", "visibility", "leg_length", "leg_spacing", "orthophoto_extent",
            "height_unit",
        )  # fmt: skip
        for name in positive:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than zero, not {getattr(self, name)}")
        not_negative = (
            "altitude_change", "pitch_change", "step", "wind", "clearance", "exposure_drift", "noise", "gps_noise", "workers",
            "moving_vehicles", "world_seed", "seed",
        )  # fmt: skip
        for name in not_negative:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, it is {getattr(self, name)}")
        if self.width % 2 or self.height % 2:
            raise ValueError(
                "width and height must be even, as H.264 wants them, not"
                f" {self.width}x{self.height}"
            )
        if not 10 <= self.field_of_view <= 120:
            raise ValueError(
                f"field_of_view must lie between 10 and 120 degrees, not {self.field_of_view}"
            )
        if not 0 < self.pitch <= 90:
            raise ValueError(
                "pitch must be above 0 (the horizon) and at most 90 degrees (nadir), not"
                f" {self.pitch}"
            )
        if self.sun_elevation is not None and not 0 < self.sun_elevation <= 90:
            raise ValueError(
                f"sun_elevation must be above 0 and at most 90 degrees, not {self.sun_elevation}"
            )
        if self.altitude_change >= self.altitude:
            raise ValueError(
                f"altitude_change ({self.altitude_change}) must be smaller than altitude"
                f" ({self.altitude})"
            )
        if abs(self.latitude) > 89 or abs(self.longitude) > 180:
            raise ValueError(
                f"latitude {self.latitude} and longitude {self.longitude} are no place of the Earth"
                " away from its poles"
            )
        if self.world == "orthophoto" and not (self.orthophoto and self.surface_model):
            raise ValueError(
                "world 'orthophoto' needs the paths of two GeoTIFFs: orthophoto and surface_model"
            )
