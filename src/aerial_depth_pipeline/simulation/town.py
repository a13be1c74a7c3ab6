"""A town: bent streets with markings, blocks of many kinds, houses with gardens, apartment blocks,
halls, a church, parks, parked cars."""

import numpy as np

from aerial_depth_pipeline.simulation.landscape import (
    METAL,
    SLATE,
    TREE_TINTS,
    WALL_TINTS,
    Landscape,
    all_textures,
    bend,
    corners,
    dense,
    split_rectangle,
    surroundings,
)
from aerial_depth_pipeline.simulation.meshes import Mesh, MeshBuilder, hip_roof
from aerial_depth_pipeline.simulation.terrain import NEAR_HALF, Ground, Terrain
from aerial_depth_pipeline.simulation.textures import Texture

_HALF = 250.0  # the built-up square before it is turned and bent
_LAWNS = np.array([[98, 114, 66], [112, 120, 76], [88, 104, 60], [122, 122, 82], [104, 112, 76]])
_PAVING = np.array(
    [[168, 162, 152], [150, 146, 142], [182, 170, 150], [140, 132, 124], [170, 150, 134]]
)


def build_town(seed: int) -> tuple[Mesh, list[Texture], float, list[np.ndarray]]:
    """Mesh, textures, half the side of the square that may be flown over, and the streets as
    polylines [K, 3]."""
    rng = np.random.default_rng([seed, 1])
    terrain = Terrain(seed, amplitude=rng.uniform(3.0, 8.0), wavelengths=(110.0, 800.0))
    land = Landscape(seed, terrain, Ground((118, 124, 72), "meadow"), MeshBuilder(), rng)
    surroundings(land, inner=NEAR_HALF * 0.98)
    roads = _Town(land, rng).build()
    land.finish()
    return (
        land.builder.mesh(),
        all_textures(land.ground, np.random.default_rng([seed, 2])),
        NEAR_HALF,
        roads,
    )


