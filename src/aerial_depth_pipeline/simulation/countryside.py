"""Countryside: hills, fields of many crops, bent lanes, hedges, woods, orchards, farms."""

import numpy as np

from aerial_depth_pipeline.simulation.landscape import Landscape, build_landscape, field
from aerial_depth_pipeline.simulation.layout import (
    Bend,
    axes,
    bend,
    corners,
    course,
    dense,
    split_rectangle,
    unit,
)
from aerial_depth_pipeline.simulation.meshes import Mesh
from aerial_depth_pipeline.simulation.palette import METAL, PLAIN
from aerial_depth_pipeline.simulation.terrain import NEAR_HALF
from aerial_depth_pipeline.simulation.textures import Texture

_LANE_WIDTHS = (8.5, 6.5, 6.0, 3.5, 3.5, 2.0)  # from the first cut to the last


def build_countryside(seed: int) -> tuple[Mesh, list[Texture], float, list[np.ndarray]]:
    """What `build_landscape` makes of fields and lanes."""
    return build_landscape(seed, (7.0, 14.0), (90.0, 700.0), (112, 124, 64), _lay_out)


def _lay_out(land: Landscape) -> list[np.ndarray]:
    rng, ground, shape = land.rng, land.ground, bend(land.seed, 26.0)
    cuts: list = []
    edge = np.full(2, NEAR_HALF * 1.25)
    smallest = rng.uniform(30, 46)
    for parcel in list(split_rectangle(-edge, edge, smallest, rng, _LANE_WIDTHS, cuts)):
        _parcel(land, *parcel, shape)
    roads = []
    for start, end, width in cuts:
        line = shape(dense([start, end], closed=False))
        if width > 5:
            tone = rng.uniform(95, 125)
            ground.line(line, width, (126, 128, 84), "meadow")
            ground.line(line, width * 0.7, np.array([1.0, 0.99, 0.97]) * tone, "asphalt")
            if width > 8:
                for index in range(0, len(line) - 1, 2):
                    ground.line(line[index : index + 2], 0.2, (214, 212, 204), "paint")
            roads.append(line)
        elif width > 3:
            ground.line(line, 2.6, np.array([168, 150, 122]) * rng.uniform(0.85, 1.1), "gravel")
            ground.line(line, 0.7, (120, 124, 74), "grass")
        if rng.uniform() < 0.55:
            _hedgerow(land, line, width)
    return roads


def _hedgerow(land: Landscape, line: np.ndarray, width: float) -> None:
    """Bushes and trees along a lane or a boundary, with gaps."""
    rng = land.rng
    side = rng.choice([-1, 1]) * (width / 2 + 0.8)
    height, trees = rng.uniform(1.2, 2.4), rng.uniform(0.0, 0.12)
    for start, end in zip(line[:-1], line[1:], strict=True):
        if rng.uniform() < 0.18 or np.abs(start).max() > NEAR_HALF:
            continue
        _, _, across = course(start, end)
        offset = across * side
        land.hedge(start + offset, end + offset, height)
        if rng.uniform() < trees * 5:
            land.tree(start + offset, rng.uniform(2.2, 5.0))


def _parcel(land: Landscape, low: np.ndarray, high: np.ndarray, shape: Bend) -> None:
    rng, outline = land.rng, shape(dense(corners(low, high)))
    near = np.abs(outline).min() < NEAR_HALF and np.abs(outline.mean(0)).max() < NEAR_HALF * 1.1
    lot = rng.uniform()
    if lot < 0.15:
        land.ground.polygon(outline, np.array([66, 76, 44]) * rng.uniform(0.85, 1.2), "forest")
        if near:
            land.wood(outline, rng.uniform(4.5, 6.5), conifers=rng.choice([0.05, 0.3, 0.85]))
    elif lot < 0.25 and near:
        _farm(land, low, high, outline, shape)
    elif lot < 0.33 and near:
        _orchard(land, low, high, outline, shape)
    else:
        field(land, outline)
        if near and rng.uniform() < 0.45:
            for _ in range(rng.integers(1, 6)):
                land.tree(shape(rng.uniform(low + 4, high - 4)), rng.uniform(2.5, 5.5))
        if near and rng.uniform() < 0.15:  # bales
            for _ in range(rng.integers(6, 16)):
                place = shape(rng.uniform(low + 4, high - 4))
                ground, angle = float(land.height(place)), rng.uniform(0, 3)
                size, span, tint = (1.6, 1.3), (ground - 0.2, ground + 1.3), (0.8, 0.7, 0.42)
                land.builder.box(place, size, angle, *span, PLAIN, tint)


