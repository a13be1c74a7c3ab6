"""Blocks of a town that are not gardens: perimeter blocks, slabs, commerce, a church, parks."""

import numpy as np

from aerial_depth_pipeline.simulation.houses import sloping_roof
from aerial_depth_pipeline.simulation.landscape import Landscape
from aerial_depth_pipeline.simulation.layout import (
    bend,
    corners,
    dense,
    oriented,
    plots,
    split_rectangle,
    unit,
)
from aerial_depth_pipeline.simulation.palette import LAWNS, METAL, PAVING, SLATE, WALL_TINTS


class TownBlocks:
    """A town's plan, bent and turned onto the land, and what stands on single blocks of it."""

    def __init__(self, land: Landscape) -> None:
        self.land, self.rng = land, land.rng
        self.bend = bend(land.seed, 9.0)
        self.block = self.rng.uniform(46, 62)
        self.density = self.rng.uniform(0.25, 0.8)  # from a garden suburb to a city
        self.walls = self.rng.permutation(WALL_TINTS)[: self.rng.integers(4, 8)]

    def heading(self, point_2, angle: float) -> float:
        """The angle in the world of a direction in the layout."""
        step = unit(angle)
        moved = self.bend(point_2 + step) - self.bend(point_2 - step)
        return float(np.arctan2(moved[1], moved[0]))

    def area(self, low, high, colour, kind: str) -> None:
        self.land.ground.polygon(self.bend(dense(corners(low, high))), colour, kind)

    def line(self, points_K2, width: float, colour, kind: str) -> None:
        self.land.ground.line(self.bend(points_K2), width, colour, kind)

    def house(self, middle, size, angle: float, storeys: int, roof: str, **more) -> float:
        place = self.bend(middle), size, self.heading(middle, angle)
        return self.land.building(*place, storeys, roof, **more)

    def _perimeter(self, low, high, urban) -> None:
        """Houses wall to wall along the street around a yard."""
        rng = self.rng
        depth = rng.uniform(10, 12.5)
        if min(high - low) < 2 * depth + 8:
            self._slabs(low, high, urban)
            return
        yard = rng.choice(LAWNS if rng.uniform() < 0.6 else PAVING)
        self.area(low + depth, high - depth, yard, "paving")
        for side in range(4):
            axis = side % 2
            across, inset = 1 - axis, depth * axis
            line = (low[across] + depth / 2) if side < 2 else (high[across] - depth / 2)
            row = plots(low[axis] + inset, high[axis] - inset, (8, 18), 6, rng)
            for position, width in row:
                if rng.uniform() > 0.07:
                    middle = oriented(axis, position + width / 2, line)
                    storeys = int(np.clip(round(2.8 + 3.6 * urban + rng.normal(0, 1.1)), 2, 8))
                    roof = rng.choice(["gable", "flat", "hip"], p=[0.68, 0.24, 0.08])
                    wall = rng.choice(self.walls) * rng.uniform(0.85, 1.05)
                    size = (width + 0.05, depth)
                    self.house(middle, size, axis * np.pi / 2, storeys, roof, wall=wall)
        self._yard(low + depth + 1.5, high - depth - 1.5)

    def _yard(self, yard_low, yard_high) -> None:
        """The inside of a block: strips of garden, sheds, workshops, trees, cars."""
        rng, land = self.rng, self.land
        for low, high in split_rectangle(yard_low, yard_high, rng.uniform(6, 10), rng):
            lot, middle = rng.uniform(), (low + high) / 2
            if lot < 0.45:
                self.area(low, high, rng.choice(LAWNS) * rng.uniform(0.75, 1.15), "grass")
                for _ in range(rng.integers(1, 4)):
                    bed, extent = rng.uniform(low, high), rng.uniform(0.5, 1.8, 2)
                    soil = np.array([96, 78, 58]) * rng.uniform(0.8, 1.5)
                    bed_low, bed_high = (
                        np.maximum(bed - extent, low),
                        np.minimum(bed + extent, high),
                    )
                    self.area(bed_low, bed_high, soil, "soil")
                shape = rng.choice(["broad", "bush", "conifer"], p=[0.6, 0.25, 0.15])
                place = self.bend(rng.uniform(low, high))
                land.tree(place, rng.uniform(0.8, 1.4) * (1 if shape == "bush" else 2.2), shape)
            elif lot < 0.72:
                self.area(low, high, rng.choice(PAVING) * rng.uniform(0.6, 1.05), "paving")
                if rng.uniform() < 0.7:
                    angle = self.heading(middle, rng.choice([0, np.pi / 2]))
                    land.car(self.bend(middle), angle)
            else:
                self.area(low, high, rng.choice(PAVING) * rng.uniform(0.6, 0.9), "paving")
                roof = rng.choice(["flat", "gable"])
                size = (high - low) * rng.uniform(0.6, 0.95, 2)
                self.house(middle, size, 0.0, int(rng.integers(1, 3)), roof)

    def _slabs(self, low, high, urban) -> None:
        """Apartment blocks on lawns with paths and a car park."""
        rng, size = self.rng, high - low
        self.area(low, high, rng.choice(LAWNS) * 0.95, "grass")
        axis = int(size[1] > size[0])
        across = 1 - axis
        for _ in range(3):
            start, end = rng.uniform(low, high), rng.uniform(low, high)
            start[axis], end[axis] = low[axis], high[axis]
            self.line(dense([start, end], closed=False), 2.0, rng.choice(PAVING), "paving")
        lot_end = low[axis] + min(17.0, size[axis] * 0.35)
        self._car_park(low, oriented(axis, lot_end, high[across]), across)
        storeys = int(np.clip(round(4 + 6 * urban + rng.normal(0, 1.5)), 3, 11))
        count = max(1, int(size[across] // 24))
        length = size[axis] * 0.6 - 6
        for index in range(count):
            aside = low[across] + size[across] * (index + 0.5) / count + rng.uniform(-1, 1)
            middle = oriented(axis, high[axis] - 4 - length / 2, aside)
            slab = (length, rng.uniform(11, 13.5))
            roof = "flat" if rng.uniform() < 0.75 else "hip"
            wall = rng.choice(self.walls)
            self.house(middle, slab, axis * np.pi / 2, storeys, roof, wall=wall)
        for _ in range(int(size[0] * size[1] / 160)):
            place, radius = rng.uniform(low + 1, high - 1), rng.uniform(1.5, 3.8)
            self.land.tree(self.bend(place), radius, rng.choice(["broad", "broad", "bush"]))

    def _car_park(self, low, high, axis: int) -> None:
        """Bays along `axis` with cars in some of them."""
        rng, across = self.rng, 1 - axis
        self.area(low, high, np.ones(3) * rng.uniform(88, 125), "asphalt")
        full = rng.uniform(0.25, 0.85)
        for line in np.arange(low[across] + 0.5, high[across] - 5, 10.5):
            for position in np.arange(low[axis] + 1, high[axis] - 2.6, 2.6):
                bay = [oriented(axis, position, y) for y in (line, line + 4.8)]
                self.line(bay, 0.2, (214, 212, 204), "paint")
                if rng.uniform() < full:
                    place = (bay[0] + bay[1]) / 2
                    place[axis] += 1.3
                    angle = self.heading(place, across * np.pi / 2) + rng.normal(0, 0.03)
                    self.land.car(self.bend(place), angle)

    def _commerce(self, low, high) -> None:
        """A hall with a car park in front of it."""
        rng, size = self.rng, high - low
        axis = int(size[1] > size[0])
        across = 1 - axis
        split = low[axis] + size[axis] * rng.uniform(0.4, 0.55)
        self._car_park(low, oriented(axis, split, high[across]), across)
        hall_low = oriented(axis, split, low[across])
        self._flagged(hall_low, high)
        hall = np.minimum(high - hall_low - 6, oriented(axis, 62, 46))
        if min(hall) < 8:
            return
        storeys, roof = int(rng.integers(2, 4)), "flat" if rng.uniform() < 0.6 else "gable"
        look = {"roof_choice": METAL, "facade_kind": rng.choice([2, 5, 8])}
        self.house((hall_low + high) / 2, hall, 0.0, storeys, roof, **look)

    def _flagged(self, low, high) -> None:
        """A square of flagstones in fields of several tones, with darker joints."""
        rng = self.rng
        base = rng.choice(PAVING)
        self.area(low, high, base * 0.7, "paving")
        for flag in split_rectangle(low, high, rng.uniform(4, 8), rng, gaps=(0.4,)):
            self.area(*flag, base * rng.uniform(0.72, 1.08), "paving")

    def _church(self, low, high) -> None:
        """A church with its tower on a square with trees."""
        rng, land = self.rng, self.land
        self._flagged(low, high)
        middle, size = (low + high) / 2, high - low
        angle = 0.0 if size[0] > size[1] else np.pi / 2
        look = {"wall": np.array([0.86, 0.8, 0.7]) * rng.uniform(0.8, 1.1), "facade_kind": 4}
        self.house(middle, (25, 12), angle, 3, "gable", roof_choice=SLATE, **look)
        tower, plan = middle + unit(angle) * 15, (6.5, 6.5)
        eaves = self.house(tower, plan, angle, 6, "flat", **look) + 0.5
        spire = self.bend(tower), plan, self.heading(tower, angle), eaves, 8.0
        tint = (0.34, 0.42, 0.4)
        sloping_roof(land.builder, *spire, SLATE, tint, hip=True, overhang=0.1)
        for _ in range(40):
            place = rng.uniform(low + 2, high - 2)
            if np.abs(place - middle).max() > 20 or np.abs(place - middle).min() > 10:
                land.tree(self.bend(place), rng.uniform(2, 4))
        self.area(low + 2, low + 14, LAWNS[0], "grass")
        self.area(high - 14, high - 2, LAWNS[1], "grass")

    def _park(self, low, high) -> None:
        """Lawns of several ages, winding paths, beds, trees."""
        rng, land, size = self.rng, self.land, high - low
        self.area(low, high, rng.choice(LAWNS), "grass")
        rays = unit(np.linspace(0, 2 * np.pi, 16, endpoint=False))
        for _ in range(5):
            middle = rng.uniform(low, high)
            blob = middle + rays * rng.uniform(3, 9) * (1 + 0.2 * rng.normal(size=(16, 1)))
            lawn = rng.choice(LAWNS) * rng.uniform(0.75, 1.25)
            land.ground.polygon(self.bend(np.clip(blob, low, high)), lawn, "meadow")
        t = np.linspace(0, 1, 24)[:, None]
        for _ in range(3):
            points = rng.uniform(low, high, (4, 2))
            points[0][0], points[-1][0] = low[0], high[0]
            curve = (
                (1 - t) ** 3 * points[0]
                + 3 * (1 - t) ** 2 * t * points[1]
                + 3 * (1 - t) * t**2 * points[2]
                + t**3 * points[3]
            )
            self.line(curve, rng.uniform(1.8, 3), (186, 172, 146), "gravel")
        for _ in range(int(size[0] * size[1] / 90)):
            place = self.bend(rng.uniform(low + 1, high - 1))
            shape = rng.choice(["broad", "broad", "conifer", "bush"])
            land.tree(place, rng.uniform(1.8, 4.8) * (0.4 if shape == "bush" else 1), shape)
        self.house(rng.uniform(low + 8, high - 8), (7, 7), 0.3, 1, "hip")
