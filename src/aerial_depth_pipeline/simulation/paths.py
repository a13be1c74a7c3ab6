"""Where the camera flies and looks: orbits, strips and free paths, with gusts, and with height and
pitch that change along the way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.simulation.settings import FlightSettings

_ATTEMPTS = 24
_SMALLEST_ORBIT = 0.25  # radius as a share of the altitude: a nadir orbit still needs a baseline

Distances = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass
class Path:
    """A flight of F frames. Angles in radians: azimuth clockwise from north, pitch below the
    horizon, roll clockwise.

    `takeoff` is the height of the ground where the flight begins.
    """

    positions_F3: np.ndarray
    azimuth_F: np.ndarray
    pitch_F: np.ndarray
    roll_F: np.ndarray
    takeoff: float

    def cam_from_world(self) -> np.ndarray:
        """Poses [F, 4, 4] (x right, y down, z forward)."""
        a, p, r = self.azimuth_F, self.pitch_F, self.roll_F
        zero = np.zeros_like(a)
        forward = np.stack([np.cos(p) * np.sin(a), np.cos(p) * np.cos(a), -np.sin(p)], -1)
        level = np.stack(
            [np.cos(a), -np.sin(a), zero], -1
        )  # defined by the azimuth alone, so that nadir is no special case
        below = np.cross(forward, level)
        cosine, sine = np.cos(r)[:, None], np.sin(r)[:, None]
        rotation = np.stack(
            [level * cosine + below * sine, below * cosine - level * sine, forward], 1
        )
        poses = np.tile(np.eye(4), (len(a), 1, 1))
        poses[:, :3, :3] = rotation
        poses[:, :3, 3] = -np.einsum("fij,fj->fi", rotation, self.positions_F3)
        return poses


def plan_path(settings: FlightSettings, half: float, distances: Distances) -> Path:
    """The flight's path over a world.

    Places that come too near to a surface are tried again elsewhere, up to a limit.

    Args:
        settings: the flight.
        half: the camera stays in the square from -half to +half metres.
        distances: from origins [N, 3] along unit directions [N, 3] to the nearest surface, infinite
            where there is none.

    Raises:
        SceneError: where every attempt comes nearer than `settings.clearance` to a surface.
    """
    nearest = 0.0
    for attempt in range(_ATTEMPTS):
        path = _attempt(
            settings, half, distances, np.random.default_rng([settings.seed, 101, attempt])
        )
        gap = clearance(path.positions_F3, distances)
        if gap >= settings.clearance:
            return path
        nearest = max(nearest, gap)
    raise SceneError(
        f"No {settings.path} flight {settings.altitude:g} m above the ground keeps"
        f" {settings.clearance:g} m clear of {settings.world} {settings.world_seed} (the best of"
        f" {_ATTEMPTS} attempts came to {nearest:.1f} m): fly higher or lower altitude_change."
    )


def clearance(positions_F3: np.ndarray, distances: Distances) -> float:
    """Distance in metres from a path to the nearest surface seen in 64 directions, or 0 where it
    passes below or through one."""
    count = 64
    index = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * index / count), np.pi * (1 + 5**0.5) * index
    sphere = np.stack(
        [np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], -1
    )
    origins = np.repeat(positions_F3, count, axis=0)
    nearest = float(distances(origins, np.tile(sphere, (len(positions_F3), 1))).min())
    # From high above, the first surface must lie below the camera: else the camera is inside
    # something.
    above = positions_F3 + [0, 0, 2000.0]
    drop = distances(above, np.tile([0.0, 0.0, -1.0], (len(above), 1)))
    if (drop < 2000.0).any() or not np.isfinite(drop).all():
        return 0.0
    steps = np.diff(positions_F3, axis=0)
    length = np.linalg.norm(steps, axis=1)
    moves = length > 1e-9
    if moves.any():
        ahead = distances(positions_F3[:-1][moves], steps[moves] / length[moves, None])
        if (ahead <= length[moves]).any():
            return 0.0
    return nearest


def _attempt(
    settings: FlightSettings, half: float, distances: Distances, rng: np.random.Generator
) -> Path:
    frames = settings.frames
    pitch = np.radians(settings.pitch + settings.pitch_change * _swing(frames, rng))
    pitch = np.clip(pitch, np.radians(2), np.pi / 2)
    climb = settings.altitude_change * _swing(frames, rng)
    plan_F2, azimuth = {"orbit": _orbit, "strip": _strip, "free": _free}[settings.path](
        settings, half, rng
    )
    ground = _ground_below(plan_F2, half, distances)
    altitude = settings.altitude + climb + ground
    gusts = _smooth_noise((frames, 3), 12, rng) * 0.15 * settings.wind
    shake = (
        _smooth_noise((frames, 3), 6, rng) * 0.3 + rng.normal(0, 0.02, (frames, 3))
    ) * settings.wind
    turn = np.radians(shake)
    positions = np.concatenate([plan_F2, altitude[:, None]], 1) + gusts
    return Path(positions, azimuth + turn[:, 0], pitch + turn[:, 1], turn[:, 2], float(ground[0]))


def _orbit(
    settings: FlightSettings, half: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    radius = max(
        settings.altitude / np.tan(np.radians(settings.pitch)), _SMALLEST_ORBIT * settings.altitude
    )
    room = max(half * 0.7 - radius, 0.0)
    center = rng.uniform(-room, room, 2) * 0.8
    sense = rng.choice([-1, 1])
    angle = rng.uniform(0, 2 * np.pi) + sense * np.radians(settings.orbit_step) * np.arange(
        settings.frames
    )
    reach = radius * (1 + 0.06 * _swing(settings.frames, rng))
    plan = center + np.stack([np.sin(angle), np.cos(angle)], -1) * reach[:, None]
    aim = center + _smooth_noise((settings.frames, 2), 25, rng) * 0.04 * radius
    sight = aim - plan
    return plan, np.arctan2(sight[:, 0], sight[:, 1])


def _strip(
    settings: FlightSettings, half: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    leg, spacing = settings.leg_length, settings.leg_spacing
    arc = np.pi * spacing / 2
    distance = settings.step * np.arange(settings.frames)
    number, along = np.divmod(distance, leg + arc)
    on_leg = along < leg
    swept = np.clip((along - leg) / (spacing / 2), 0, np.pi)
    forward = np.where(number % 2 == 0, 1.0, -1.0)
    y = np.where(on_leg, along, leg + spacing / 2 * np.sin(swept))
    x = number * spacing + np.where(on_leg, 0.0, spacing / 2 * (1 - np.cos(swept)))
    plan = np.stack([x, np.where(forward > 0, y, leg - y)], -1)
    heading = np.where(forward > 0, 0.0, np.pi) + np.where(on_leg, 0.0, swept * forward)
    middle = (plan.min(0) + plan.max(0)) / 2
    turn = rng.uniform(0, 2 * np.pi)
    room = max(half * 0.75 - np.ptp(plan, axis=0).max() / 2, 0.0)
    # Azimuth grows clockwise: a course of `turn` points to (sin, cos).
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    plan = (plan - middle) @ rotation + rng.uniform(-room, room, 2) * 0.6
    return plan, heading + turn


def _free(
    settings: FlightSettings, half: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    frames = settings.frames
    position, heading = rng.uniform(-0.35, 0.35, 2) * half, rng.uniform(0, 2 * np.pi)
    bend, plan, course = np.radians(1.1) * _swing(frames, rng), [], []
    for index in range(frames):
        plan.append(position)
        course.append(heading)
        home = np.arctan2(-position[0], -position[1])
        away = (home - heading + np.pi) % (2 * np.pi) - np.pi
        far = np.clip((np.linalg.norm(position) / half - 0.4) / 0.25, 0, 1)
        heading = heading + bend[index] * (1 - far) + far * np.clip(away, -1, 1) * np.radians(2.5)
        position = position + settings.step * np.array([np.sin(heading), np.cos(heading)])
    glance = np.radians(30) * _swing(frames, rng)
    return np.array(plan), np.array(course) + glance


def _ground_below(plan_F2: np.ndarray, half: float, distances: Distances) -> np.ndarray:
    """Height of the ground [F] around each place, between roofs and trees, smoothed along the
    flight."""
    reach, side = 40.0, 5
    offsets = np.stack(np.meshgrid(*[np.linspace(-reach, reach, side)] * 2), -1).reshape(-1, 2)
    places = (plan_F2[:, None] + offsets).clip(-half * 0.98, half * 0.98).reshape(-1, 2)
    top = np.concatenate([places, np.full((len(places), 1), 3000.0)], 1)
    heights = 3000.0 - distances(top, np.tile([0.0, 0.0, -1.0], (len(top), 1)))
    heights = np.where(np.isfinite(heights), heights, np.nan).reshape(len(plan_F2), -1)
    if np.isnan(heights).all(axis=1).any():
        raise SceneError(
            "The flight leaves the world: shorten it (frames, step, leg_length) or use a larger"
            " orthophoto_extent."
        )
    return gaussian_filter1d(np.nanpercentile(heights, 25, axis=1), 20, mode="nearest")


def _swing(frames: int, rng: np.random.Generator) -> np.ndarray:
    """A slow change [F] within -1 and 1: some of it is the flight's own offset, the rest comes and
    goes along the flight."""
    t = np.arange(frames) / 100
    wave = np.zeros(frames)
    for rate, weight in ((0.6, 0.7), (1.3, 0.5), (2.4, 0.15)):
        wave += weight * np.sin(2 * np.pi * (rate * rng.uniform(0.8, 1.2) * t + rng.uniform()))
    return np.tanh(wave + rng.uniform(-0.6, 0.6))


def _smooth_noise(shape: tuple[int, int], width: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit variance, smooth over about `width` frames."""
    margin = int(4 * width)
    noise = gaussian_filter1d(rng.standard_normal((shape[0] + 2 * margin, shape[1])), width, axis=0)
    return noise[margin : margin + shape[0]] * np.sqrt(2 * width * np.sqrt(np.pi))
