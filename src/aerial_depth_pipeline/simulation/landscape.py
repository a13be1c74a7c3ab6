"""What towns and countryside share: the palette, the land around them, trees, hedges, houses,
vehicles."""

from dataclasses import dataclass

import numpy as np

from aerial_depth_pipeline.simulation.foliage import Foliage
from aerial_depth_pipeline.simulation.layout import bend, corners, dense, split_rectangle
from aerial_depth_pipeline.simulation.meshes import MeshBuilder, rectangle, vehicles
from aerial_depth_pipeline.simulation.palette import (
    CAR_TINTS,
    FAR,
    FIELDS,
    FIRST_FACADE,
    FLAT,
    LEAVES,
    METAL,
    NEAR,
    PLAIN,
    ROOF_TINTS,
    SLATE,
    TILES,
    TREE_TINTS,
    WALL_TINTS,
)
from aerial_depth_pipeline.simulation.roofs import gable_roof, hip_roof
from aerial_depth_pipeline.simulation.terrain import FAR_HALF, Ground, Terrain
from aerial_depth_pipeline.simulation.textures import FACADES


@dataclass
class Landscape:
    """A world under construction: land, ground image, solids, and the trees that are planted at
    the end in one go."""

    seed: int
    terrain: Terrain
    ground: Ground
    builder: MeshBuilder
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.foliage = Foliage(np.random.default_rng([self.seed, 31]))
        self._plants: dict[str, list] = {"broad": [], "round": [], "conifer": [], "bush": []}
        self._cars: list[tuple] = []
        self.terrain.add_to(self.builder, NEAR, FAR)

    def height(self, points) -> np.ndarray:
        return self.terrain.height(points)

    def tree(
        self, point_2, radius: float, shape: str = "broad", tint=None, lift: float = 0.0
    ) -> None:
        """A tree (crown radius in metres), conifer or bush."""
        rng = self.rng
        if tint is None:
            tint = TREE_TINTS[rng.integers(len(TREE_TINTS))] * rng.uniform(0.75, 1.2)
        half = (
            radius
            * {
                "broad": rng.uniform(0.85, 1.25),
                "round": rng.uniform(0.9, 1.3),
                "conifer": rng.uniform(1.2, 1.7),
                "bush": rng.uniform(0.6, 0.9),
            }[shape]
        )
        stem = {"broad": radius * 0.5, "round": radius * 0.2, "conifer": 0.3, "bush": -0.35 * half}[
            shape
        ] + lift
        self._plants[shape].append((point_2[0], point_2[1], stem, radius, half, *tint))
        if shape != "bush":
            self.ground.shade(rectangle(point_2, (radius * 1.1, radius * 1.1), rng.uniform(0, 3)))

    def finish(self) -> None:
        """Plant and park everything that was asked for."""
        if self._cars:
            table = np.array(self._cars)
            places = np.concatenate([table[:, :2], self.height(table[:, :2])[:, None]], 1)
            vehicles(self.builder, places, table[:, 2], table[:, 3:6], table[:, 6:9], PLAIN)
        for shape, rows in self._plants.items():
            if not rows:
                continue
            table = np.array(rows)
            places = np.concatenate([table[:, :2], np.zeros((len(table), 1))], 1)
            places[:, 2] = self.height(places[:, :2]) + table[:, 2] + table[:, 4]
            self.foliage.plant(
                self.builder,
                places,
                table[:, 3],
                table[:, 4],
                table[:, 5:8],
                shape,
                LEAVES,
                self.rng,
            )
            if shape != "broad":
                continue
            for (x, y, z), stem, radius in zip(
                places - [0, 0, 1] * table[:, 4:5], table[:, 2], table[:, 3], strict=True
            ):
                if stem > 1:
                    outline = rectangle((x, y), (radius * 0.14, radius * 0.14), 0.4)
                    self.builder.walls(
                        outline, z - stem - 0.5, z + radius * 0.4, PLAIN, (0.3, 0.24, 0.2)
                    )

    def hedge(self, start_2, end_2, height: float, tint=None) -> None:
        """A row of bushes."""
        length = float(np.linalg.norm(np.subtract(end_2, start_2)))
        tint = TREE_TINTS[self.rng.integers(4)] * 0.9 if tint is None else tint
        for part in np.arange(0.4, length, height * 0.75):
            point = (
                np.asarray(start_2)
                + np.subtract(end_2, start_2) * (part / length)
                + self.rng.normal(0, 0.1, 2)
            )
            self.tree(
                point,
                height * self.rng.uniform(0.55, 0.75),
                "bush",
                np.asarray(tint) * self.rng.uniform(0.85, 1.15),
            )

    def car(self, point_2, angle: float, size=None) -> None:
        """A parked vehicle."""
        rng = self.rng
        if size is None:
            size = (4.4, 1.8, 1.5) if rng.uniform() < 0.85 else (5.6, 2.0, 2.3)
        self._cars.append((*point_2, angle, *size, *CAR_TINTS[rng.integers(len(CAR_TINTS))]))

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
        rng, builder = self.rng, self.builder
        outline = rectangle(center_2, size_2, angle)
        ground = self.height(outline)
        base, bottom = float(ground.max()), float(ground.min()) - 0.6
        eaves = base + storeys * 3.2 + 0.2
        wall = (
            WALL_TINTS[rng.integers(len(WALL_TINTS))] * rng.uniform(0.85, 1.05)
            if wall is None
            else wall
        )
        texture = FIRST_FACADE + (
            int(rng.integers(FACADES)) if facade_kind is None else facade_kind
        )
        u0 = rng.uniform(0, 51.2)
        self.ground.shade(outline)
        if roof == "flat":
            self._flat_top(outline, center_2, size_2, angle, bottom, base, eaves, texture, wall, u0)
            return eaves
        builder.walls(outline, bottom, eaves, texture, wall, u0, ground=base)
        kind = (
            roof_choice if roof_choice is not None else (TILES if rng.uniform() < 0.75 else SLATE)
        )
        tints = ROOF_TINTS[kind]
        tint = tints[rng.integers(len(tints))] * rng.uniform(0.85, 1.15)
        roof_texture = kind + int(rng.integers(2)) if kind == TILES else kind
        rise = (
            min(size_2) / 2 * (rng.uniform(0.2, 0.4) if kind == METAL else rng.uniform(0.55, 1.0))
        )
        shape = builder, center_2, size_2, angle, eaves, rise, roof_texture, tint
        if roof == "gable":
            gable_roof(*shape, texture, wall, u0)
        else:
            hip_roof(*shape, u0)
        along, across = (
            np.array([np.cos(angle), np.sin(angle)]),
            np.array([-np.sin(angle), np.cos(angle)]),
        )
        slope = rise / (size_2[1] / 2)
        for _ in range(int(rng.integers(0, 3))):
            shift = rng.uniform(-0.3, 0.3) * size_2[0]
            side = rng.uniform(-0.3, 0.3) * size_2[1]
            place = np.asarray(center_2) + along * shift + across * side
            builder.box(
                place, (0.7, 0.7), angle, eaves, eaves + rise + 0.8, PLAIN, (0.55, 0.36, 0.3)
            )
        if roof == "gable" and storeys < 4:
            self._roof_extras(
                center_2, size_2, angle, along, across, eaves, rise, slope, wall, roof_texture, tint
            )
        return eaves

    def _roof_extras(
        self, center, size, angle, along, across, eaves, rise, slope, wall, roof_texture, roof_tint
    ) -> None:
        rng, builder = self.rng, self.builder
        for side in (-1, 1):
            what = rng.uniform()
            if what < 0.35:  # windows or solar panels, a hand above the tiles
                solar = what < 0.18
                length, low, high = (
                    (size[0] * rng.uniform(0.3, 0.7), 0.25, 0.8) if solar else (1.1, 0.4, 0.6)
                )
                places = (
                    [0.0] if solar else rng.uniform(-0.35, 0.35, int(rng.integers(1, 4))) * size[0]
                )
                for shift in places:
                    quad = []
                    for a, b in ((-0.5, low), (0.5, low), (0.5, high), (-0.5, high)):
                        point = (
                            np.asarray(center)
                            + along * (shift + a * length)
                            + across * side * size[1] / 2 * (1 - b)
                        )
                        quad.append([*point, eaves + rise * b + 0.12])
                    builder.surface(
                        [quad], along, PLAIN, (0.10, 0.13, 0.24) if solar else (0.3, 0.36, 0.42)
                    )
            elif what < 0.6:  # dormers
                for shift in np.arange(-0.5, 0.5, 4.5 / size[0])[1:] * size[0]:
                    place = np.asarray(center) + along * shift + across * side * size[1] * 0.27
                    low = eaves + rise * 0.3
                    top = low + 1.7
                    outline = rectangle(place, (1.8, size[1] * 0.26), angle)
                    builder.walls(outline, low, top, PLAIN, wall * 0.9)
                    lid = np.concatenate(
                        [
                            rectangle(place, (2.2, size[1] * 0.3), angle),
                            np.full((4, 1), top + 0.05),
                        ],
                        1,
                    )
                    builder.surface([lid], along, roof_texture, roof_tint)

    def _flat_top(
        self, outline, center, size, angle, bottom, base, eaves, texture, wall, u0
    ) -> None:
        rng, builder = self.rng, self.builder
        builder.walls(outline, bottom, eaves + 0.5, texture, wall, u0, ground=base)
        inner = rectangle(center, np.subtract(size, 0.7), angle)
        builder.walls(inner[::-1], eaves, eaves + 0.5, PLAIN, wall)
        ring_in, ring_out = (
            np.concatenate([o, np.full((4, 1), eaves + 0.5)], 1) for o in (inner, outline)
        )
        following = [1, 2, 3, 0]
        rim = np.stack([ring_out, ring_out[following], ring_in[following], ring_in], 1)
        along = (np.cos(angle), np.sin(angle))
        builder.surface(rim, along, PLAIN, (0.7, 0.7, 0.7))
        tint = ROOF_TINTS[FLAT][rng.integers(3)] * rng.uniform(0.85, 1.1)
        lid = np.concatenate([inner, np.full((4, 1), eaves)], 1)
        builder.surface(
            [lid], along, FLAT + int(rng.choice(3, p=[0.5, 0.35, 0.15])), tint, rng.uniform(0, 25)
        )
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        for _ in range(int(size[0] * size[1] / 60) + 1):
            small = rng.uniform(0.9, 3.2, 2)
            if (np.subtract(size, small) < 3).any():
                continue
            place = (
                np.asarray(center)
                + (rng.uniform(-0.5, 0.5, 2) * (np.subtract(size, small) - 2)) @ turn
            )
            tint = rng.uniform(0.35, 0.95) * np.array([1, 1, 1.02])
            builder.box(place, small, angle, eaves, eaves + rng.uniform(0.3, 1.8), PLAIN, tint)
        if min(size) > 9 and rng.uniform() < 0.6:
            place = np.asarray(center) + (rng.uniform(-0.3, 0.3, 2) * np.asarray(size)) @ turn
            builder.box(place, (4, 3), angle, eaves, eaves + 2.8, PLAIN, np.asarray(wall) * 0.9)

    def wood(self, outline_K2, spacing: float, conifers: float = 0.3) -> None:
        """Trees all over a polygon."""
        from matplotlib.path import Path as Outline

        outline = np.asarray(outline_K2, float)
        low, high = outline.min(0), outline.max(0)
        grid = np.stack(
            np.meshgrid(np.arange(low[0], high[0], spacing), np.arange(low[1], high[1], spacing)),
            -1,
        ).reshape(-1, 2)
        if not len(grid):
            return
        grid += self.rng.uniform(-0.45, 0.45, grid.shape) * spacing
        for point in grid[Outline(outline).contains_points(grid)]:
            conifer = self.rng.uniform() < conifers
            radius = spacing * self.rng.uniform(0.45, 0.75)
            self.tree(point, radius * (0.75 if conifer else 1.0), "conifer" if conifer else "round")


