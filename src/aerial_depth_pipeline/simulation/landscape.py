"""What towns and countryside share: the land to the horizon, trees, hedges, houses, vehicles."""

from collections.abc import Callable

import numpy as np

from aerial_depth_pipeline.simulation.foliage import SHAPES, Foliage
from aerial_depth_pipeline.simulation.houses import House
from aerial_depth_pipeline.simulation.layout import (
    bend,
    corners,
    dense,
    rectangle,
    split_rectangle,
    unit,
)
from aerial_depth_pipeline.simulation.meshes import Mesh, MeshBuilder, lifted, vehicles
from aerial_depth_pipeline.simulation.palette import (
    CAR_TINTS,
    FAR,
    FIELDS,
    FIRST_FACADE,
    NEAR,
    PLAIN,
    TREE_TINTS,
    WALL_TINTS,
    all_textures,
)
from aerial_depth_pipeline.simulation.terrain import FAR_HALF, NEAR_HALF, Ground, Terrain
from aerial_depth_pipeline.simulation.textures import FACADES, Texture


class Landscape:
    """A world under construction: land, ground image, solids, and the trees and vehicles that are
    placed at the end in one go."""

    def __init__(
        self, seed: int, terrain: Terrain, ground: Ground, rng: np.random.Generator
    ) -> None:
        self.seed, self.ground, self.rng = seed, ground, rng
        self.height, self.builder = terrain.height, MeshBuilder()
        self._foliage = Foliage(np.random.default_rng([seed, 31]))
        self._plants: dict[str, list] = {shape: [] for shape in SHAPES}
        self._cars: list[tuple] = []
        terrain.add_to(self.builder, NEAR, FAR)

    def tree(
        self, point_2, radius: float, shape: str = "broad", tint=None, lift: float = 0.0
    ) -> None:
        """A tree (crown radius in metres), conifer or bush."""
        rng = self.rng
        if tint is None:
            tint = rng.choice(TREE_TINTS) * rng.uniform(0.75, 1.2)
        slenderness = {name: rng.uniform(*span) for name, span in SHAPES.items()}
        half = radius * slenderness[shape]
        stem = {"broad": radius * 0.5, "round": radius * 0.2, "conifer": 0.3, "bush": -0.35 * half}
        self._plants[shape].append((*point_2, stem[shape] + lift, radius, half, *tint))
        if shape != "bush":
            self.ground.shade(rectangle(point_2, (radius * 1.1, radius * 1.1), rng.uniform(0, 3)))

    def hedge(self, start_2, end_2, height: float) -> None:
        """A row of bushes."""
        rng, way = self.rng, np.subtract(end_2, start_2)
        length = float(np.linalg.norm(way))
        tint = rng.choice(TREE_TINTS[:4]) * 0.9
        for part in np.arange(0.4, length, height * 0.75):
            point = start_2 + way * (part / length) + rng.normal(0, 0.1, 2)
            radius = height * rng.uniform(0.55, 0.75)
            self.tree(point, radius, "bush", tint * rng.uniform(0.85, 1.15))

    def wood(self, outline_K2: np.ndarray, spacing: float, conifers: float) -> None:
        """Trees all over a polygon; `conifers` is the share of those."""
        from matplotlib.path import Path as Outline

        rng, low, high = self.rng, outline_K2.min(0), outline_K2.max(0)
        sides = [np.arange(*ends, spacing) for ends in zip(low, high, strict=True)]
        grid = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2)
        grid += rng.uniform(-0.45, 0.45, grid.shape) * spacing
        for point in grid[Outline(outline_K2).contains_points(grid)]:
            conifer = rng.uniform() < conifers
            radius = spacing * rng.uniform(0.45, 0.75)
            self.tree(point, radius * (0.75 if conifer else 1.0), "conifer" if conifer else "round")

    def car(self, point_2, angle: float, size=None) -> None:
        """A parked vehicle."""
        if size is None:
            size = (4.4, 1.8, 1.5) if self.rng.uniform() < 0.85 else (5.6, 2.0, 2.3)
        self._cars.append((*point_2, angle, *size, *self.rng.choice(CAR_TINTS)))

    def building(
        self,
        center_2,
        size_2,
        angle: float,
        storeys: int,
        roof: str,
        wall=None,
        roof_choice=None,
        facade_kind=None,
    ) -> float:
        """A building with a `flat`, `gable` or `hip` roof; returns the height of its eaves above
        the origin."""
        rng, outline = self.rng, rectangle(center_2, size_2, angle)
        ground = self.height(outline)
        base, bottom = float(ground.max()), float(ground.min()) - 0.6
        eaves = base + storeys * 3.2 + 0.2
        if wall is None:
            wall = rng.choice(WALL_TINTS) * rng.uniform(0.85, 1.05)
        facade = FIRST_FACADE + int(rng.integers(FACADES) if facade_kind is None else facade_kind)
        place = np.asarray(center_2), np.asarray(size_2), angle, bottom, base, eaves
        house = House(self.builder, rng, *place, facade, wall, rng.uniform(0, 51.2))
        self.ground.shade(outline)
        if roof == "flat":
            house.flat_top()
        else:
            extras = roof == "gable" and storeys < 4
            house.sloping_top(roof, roof_choice, extras)
        return eaves

    def finish(self) -> None:
        """Plant and park everything that was asked for."""
        if self._cars:
            table = np.array(self._cars)
            places = lifted(table[:, :2], self.height(table[:, :2]))
            vehicles(self.builder, places, table[:, 2], table[:, 3:6], table[:, 6:9], PLAIN)
        for shape, rows in self._plants.items():
            if not rows:
                continue
            table = np.array(rows)
            points, stems, radii, halves = table[:, :2], table[:, 2], table[:, 3], table[:, 4]
            middles = self.height(points) + stems + halves
            sizes = np.stack([radii, radii, halves], -1)
            self._foliage.plant(
                self.builder, shape, lifted(points, middles), sizes, table[:, 5:8], self.rng
            )
            if shape == "broad":
                trunks = zip(points, middles - halves, stems, radii, strict=True)
                for point, z, stem, radius in trunks:
                    if stem > 1:
                        outline = rectangle(point, (radius * 0.14, radius * 0.14), 0.4)
                        bottom, top = z - stem - 0.5, z + radius * 0.4
                        self.builder.walls(outline, bottom, top, PLAIN, (0.3, 0.24, 0.2))


