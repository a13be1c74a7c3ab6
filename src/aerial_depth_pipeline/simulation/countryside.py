"""Countryside: hills, fields of many crops, bent lanes, hedges, woods, orchards, farms."""

import numpy as np

from aerial_depth_pipeline.simulation.landscape import METAL, Landscape, field, surroundings
from aerial_depth_pipeline.simulation.layout import bend, corners, dense, split_rectangle
from aerial_depth_pipeline.simulation.meshes import Mesh, MeshBuilder
from aerial_depth_pipeline.simulation.palette import all_textures
from aerial_depth_pipeline.simulation.terrain import NEAR_HALF, Ground, Terrain
from aerial_depth_pipeline.simulation.textures import Texture


def build_countryside(seed: int) -> tuple[Mesh, list[Texture], float, list[np.ndarray]]:
    """Mesh, textures, half the side of the square that may be flown over, and the lanes as
    polylines [K, 3]."""
    rng = np.random.default_rng([seed, 1])
    terrain = Terrain(seed, amplitude=rng.uniform(7.0, 14.0), wavelengths=(90.0, 700.0))
    land = Landscape(seed, terrain, Ground((112, 124, 64), "meadow"), MeshBuilder(), rng)
    surroundings(land, inner=NEAR_HALF * 0.98)
    roads = _lay_out(land, rng)
    land.finish()
    return (
        land.builder.mesh(),
        all_textures(land.ground, np.random.default_rng([seed, 2])),
        NEAR_HALF,
        roads,
    )


def _lay_out(land: Landscape, rng: np.random.Generator) -> list[np.ndarray]:
    shape = bend(land.seed, 26.0)
    cuts: list = []
    half = NEAR_HALF * 1.25
    widths = (8.5, 6.5, 6.0, 3.5, 3.5, 2.0)
    parcels = list(
        split_rectangle(
            (-half, -half),
            (half, half),
            rng.uniform(30, 46),
            rng,
            lambda d: widths[min(d, 5)],
            cuts=cuts,
        )
    )
    for low, high in parcels:
        _parcel(land, low, high, shape, rng)
    roads = []
    for start, end, width in cuts:
        line = shape(dense(np.stack([start, end]), closed=False))
        if width > 5:
            tone = rng.uniform(95, 125)
            land.ground.line(line, width, (126, 128, 84), "meadow")
            land.ground.line(line, width * 0.7, np.array([1.0, 0.99, 0.97]) * tone, "asphalt")
            if width > 8:
                for index in range(0, len(line) - 1, 2):
                    land.ground.line(line[index : index + 2], 0.2, (214, 212, 204), "paint")
            roads.append(np.concatenate([line, land.height(line)[:, None]], 1))
        elif width > 3:
            land.ground.line(
                line, 2.6, np.array([168, 150, 122]) * rng.uniform(0.85, 1.1), "gravel"
            )
            land.ground.line(line, 0.7, (120, 124, 74), "grass")
        if rng.uniform() < 0.55:
            _hedgerow(land, line, width, rng)
    return roads


def _hedgerow(land: Landscape, line: np.ndarray, width: float, rng: np.random.Generator) -> None:
    """Bushes and trees along a lane or a boundary, with gaps."""
    side = rng.choice([-1, 1]) * (width / 2 + 0.8)
    height = rng.uniform(1.2, 2.4)
    trees = rng.uniform(0.0, 0.12)
    for start, end in zip(line[:-1], line[1:], strict=True):
        if rng.uniform() < 0.18 or np.abs(start).max() > NEAR_HALF:
            continue
        along = (end - start) / max(np.linalg.norm(end - start), 1e-9)
        offset = np.array([-along[1], along[0]]) * side
        land.hedge(start + offset, end + offset, height)
        if rng.uniform() < trees * 5:
            land.tree(start + offset, rng.uniform(2.2, 5.0))


