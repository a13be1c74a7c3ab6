"""Blocks of a town that are not gardens: perimeter blocks, slabs, commerce, a church, parks."""

import numpy as np

from aerial_depth_pipeline.simulation.landscape import METAL, Landscape
from aerial_depth_pipeline.simulation.layout import bend, corners, dense, split_rectangle
from aerial_depth_pipeline.simulation.palette import LAWNS, PAVING, SLATE, WALL_TINTS
from aerial_depth_pipeline.simulation.roofs import hip_roof


class TownBlocks:
    """A town's plan, bent and turned onto the land, and what stands on single blocks of it."""

    def __init__(self, land: Landscape, rng: np.random.Generator) -> None:
        self.land, self.rng = land, rng
        self.bend = bend(land.seed, 9.0)
        self.block = rng.uniform(46, 62)
        self.density = rng.uniform(0.25, 0.8)  # from a garden suburb to a city
        self.walls = WALL_TINTS[rng.permutation(len(WALL_TINTS))[: int(rng.integers(4, 8))]]

    def at(self, point_2) -> np.ndarray:
        return self.bend(np.asarray(point_2, float))

    def heading(self, point_2, angle: float) -> float:
        """The angle in the world of a direction in the layout."""
        step = np.array([np.cos(angle), np.sin(angle)])
        moved = self.at(np.asarray(point_2) + step) - self.at(np.asarray(point_2) - step)
        return float(np.arctan2(moved[1], moved[0]))

    def area(self, low, high, colour, kind: str) -> None:
        self.land.ground.polygon(self.bend(dense(corners(low, high))), colour, kind)

    def _house(self, middle, size, angle, storeys, roof, **more) -> float:
        return self.land.building(
            self.at(middle), size, self.heading(middle, angle), storeys, roof, **more
        )

    def _perimeter(self, low, high, urban) -> None:
        """Houses wall to wall along the street around a yard."""
        rng = self.rng
        depth = rng.uniform(10, 12.5)
        size = high - low
        if min(size) < 2 * depth + 8:
            self._slabs(low, high, urban)
            return
        self.area(
            low + depth,
            high - depth,
            LAWNS[rng.integers(len(LAWNS))] if rng.uniform() < 0.6 else PAVING[rng.integers(5)],
            "paving",
        )
        for side in range(4):
            axis = side % 2
            across = 1 - axis
            start, end = (
                (low[axis], high[axis]) if axis == 0 else (low[axis] + depth, high[axis] - depth)
            )
            line = (low[across] + depth / 2) if side < 2 else (high[across] - depth / 2)
            position = start
            while position < end - 3:
                width = min(rng.uniform(8, 18), end - position)
                if end - position - width < 6:
                    width = end - position
                if rng.uniform() > 0.07:
                    middle = np.empty(2)
                    middle[axis], middle[across] = position + width / 2, line
                    storeys = int(np.clip(round(2.8 + 3.6 * urban + rng.normal(0, 1.1)), 2, 8))
                    roof = str(rng.choice(["gable", "flat", "hip"], p=[0.68, 0.24, 0.08]))
                    wall = self.walls[rng.integers(len(self.walls))] * rng.uniform(0.85, 1.05)
                    self._house(
                        middle,
                        (width + 0.05, depth),
                        np.pi / 2 if axis else 0.0,
                        storeys,
                        roof,
                        wall=wall,
                    )
                position += width
        yard_low, yard_high = low + depth + 1.5, high - depth - 1.5
        self._yard(yard_low, yard_high)

    def _yard(self, low, high) -> None:
        """The inside of a block: strips of garden, sheds, workshops, trees, cars."""
        rng, land = self.rng, self.land
        for strip_low, strip_high in split_rectangle(low, high, rng.uniform(6, 10), rng):
            lot, middle, size = rng.uniform(), (strip_low + strip_high) / 2, strip_high - strip_low
            if lot < 0.45:
                self.area(
                    strip_low,
                    strip_high,
                    LAWNS[rng.integers(len(LAWNS))] * rng.uniform(0.75, 1.15),
                    "grass",
                )
                for _ in range(int(rng.integers(1, 4))):
                    bed = rng.uniform(strip_low, strip_high)
                    extent = rng.uniform(0.5, 1.8, 2)
                    soil = np.array([96, 78, 58]) * rng.uniform(0.8, 1.5)
                    self.area(
                        np.maximum(bed - extent, strip_low),
                        np.minimum(bed + extent, strip_high),
                        soil,
                        "soil",
                    )
                shape = str(rng.choice(["broad", "bush", "conifer"], p=[0.6, 0.25, 0.15]))
                land.tree(
                    self.at(rng.uniform(strip_low, strip_high)),
                    rng.uniform(0.8, 1.4) * (1 if shape == "bush" else 2.2),
                    shape,
                )
            elif lot < 0.72:
                self.area(
                    strip_low,
                    strip_high,
                    PAVING[rng.integers(len(PAVING))] * rng.uniform(0.6, 1.05),
                    "paving",
                )
                if rng.uniform() < 0.7:
                    land.car(self.at(middle), self.heading(middle, rng.choice([0, np.pi / 2])))
            else:
                self.area(
                    strip_low,
                    strip_high,
                    PAVING[rng.integers(len(PAVING))] * rng.uniform(0.6, 0.9),
                    "paving",
                )
                roof = str(rng.choice(["flat", "gable"]))
                self._house(
                    middle, size * rng.uniform(0.6, 0.95, 2), 0.0, int(rng.integers(1, 3)), roof
                )

    def _slabs(self, low, high, urban) -> None:
        """Apartment blocks on lawns with paths and a car park."""
        rng, land = self.rng, self.land
        size = high - low
        self.area(low, high, LAWNS[rng.integers(len(LAWNS))] * 0.95, "grass")
        axis = int(size[1] > size[0])
        across = 1 - axis
        for _ in range(3):
            start, end = rng.uniform(low, high), rng.uniform(low, high)
            start[axis], end[axis] = low[axis], high[axis]
            land.ground.line(
                self.bend(dense(np.stack([start, end]), closed=False)),
                2.0,
                PAVING[rng.integers(5)],
                "paving",
            )
        lot_low, lot_high = low.copy(), high.copy()
        lot_high[axis] = low[axis] + min(17.0, size[axis] * 0.35)
        self._car_park(lot_low, lot_high, across)
        storeys = int(np.clip(round(4 + 6 * urban + rng.normal(0, 1.5)), 3, 11))
        count = max(1, int(size[across] // 24))
        length = size[axis] * 0.6 - 6
        for index in range(count):
            middle = np.empty(2)
            middle[axis] = high[axis] - 4 - length / 2
            middle[across] = low[across] + size[across] * (index + 0.5) / count + rng.uniform(-1, 1)
            slab = (length, rng.uniform(11, 13.5))
            roof = "flat" if rng.uniform() < 0.75 else "hip"
            wall = self.walls[rng.integers(len(self.walls))]
            self._house(middle, slab, np.pi / 2 if axis else 0.0, storeys, roof, wall=wall)
        for _ in range(int(size[0] * size[1] / 160)):
            place = rng.uniform(low + 1, high - 1)
            land.tree(
                self.at(place), rng.uniform(1.5, 3.8), str(rng.choice(["broad", "broad", "bush"]))
            )

    def _car_park(self, low, high, axis) -> None:
        """Bays along `axis` with cars in some of them."""
        rng, land = self.rng, self.land
        self.area(low, high, np.ones(3) * rng.uniform(88, 125), "asphalt")
        across = 1 - axis
        full = rng.uniform(0.25, 0.85)
        for line in np.arange(low[across] + 0.5, high[across] - 5, 10.5):
            for position in np.arange(low[axis] + 1, high[axis] - 2.6, 2.6):
                start, end = np.empty(2), np.empty(2)
                start[axis] = end[axis] = position
                start[across], end[across] = line, line + 4.8
                land.ground.line(self.bend(np.stack([start, end])), 0.2, (214, 212, 204), "paint")
                if rng.uniform() < full:
                    place = (start + end) / 2
                    place[axis] += 1.3
                    angle = self.heading(place, 0.0 if across == 0 else np.pi / 2) + rng.normal(
                        0, 0.03
                    )
                    land.car(self.at(place), angle)

    def _commerce(self, low, high) -> None:
        """A hall with a car park in front of it."""
        rng = self.rng
        size = high - low
        axis = int(size[1] > size[0])
        split = low[axis] + size[axis] * rng.uniform(0.4, 0.55)
        lot_high, hall_low = high.copy(), low.copy()
        lot_high[axis], hall_low[axis] = split, split
        self._car_park(low, lot_high, 1 - axis)
        self._flagged(hall_low, high)
        hall = np.minimum(high - hall_low - 6, np.array([62.0, 46.0])[[axis, 1 - axis]])
        if min(hall) < 8:
            return
        middle = (hall_low + high) / 2
        storeys = int(rng.integers(2, 4))
        roof = "flat" if rng.uniform() < 0.6 else "gable"
        self._house(
            middle,
            hall,
            0.0,
            storeys,
            roof,
            roof_choice=METAL,
            facade_kind=int(rng.choice([2, 5, 8])),
        )

    def _flagged(self, low, high) -> None:
        """A square of flagstones in fields of several tones, with darker joints."""
        rng = self.rng
        base = PAVING[rng.integers(len(PAVING))]
        self.area(low, high, base * 0.7, "paving")
        for field_low, field_high in split_rectangle(
            low, high, rng.uniform(4, 8), rng, lambda depth: 0.4
        ):
            self.area(field_low, field_high, base * rng.uniform(0.72, 1.08), "paving")

    def _church(self, low, high) -> None:
        """A church with its tower on a square with trees."""
        rng, land = self.rng, self.land
        self._flagged(low, high)
        middle = (low + high) / 2
        angle = 0.0 if (high - low)[0] > (high - low)[1] else np.pi / 2
        wall = np.array([0.86, 0.8, 0.7]) * rng.uniform(0.8, 1.1)
        self._house(
            middle, (25, 12), angle, 3, "gable", wall=wall, roof_choice=SLATE, facade_kind=4
        )
        tower = middle + np.array([np.cos(angle), np.sin(angle)]) * 15
        eaves = self._house(tower, (6.5, 6.5), angle, 6, "flat", wall=wall, facade_kind=4)
        tint = np.array([0.34, 0.42, 0.4])
        hip_roof(
            land.builder,
            self.at(tower),
            (6.5, 6.5),
            self.heading(tower, angle),
            eaves + 0.5,
            8.0,
            SLATE,
            tint,
            overhang=0.1,
        )
        for _ in range(40):
            place = rng.uniform(low + 2, high - 2)
            if np.abs(place - middle).max() > 20 or np.abs(place - middle).min() > 10:
                land.tree(self.at(place), rng.uniform(2, 4))
        self.area(low + 2, low + 14, LAWNS[0], "grass")
        self.area(high - 14, high - 2, LAWNS[1], "grass")

    def _park(self, low, high) -> None:
        """Lawns of several ages, winding paths, beds, trees."""
        rng, land = self.rng, self.land
        self.area(low, high, LAWNS[rng.integers(len(LAWNS))], "grass")
        size = high - low
        for _ in range(5):
            middle = rng.uniform(low, high)
            angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            blob = middle + np.stack([np.cos(angles), np.sin(angles)], -1) * rng.uniform(3, 9) * (
                1 + 0.2 * rng.normal(size=(16, 1))
            )
            blob = np.clip(blob, low, high)
            land.ground.polygon(
                self.bend(blob), LAWNS[rng.integers(len(LAWNS))] * rng.uniform(0.75, 1.25), "meadow"
            )
        for _ in range(3):
            points = rng.uniform(low, high, (4, 2))
            points[0][0], points[-1][0] = low[0], high[0]
            t = np.linspace(0, 1, 24)[:, None]
            curve = (
                (1 - t) ** 3 * points[0]
                + 3 * (1 - t) ** 2 * t * points[1]
                + 3 * (1 - t) * t**2 * points[2]
                + t**3 * points[3]
            )
            land.ground.line(self.bend(curve), rng.uniform(1.8, 3), (186, 172, 146), "gravel")
        for _ in range(int(size[0] * size[1] / 90)):
            place = rng.uniform(low + 1, high - 1)
            shape = str(rng.choice(["broad", "broad", "conifer", "bush"]))
            land.tree(
                self.at(place), rng.uniform(1.8, 4.8) * (0.4 if shape == "bush" else 1), shape
            )
        pavilion = rng.uniform(low + 8, high - 8)
        self._house(pavilion, (7, 7), 0.3, 1, "hip")