def surroundings(land: Landscape, inner: float) -> None:
    """Fields, woods and farms from `inner` metres to the horizon, coarse: they are seen from far
    away."""
    rng = land.rng
    shape = bend(land.seed + 7, 25.0)
    side = FAR_HALF * 1.5
    for low, high in split_rectangle((-side, -side), (side, side), 70, rng):
        outline = shape(dense(corners(low, high), spacing=25))
        middle = outline.mean(0)
        if rng.uniform() < 0.16:
            land.ground.polygon(outline, np.array([62, 76, 42]) * rng.uniform(0.85, 1.15), "forest")
            if inner < np.abs(middle).max() < 900:
                land.wood(outline, 10 if np.abs(middle).max() < 500 else 18, conifers=0.35)
        else:
            field(land, outline, rng)
        if inner < np.abs(middle).max() < 800:
            for _ in range(int(rng.integers(0, 9))):
                place = outline[rng.integers(len(outline))] + rng.normal(0, 4, 2)
                if np.abs(place).max() > inner:
                    land.tree(place, rng.uniform(2.5, 5.5), "bush")
            if rng.uniform() < 0.15:
                size = rng.uniform(10, 18), rng.uniform(8, 11)
                land.building(middle + rng.normal(0, 15, 2), size, rng.uniform(0, 3), 2, "gable")