def _parcel(land: Landscape, low, high, shape, rng: np.random.Generator) -> None:
    outline = shape(dense(corners(low, high)))
    near = np.abs(outline).min() < NEAR_HALF and np.abs(outline.mean(0)).max() < NEAR_HALF * 1.1
    lot = rng.uniform()
    if lot < 0.15:
        land.ground.polygon(outline, np.array([66, 76, 44]) * rng.uniform(0.85, 1.2), "forest")
        if near:
            land.wood(outline, rng.uniform(4.5, 6.5), conifers=rng.choice([0.05, 0.3, 0.85]))
    elif lot < 0.25 and near:
        _farm(land, low, high, outline, shape, rng)
    elif lot < 0.33 and near:
        _orchard(land, low, high, outline, shape, rng)
    else:
        field(land, outline, rng)
        if near and rng.uniform() < 0.45:
            for _ in range(int(rng.integers(1, 6))):
                land.tree(shape(rng.uniform(low + 4, high - 4)), rng.uniform(2.5, 5.5))
        if near and rng.uniform() < 0.15:  # bales
            for _ in range(int(rng.integers(6, 16))):
                place = shape(rng.uniform(low + 4, high - 4))
                ground = float(land.height(place))
                land.builder.box(
                    place,
                    (1.6, 1.3),
                    rng.uniform(0, 3),
                    ground - 0.2,
                    ground + 1.3,
                    3,
                    (0.8, 0.7, 0.42),
                )


def _orchard(land: Landscape, low, high, outline, shape, rng) -> None:
    """Trees in rows."""
    land.ground.polygon(outline, np.array([116, 130, 68]) * rng.uniform(0.9, 1.1), "meadow")
    spacing, row = rng.uniform(3.5, 7), rng.uniform(5, 8)
    radius = min(spacing, row) * rng.uniform(0.28, 0.42)
    tint = np.array([0.42, 0.52, 0.28]) * rng.uniform(0.85, 1.2)
    for x in np.arange(low[0] + 3, high[0] - 3, row):
        strip = np.array(
            [
                [x - 0.6, low[1] + 2],
                [x + 0.6, low[1] + 2],
                [x + 0.6, high[1] - 2],
                [x - 0.6, high[1] - 2],
            ]
        )
        land.ground.polygon(
            shape(dense(strip)), np.array([120, 104, 74]) * rng.uniform(0.9, 1.1), "soil"
        )
        for y in np.arange(low[1] + 3, high[1] - 3, spacing):
            if rng.uniform() < 0.94:
                place = shape(np.array([x, y]) + rng.normal(0, 0.25, 2))
                land.tree(
                    place, radius * rng.uniform(0.8, 1.2), tint=tint * rng.uniform(0.85, 1.15)
                )


def _farm(land: Landscape, low, high, outline, shape, rng) -> None:
    """A farmhouse, barns, a yard, vehicles, trees around."""
    land.ground.polygon(outline, np.array([112, 126, 66]) * rng.uniform(0.9, 1.1), "grass")
    middle = (low + high) / 2
    yard = middle + corners((-17, -14), (17, 14)) * rng.uniform(0.8, 1.0)
    land.ground.polygon(
        shape(dense(yard)), np.array([158, 148, 130]) * rng.uniform(0.8, 1.1), "gravel"
    )
    angle = rng.uniform(0, np.pi)
    along, across = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    place = shape(middle)
    wall = np.array([0.95, 0.9, 0.8]) * rng.uniform(0.85, 1.05)
    land.building(
        place - across * 13,
        (rng.uniform(13, 19), rng.uniform(9, 11)),
        angle,
        2,
        str(rng.choice(["gable", "hip"])),
        wall=wall,
    )
    wood = np.array([0.55, 0.38, 0.26]) * rng.uniform(0.8, 1.4)
    barn = (rng.uniform(20, 32), rng.uniform(11, 15))
    land.building(
        place + across * 14,
        barn,
        angle,
        2,
        "gable",
        wall=wood,
        facade_kind=0,
        roof_choice=METAL if rng.uniform() < 0.5 else None,
    )
    if rng.uniform() < 0.7:
        land.building(
            place + along * 24,
            (rng.uniform(12, 20), 9),
            angle + np.pi / 2,
            1,
            "gable",
            wall=wood,
            facade_kind=0,
            roof_choice=METAL,
        )
    if rng.uniform() < 0.4:
        silo = place - along * 21
        ground = float(land.height(silo))
        circle = np.arange(12) * np.pi / 6
        land.builder.walls(
            silo + 2.5 * np.stack([np.cos(circle), np.sin(circle)], -1),
            ground - 1,
            ground + 10,
            METAL,
            (0.8, 0.82, 0.84),
        )
    for _ in range(int(rng.integers(2, 6))):
        land.car(
            place + along * rng.uniform(-12, 12) + across * rng.uniform(-5, 5),
            rng.uniform(0, 6),
            (5.5, 2.2, 2.6),
        )
    for _ in range(int(rng.integers(6, 18))):
        turn = rng.uniform(0, 2 * np.pi)
        land.tree(
            place + np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(26, 36), rng.uniform(2, 5)
        )