def _orchard(land: Landscape, low, high, outline: np.ndarray, shape: Bend) -> None:
    """Trees in rows."""
    rng, ground = land.rng, land.ground
    ground.polygon(outline, np.array([116, 130, 68]) * rng.uniform(0.9, 1.1), "meadow")
    spacing, row = rng.uniform(3.5, 7), rng.uniform(5, 8)
    radius = min(spacing, row) * rng.uniform(0.28, 0.42)
    tint = np.array([0.42, 0.52, 0.28]) * rng.uniform(0.85, 1.2)
    for x in np.arange(low[0] + 3, high[0] - 3, row):
        strip = dense(corners((x - 0.6, low[1] + 2), (x + 0.6, high[1] - 2)))
        ground.polygon(shape(strip), np.array([120, 104, 74]) * rng.uniform(0.9, 1.1), "soil")
        for y in np.arange(low[1] + 3, high[1] - 3, spacing):
            if rng.uniform() < 0.94:
                place = shape(np.array([x, y]) + rng.normal(0, 0.25, 2))
                size, shade = radius * rng.uniform(0.8, 1.2), rng.uniform(0.85, 1.15)
                land.tree(place, size, tint=tint * shade)


def _farm(land: Landscape, low, high, outline: np.ndarray, shape: Bend) -> None:
    """A farmhouse, barns, a yard, vehicles, trees around."""
    rng, ground = land.rng, land.ground
    ground.polygon(outline, np.array([112, 126, 66]) * rng.uniform(0.9, 1.1), "grass")
    middle = (low + high) / 2
    yard = shape(dense(middle + corners((-17, -14), (17, 14)) * rng.uniform(0.8, 1.0)))
    ground.polygon(yard, np.array([158, 148, 130]) * rng.uniform(0.8, 1.1), "gravel")
    angle = rng.uniform(0, np.pi)
    along, across = axes(angle)
    place = shape(middle)
    wall = np.array([0.95, 0.9, 0.8]) * rng.uniform(0.85, 1.05)
    size, roof = (rng.uniform(13, 19), rng.uniform(9, 11)), rng.choice(["gable", "hip"])
    land.building(place - across * 13, size, angle, 2, roof, wall)
    wood = np.array([0.55, 0.38, 0.26]) * rng.uniform(0.8, 1.4)
    size, metal = (rng.uniform(20, 32), rng.uniform(11, 15)), rng.uniform() < 0.5
    land.building(place + across * 14, size, angle, 2, "gable", wood, METAL if metal else None, 0)
    if rng.uniform() < 0.7:
        size, turned = (rng.uniform(12, 20), 9), angle + np.pi / 2
        land.building(place + along * 24, size, turned, 1, "gable", wood, METAL, 0)
    if rng.uniform() < 0.4:
        silo = place - along * 21
        foot = float(land.height(silo))
        round_wall = silo + 2.5 * unit(np.arange(12) * np.pi / 6)
        land.builder.walls(round_wall, foot - 1, foot + 10, METAL, (0.8, 0.82, 0.84))
    for _ in range(rng.integers(2, 6)):
        spot = place + along * rng.uniform(-12, 12) + across * rng.uniform(-5, 5)
        land.car(spot, rng.uniform(0, 6), (5.5, 2.2, 2.6))
    for _ in range(rng.integers(6, 18)):
        outward = unit(rng.uniform(0, 2 * np.pi))
        land.tree(place + outward * rng.uniform(26, 36), rng.uniform(2, 5))
