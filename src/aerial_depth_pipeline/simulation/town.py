"""A town: bent streets with markings, blocks of many kinds, houses with gardens, apartment blocks,
halls, a church, parks, parked cars."""

import numpy as np

from aerial_depth_pipeline.simulation.landscape import METAL, Landscape, surroundings
from aerial_depth_pipeline.simulation.layout import corners, dense, split_rectangle
from aerial_depth_pipeline.simulation.meshes import Mesh, MeshBuilder
from aerial_depth_pipeline.simulation.palette import LAWNS, PAVING, TREE_TINTS, all_textures
from aerial_depth_pipeline.simulation.terrain import NEAR_HALF, Ground, Terrain
from aerial_depth_pipeline.simulation.textures import Texture
from aerial_depth_pipeline.simulation.town_blocks import TownBlocks

_HALF = 250.0  # the built-up square before it is turned and bent


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


class _Town(TownBlocks):
    """Lays out the blocks in a square and bends everything into place."""

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
        self.area(low, high, PAVING[rng.integers(len(PAVING))], "paving")
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
        self.area(low, high, LAWNS[rng.integers(len(LAWNS))] * rng.uniform(0.85, 1.15), "grass")
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
            PAVING[rng.integers(len(PAVING))] * rng.uniform(0.75, 1.05),
            "paving",
        )
        terrace = np.array([rng.uniform(3, 7), rng.uniform(2.5, 4)])[
            [axis, across] if axis == 0 else [1, 0]
        ]
        spot = middle.copy()
        spot[across] += inward * (house[1] / 2 + 1.5)
        self.area(
            spot - terrace / 2, spot + terrace / 2, PAVING[rng.integers(len(PAVING))], "paving"
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