def build_landscape(
    seed: int,
    amplitudes: tuple[float, float],
    wavelengths: tuple[float, float],
    meadow: tuple[float, float, float],
    lay_out: Callable[[Landscape], list[np.ndarray]],
) -> tuple[Mesh, list[Texture], float, list[np.ndarray]]:
    """Mesh, textures, half the side of the square that may be flown over, and the roads as
    polylines [K, 3].

    Args:
        seed: of the world.
        amplitudes: least and largest standard deviation of the heights in metres.
        wavelengths: shortest and longest wave of the land in metres.
        meadow: colour (RGB, 0 to 255) of ground that nobody paints.
        lay_out: builds what stands in the middle and returns the roads as polylines [K, 2].
    """
    rng = np.random.default_rng([seed, 1])
    terrain = Terrain(seed, rng.uniform(*amplitudes), wavelengths)
    land = Landscape(seed, terrain, Ground(meadow, "meadow"), rng)
    _surroundings(land, inner=NEAR_HALF * 0.98)
    roads = [lifted(road, land.height(road)) for road in lay_out(land)]
    land.finish()
    textures = all_textures(land.ground, np.random.default_rng([seed, 2]))
    return land.builder.mesh(), textures, NEAR_HALF, roads


def _surroundings(land: Landscape, inner: float) -> None:
    """Fields, woods and farms from `inner` metres to the horizon, coarse: they are seen from far
    away."""
    rng = land.rng
    shape = bend(land.seed + 7, 25.0)
    side = FAR_HALF * 1.5
    for low, high in split_rectangle((-side, -side), (side, side), 70, rng):
        outline = shape(dense(corners(low, high), spacing=25))
        middle = outline.mean(0)
        away = np.abs(middle).max()
        if rng.uniform() < 0.16:
            land.ground.polygon(outline, np.array([62, 76, 42]) * rng.uniform(0.85, 1.15), "forest")
            if inner < away < 900:
                land.wood(outline, 10 if away < 500 else 18, conifers=0.35)
        else:
            field(land, outline)
        if inner < away < 800:
            for _ in range(rng.integers(0, 9)):
                place = rng.choice(outline) + rng.normal(0, 4, 2)
                if np.abs(place).max() > inner:
                    land.tree(place, rng.uniform(2.5, 5.5), "bush")
            if rng.uniform() < 0.15:
                size = rng.uniform(10, 18), rng.uniform(8, 11)
                land.building(middle + rng.normal(0, 15, 2), size, rng.uniform(0, 3), 2, "gable")


def field(land: Landscape, outline: np.ndarray) -> None:
    """One field of a random crop."""
    rng, ground = land.rng, land.ground
    colour, kind, spacing, depth = FIELDS[rng.integers(len(FIELDS))]
    tone = np.array(colour) * rng.uniform(0.85, 1.12) * (1 + rng.normal(0, 0.03, 3))
    ground.polygon(outline, tone, kind)
    if spacing:
        edge = outline[len(outline) // 4] - outline[0]
        angle = float(np.arctan2(edge[1], edge[0])) + (np.pi / 2 if rng.uniform() < 0.3 else 0)
        ground.furrows(outline, angle, spacing * rng.uniform(0.85, 1.2), depth)
        if kind == "crop" and rng.uniform() < 0.6:  # tramlines
            ground.furrows(outline, angle, rng.uniform(14, 22), 0.07)
    for _ in range(rng.integers(1, 4)):  # patches where something grows better or worse
        spot = outline.mean(0) + rng.normal(0, 0.2, 2) * np.ptp(outline, axis=0)
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radius = rng.uniform(3, 14) * (1 + 0.3 * rng.normal(size=14).clip(-1.5, 1.5))
        patch = spot + unit(angles) * radius[:, None]
        ground.polygon(patch, np.array(colour) * rng.uniform(0.75, 1.2), kind)