def field(land: Landscape, outline: np.ndarray, rng: np.random.Generator) -> None:
    """One field of a random crop."""
    colour, kind, spacing, depth = FIELDS[rng.integers(len(FIELDS))]
    land.ground.polygon(
        outline, np.array(colour) * rng.uniform(0.85, 1.12) * (1 + rng.normal(0, 0.03, 3)), kind
    )
    if spacing:
        edge = outline[len(outline) // 4] - outline[0]
        angle = float(np.arctan2(edge[1], edge[0])) + (np.pi / 2 if rng.uniform() < 0.3 else 0)
        land.ground.furrows(outline, angle, spacing * rng.uniform(0.85, 1.2), depth)
        if kind == "crop" and rng.uniform() < 0.6:  # tramlines
            land.ground.furrows(outline, angle, rng.uniform(14, 22), 0.07)
    middle = outline.mean(0)
    for _ in range(int(rng.integers(1, 4))):  # patches where something grows better or worse
        spot = middle + rng.normal(0, 0.2, 2) * (outline.max(0) - outline.min(0))
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radius = rng.uniform(3, 14) * (1 + 0.3 * rng.normal(size=14).clip(-1.5, 1.5))
        patch = spot + np.stack([np.cos(angles), np.sin(angles)], -1) * radius[:, None]
        land.ground.polygon(patch, np.array(colour) * rng.uniform(0.75, 1.2), kind)
