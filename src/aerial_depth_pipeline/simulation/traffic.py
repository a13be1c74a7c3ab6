"""Vehicles that drive along the roads while the camera flies."""

import numpy as np

from aerial_depth_pipeline.simulation.layout import left
from aerial_depth_pipeline.simulation.meshes import Mesh, MeshBuilder, vehicles
from aerial_depth_pipeline.simulation.palette import CAR_TINTS, PLAIN


def moving_vehicles(roads: list[np.ndarray], count: int, seed: int, time: float) -> Mesh | None:
    """The vehicles [mesh] at `time` seconds; None where there is no road. They keep to the right
    and turn back at a road's end."""
    usable = [road for road in roads if _length(road) > 30]
    if not usable or not count:
        return None
    rng = np.random.default_rng([seed, 41])
    weights = np.array([_length(road) for road in usable])
    rows = []
    for _ in range(count):
        road = usable[rng.choice(len(usable), p=weights / weights.sum())]
        speed, start, colour = rng.uniform(6, 13), rng.uniform(), rng.choice(CAR_TINTS)
        size = (4.4, 1.8, 1.5) if rng.uniform() < 0.8 else (7.5, 2.4, 3.0)
        length = _length(road)
        travelled = (start * 2 * length + speed * time) % (2 * length)
        forward = travelled < length
        point, direction = _along(road, travelled if forward else 2 * length - travelled)
        direction = direction if forward else -direction
        place = *(point[:2] - left(direction) * 1.6), point[2]
        rows.append((*place, np.arctan2(direction[1], direction[0]), *size, *colour))
    table, builder = np.array(rows), MeshBuilder()
    vehicles(builder, table[:, :3], table[:, 3], table[:, 4:7], table[:, 7:10], PLAIN)
    return builder.mesh()


def _length(road: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(road[:, :2], axis=0), axis=1).sum())


def _along(road: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """The point [3] after `distance` metres, and the unit direction [2] there."""
    steps = np.diff(road, axis=0)
    lengths = np.linalg.norm(steps[:, :2], axis=1)
    ends = np.cumsum(lengths)
    index = min(int(np.searchsorted(ends, distance)), len(steps) - 1)
    part = (distance - (ends[index] - lengths[index])) / max(lengths[index], 1e-9)
    return road[index] + steps[index] * part, steps[index, :2] / max(lengths[index], 1e-9)