class _Town:
    """Lays out the blocks in a square and bends everything into place."""

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

    def build(self) -> list[np.ndarray]:
        rng, land = self.rng, self.land
        cuts: list = []
        widths = (13.0, 12.0, 9.5, 9.0, 7.5, 7.0, 6.5, 6.0)
        edge = np.array([_HALF, _HALF])
        blocks = list(
            split_rectangle(
                -edge, edge, self.block, rng, lambda depth: widths[min(depth, 7)], cuts=cuts
            )
        )
        tone = rng.uniform(88, 118)
        self.area(-edge - 6, edge + 6, np.array([1.0, 0.99, 0.98]) * tone, "asphalt")
        roads = []
        for start, end, width in cuts:
            roads.append(self._street(start, end, width, tone))
        for low, high in blocks:
            self._block(low, high)
        for start, end, width in cuts:
            self._parked(start, end, width)
        return [np.concatenate([r, land.height(r)[:, None]], 1) for r in roads]

    def _street(self, start, end, width, tone) -> np.ndarray:
        """Patches and markings of one street; returns its middle line."""
        rng, ground = self.rng, self.land.ground
        length = np.linalg.norm(end - start)
        along = (end - start) / length
        across = np.array([-along[1], along[0]])
        for _ in range(int(length / 14)):  # repairs, each of its own age
            middle = (
                start + along * rng.uniform(0, length) + across * rng.uniform(-0.4, 0.4) * width
            )
            size = np.array([rng.uniform(1.5, 14), rng.uniform(0.8, width * 0.5)])
            patch = middle + (corners(-size / 2, size / 2) @ np.stack([along, across]))
            ground.polygon(self.bend(patch), tone * rng.uniform(0.7, 1.25) * np.ones(3), "asphalt")
        line = self.bend(dense(np.stack([start, end]), closed=False))
        white = np.array([216, 214, 206])
        if width > 7.2:
            dashes = np.arange(2, length - 5, 6.0)
            for offset in dashes:
                ground.line(
                    self.bend(np.stack([start + along * offset, start + along * (offset + 3)])),
                    0.22,
                    white,
                    "paint",
                )
        for side in (-1, 1):
            curb = np.stack([start, end]) + across * side * (width / 2 - 0.1)
            ground.line(
                self.bend(dense(curb, closed=False)), 0.3, np.array([176, 174, 168]), "paving"
            )
            if width > 9:
                border = np.stack([start, end]) + across * side * (width / 2 - 2.3)
                for offset in np.arange(0, length - 6, 5.5):
                    begin = border[0] + along * offset
                    ground.line(
                        self.bend(np.stack([begin, begin + across * side * 2.0])),
                        0.18,
                        white,
                        "paint",
                    )
        for place in (0.04, 0.96):
            if rng.uniform() < 0.6 and width > 6.5:
                for offset in np.arange(-width / 2 + 0.8, width / 2 - 0.4, 1.0):
                    begin = start + along * length * place + across * offset
                    ground.line(
                        self.bend(np.stack([begin - along * 1.5, begin + along * 1.5])),
                        0.5,
                        white,
                        "paint",
                    )
        return line

    def _parked(self, start, end, width) -> None:
        rng = self.rng
        if width < 6.4:
            return
        length = np.linalg.norm(end - start)
        along = (end - start) / length
        across = np.array([-along[1], along[0]])
        share = rng.uniform(0.15, 0.7)
        for side in (-1, 1):
            for offset in np.arange(6, length - 6, 5.8):
                if rng.uniform() < share:
                    place = (
                        start
                        + along * (offset + rng.uniform(-0.3, 0.3))
                        + across * side * (width / 2 - 1.15)
                    )
                    angle = (
                        self.heading(place, np.arctan2(along[1], along[0]))
                        + rng.normal(0, 0.02)
                        + (np.pi if side > 0 else 0)
                    )
                    self.land.car(self.at(place), angle)

    def _block(self, low, high) -> None:
        rng = self.rng
        self.area(low, high, _PAVING[rng.integers(len(_PAVING))], "paving")
        size = high - low
        middle = (low + high) / 2
        central = 1 - np.linalg.norm(middle) / (_HALF * 1.3)
        urban = np.clip(self.density * 0.6 + central * 0.6 + rng.normal(0, 0.18), 0, 1)
        lot = rng.uniform()
        inner_low, inner_high = low + 1.8, high - 1.8
        if lot < 0.07:
            self._park(inner_low, inner_high)
        elif lot < 0.13:
            self._commerce(inner_low, inner_high)
        elif lot < 0.17 and min(size) > 40:
            self._church(inner_low, inner_high)
        elif urban > 0.62:
            self._perimeter(inner_low, inner_high, urban)
        elif urban > 0.5:
            self._slabs(inner_low, inner_high, urban)
        else:
            self._gardens(inner_low, inner_high)
        for side in range(4):  # street trees
            if rng.uniform() < 0.45:
                a, b = corners(low + 0.9, high - 0.9)[[side, (side + 1) % 4]]
                length = np.linalg.norm(b - a)
                radius = rng.uniform(1.4, 2.6)
                tint = TREE_TINTS[rng.integers(len(TREE_TINTS))]
                for offset in np.arange(5, length - 4, rng.uniform(9, 15)):
                    if rng.uniform() < 0.85:
                        point = self.at(a + (b - a) * offset / length)
                        self.land.tree(
                            point,
                            radius * rng.uniform(0.8, 1.2),
                            tint=tint * rng.uniform(0.85, 1.15),
                            lift=1.2,
                        )

    def _house(self, middle, size, angle, storeys, roof, **more) -> float:
        return self.land.building(
            self.at(middle), size, self.heading(middle, angle), storeys, roof, **more
        )

    def _gardens(self, low, high) -> None:
        """Detached houses, each on its plot."""
        rng, land = self.rng, self.land
        size = high - low
        axis = int(size[1] > size[0])  # the street side
        across = 1 - axis
        rows = 2 if size[across] > 30 else 1
        plot_depth = size[across] / rows
        for row in range(rows):
            position = low[axis]
            while position < high[axis] - 9:
                width = min(rng.uniform(13, 21), high[axis] - position)
                if high[axis] - position - width < 10:
                    width = high[axis] - position
                plot_low, plot_high = np.empty(2), np.empty(2)
                plot_low[axis], plot_high[axis] = position, position + width
                plot_low[across], plot_high[across] = (
                    low[across] + row * plot_depth,
                    low[across] + (row + 1) * plot_depth,
                )
                self._plot(plot_low, plot_high, axis, front_low=(row == 0))
                position += width
        if rows == 2 and rng.uniform() < 0.5:
            middle = (low + high) / 2
            start, end = middle.copy(), middle.copy()
            start[axis], end[axis] = low[axis], high[axis]
            land.hedge(self.at(start), self.at(end), rng.uniform(1.0, 1.8))

    def _plot(self, low, high, axis, front_low) -> None:
        rng, land = self.rng, self.land
        across = 1 - axis
        self.area(low, high, _LAWNS[rng.integers(len(_LAWNS))] * rng.uniform(0.85, 1.15), "grass")
        width, depth = high[axis] - low[axis], high[across] - low[across]
        direction = np.pi / 2 if axis else 0.0
        house = np.array(
            [min(width - 4.5, rng.uniform(8.5, 13)), min(depth * 0.5, rng.uniform(7.5, 10))]
        )
        setback = rng.uniform(3.5, max(3.6, min(7, depth - house[1] - 2)))
        middle = np.empty(2)
        middle[axis] = (low[axis] + high[axis]) / 2 + rng.uniform(-0.5, 0.5) * max(
            width - house[0] - 4, 0
        )
        front = low[across] if front_low else high[across]
        inward = 1 if front_low else -1
        middle[across] = front + inward * (setback + house[1] / 2)
        # Drive, path, terrace, beds.
        drive_low, drive_high = np.empty(2), np.empty(2)
        left = rng.uniform() < 0.5
        drive_low[axis] = low[axis] + 0.3 if left else high[axis] - 3.3
        drive_high[axis] = drive_low[axis] + 3.0
        drive_low[across], drive_high[across] = sorted((front, front + inward * (setback + 4)))
        self.area(
            drive_low,
            drive_high,
            _PAVING[rng.integers(len(_PAVING))] * rng.uniform(0.75, 1.05),
            "paving",
        )
        terrace = np.array([rng.uniform(3, 7), rng.uniform(2.5, 4)])[
            [axis, across] if axis == 0 else [1, 0]
        ]
        spot = middle.copy()
        spot[across] += inward * (house[1] / 2 + 1.5)
        self.area(
            spot - terrace / 2, spot + terrace / 2, _PAVING[rng.integers(len(_PAVING))], "paving"
        )
        for _ in range(int(rng.integers(1, 5))):
            bed = rng.uniform(low + 1, high - 1)
            self.area(
                bed - rng.uniform(0.5, 1.8, 2),
                bed + rng.uniform(0.5, 1.8, 2),
                np.array([96, 78, 58]) * rng.uniform(0.8, 1.4),
                "soil",
            )
        back = middle.copy()
        back[across] += inward * (house[1] / 2 + rng.uniform(4.5, 7))
        if rng.uniform() < 0.10:
            self.area(back - [3.2, 2.2], back + [3.2, 2.2], (190, 188, 180), "paving")
            self.area(back - [2.6, 1.6], back + [2.6, 1.6], (70, 150, 178), "water")
        roof = str(rng.choice(["gable", "gable", "hip", "flat"], p=[0.45, 0.2, 0.25, 0.1]))
        storeys = int(rng.choice([1, 2, 2, 3], p=[0.3, 0.3, 0.3, 0.1]))
        wall = self.walls[rng.integers(len(self.walls))] * rng.uniform(0.88, 1.05)
        turned = rng.uniform() < 0.3
        footprint, angle = (house[::-1], direction + np.pi / 2) if turned else (house, direction)
        self._house(middle, footprint, angle, storeys, roof, wall=wall)
        if rng.uniform() < 0.3 and roof != "flat":  # a wing
            wing = middle.copy()
            wing[axis] += rng.choice([-1, 1]) * house[0] * 0.25
            wing[across] += inward * house[1] * 0.45
            self._house(
                wing,
                np.array([house[1] * 0.9, house[0] * 0.45]),
                direction + np.pi / 2,
                max(1, storeys - 1),
                "gable",
                wall=wall,
            )
        garage = (drive_low + drive_high) / 2
        garage[across] = front + inward * (setback + 5)
        if rng.uniform() < 0.5:
            self._house(
                garage,
                (3.0, 5.5) if axis == 0 else (5.5, 3.0),
                0.0,
                1,
                "flat",
                wall=wall,
                facade_kind=0,
            )
        if rng.uniform() < 0.6:
            garage[across] = front + inward * rng.uniform(2.6, 4.5)
            land.car(self.at(garage), self.heading(garage, direction + np.pi / 2))
        if rng.uniform() < 0.35:
            shed = np.where(rng.uniform(size=2) < 0.5, low + 2.2, high - 2.2)
            shed[across] = (high if front_low else low)[across] - inward * 2.2
            self._house(
                shed,
                rng.uniform(2, 3.4, 2),
                direction,
                1,
                "gable",
                wall=np.array([0.5, 0.36, 0.26]),
                roof_choice=METAL,
            )
        # Hedges along the sides, trees and bushes.
        for side in (low, high):
            if rng.uniform() < 0.4:
                start, end = low.copy(), high.copy()
                start[axis] = end[axis] = side[axis]
                land.hedge(self.at(start), self.at(end), rng.uniform(0.8, 1.6))
        for _ in range(int(rng.integers(1, 6))):
            place = rng.uniform(low + 1, high - 1)
            if (
                np.abs(place - middle)[axis] > house[0] / 2 + 1.5
                or np.abs(place - middle)[across] > house[1] / 2 + 1.5
            ):
                shape = str(rng.choice(["broad", "broad", "bush", "conifer"]))
                radius = {
                    "broad": rng.uniform(1.4, 3.4),
                    "bush": rng.uniform(0.6, 1.3),
                    "conifer": rng.uniform(1.2, 2.2),
                }[shape]
                land.tree(self.at(place), radius, shape)

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
            _LAWNS[rng.integers(len(_LAWNS))] if rng.uniform() < 0.6 else _PAVING[rng.integers(5)],
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
                    _LAWNS[rng.integers(len(_LAWNS))] * rng.uniform(0.75, 1.15),
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
                    _PAVING[rng.integers(len(_PAVING))] * rng.uniform(0.6, 1.05),
                    "paving",
                )
                if rng.uniform() < 0.7:
                    land.car(self.at(middle), self.heading(middle, rng.choice([0, np.pi / 2])))
            else:
                self.area(
                    strip_low,
                    strip_high,
                    _PAVING[rng.integers(len(_PAVING))] * rng.uniform(0.6, 0.9),
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
        self.area(low, high, _LAWNS[rng.integers(len(_LAWNS))] * 0.95, "grass")
        axis = int(size[1] > size[0])
        across = 1 - axis
        for _ in range(3):
            start, end = rng.uniform(low, high), rng.uniform(low, high)
            start[axis], end[axis] = low[axis], high[axis]
            land.ground.line(
                self.bend(dense(np.stack([start, end]), closed=False)),
                2.0,
                _PAVING[rng.integers(5)],
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
        base = _PAVING[rng.integers(len(_PAVING))]
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
        self.area(low + 2, low + 14, _LAWNS[0], "grass")
        self.area(high - 14, high - 2, _LAWNS[1], "grass")

    def _park(self, low, high) -> None:
        """Lawns of several ages, winding paths, beds, trees."""
        rng, land = self.rng, self.land
        self.area(low, high, _LAWNS[rng.integers(len(_LAWNS))], "grass")
        size = high - low
        for _ in range(5):
            middle = rng.uniform(low, high)
            angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            blob = middle + np.stack([np.cos(angles), np.sin(angles)], -1) * rng.uniform(3, 9) * (
                1 + 0.2 * rng.normal(size=(16, 1))
            )
            blob = np.clip(blob, low, high)
            land.ground.polygon(
                self.bend(blob),
                _LAWNS[rng.integers(len(_LAWNS))] * rng.uniform(0.75, 1.25),
                "meadow",
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
