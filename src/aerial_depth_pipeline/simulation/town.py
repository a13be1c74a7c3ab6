"""A town: bent streets with markings, blocks of many kinds, houses with gardens, apartment blocks,
halls, a church, parks, parked cars."""

import numpy as np

from aerial_depth_pipeline.simulation.landscape import build_landscape
from aerial_depth_pipeline.simulation.layout import (
    corners,
    course,
    dense,
    oriented,
    plots,
    split_rectangle,
)
from aerial_depth_pipeline.simulation.meshes import Mesh
from aerial_depth_pipeline.simulation.palette import LAWNS, METAL, PAVING, TREE_TINTS
from aerial_depth_pipeline.simulation.textures import Texture
from aerial_depth_pipeline.simulation.town_blocks import TownBlocks

_HALF = 250.0  # the built-up square before it is turned and bent
_STREET_WIDTHS = (13.0, 12.0, 9.5, 9.0, 7.5, 7.0, 6.5, 6.0)  # from the first cut to the last
_WHITE = (216, 214, 206)
_GARDEN_TREES = {"broad": (1.4, 3.4), "bush": (0.6, 1.3), "conifer": (1.2, 2.2)}  # radius in metres


def build_town(seed: int) -> tuple[Mesh, list[Texture], float, list[np.ndarray]]:
    """What `build_landscape` makes of a town."""
    return build_landscape(
        seed, (3.0, 8.0), (110.0, 800.0), (118, 124, 72), lambda land: _Town(land).build()
    )


class _Town(TownBlocks):
    """Lays out the blocks in a square and bends everything into place."""

    def build(self) -> list[np.ndarray]:
        cuts: list = []
        edge = np.array([_HALF, _HALF])
        blocks = list(split_rectangle(-edge, edge, self.block, self.rng, _STREET_WIDTHS, cuts))
        tone = self.rng.uniform(88, 118)
        self.area(-edge - 6, edge + 6, np.array([1.0, 0.99, 0.98]) * tone, "asphalt")
        roads = [self._street(tone, *cut) for cut in cuts]
        for block in blocks:
            self._block(*block)
        for cut in cuts:
            self._parked(*cut)
        return roads

    def _street(self, tone: float, start, end, width: float) -> np.ndarray:
        """Patches and markings of one street; returns its middle line."""
        rng = self.rng
        length, along, across = course(start, end)
        for _ in range(int(length / 14)):  # repairs, each of its own age
            ahead, aside = rng.uniform(0, length), rng.uniform(-0.4, 0.4)
            middle = start + along * ahead + across * aside * width
            size = np.array([rng.uniform(1.5, 14), rng.uniform(0.8, width * 0.5)])
            patch = middle + (corners(-size / 2, size / 2) @ np.stack([along, across]))
            colour = tone * rng.uniform(0.7, 1.25) * np.ones(3)
            self.land.ground.polygon(self.bend(patch), colour, "asphalt")
        if width > 7.2:
            for offset in np.arange(2, length - 5, 6.0):
                dash = [start + along * offset, start + along * (offset + 3)]
                self.line(dash, 0.22, _WHITE, "paint")
        for outward in (-across, across):
            curb = np.stack([start, end]) + outward * (width / 2 - 0.1)
            self.line(dense(curb, closed=False), 0.3, (176, 174, 168), "paving")
            if width > 9:
                for offset in np.arange(0, length - 6, 5.5):
                    begin = start + outward * (width / 2 - 2.3) + along * offset
                    self.line([begin, begin + outward * 2.0], 0.18, _WHITE, "paint")
        for place in (0.04, 0.96):  # zebra crossings
            if rng.uniform() < 0.6 and width > 6.5:
                for offset in np.arange(-width / 2 + 0.8, width / 2 - 0.4, 1.0):
                    begin = start + along * length * place + across * offset
                    bar = [begin - along * 1.5, begin + along * 1.5]
                    self.line(bar, 0.5, _WHITE, "paint")
        return self.bend(dense([start, end], closed=False))

    def _parked(self, start, end, width: float) -> None:
        rng = self.rng
        if width < 6.4:
            return
        length, along, across = course(start, end)
        share, direction = rng.uniform(0.15, 0.7), np.arctan2(along[1], along[0])
        for outward, turn in ((-across, 0), (across, np.pi)):
            for offset in np.arange(6, length - 6, 5.8):
                if rng.uniform() < share:
                    ahead = along * (offset + rng.uniform(-0.3, 0.3))
                    place = start + ahead + outward * (width / 2 - 1.15)
                    angle = self.heading(place, direction) + rng.normal(0, 0.02) + turn
                    self.land.car(self.bend(place), angle)

    def _block(self, low, high) -> None:
        rng = self.rng
        self.area(low, high, rng.choice(PAVING), "paving")
        central = 1 - np.linalg.norm((low + high) / 2) / (_HALF * 1.3)
        urban = np.clip(self.density * 0.6 + central * 0.6 + rng.normal(0, 0.18), 0, 1)
        lot, inner = rng.uniform(), (low + 1.8, high - 1.8)
        if lot < 0.07:
            self._park(*inner)
        elif lot < 0.13:
            self._commerce(*inner)
        elif lot < 0.17 and min(high - low) > 40:
            self._church(*inner)
        elif urban > 0.62:
            self._perimeter(*inner, urban)
        elif urban > 0.5:
            self._slabs(*inner, urban)
        else:
            self._gardens(*inner)
        curb = corners(low + 0.9, high - 0.9)
        for a, b in zip(curb, np.roll(curb, -1, axis=0), strict=True):  # street trees
            if rng.uniform() < 0.45:
                length = np.linalg.norm(b - a)
                radius, tint = rng.uniform(1.4, 2.6), rng.choice(TREE_TINTS)
                for offset in np.arange(5, length - 4, rng.uniform(9, 15)):
                    if rng.uniform() < 0.85:
                        point = self.bend(a + (b - a) * offset / length)
                        size, shade = radius * rng.uniform(0.8, 1.2), rng.uniform(0.85, 1.15)
                        self.land.tree(point, size, tint=tint * shade, lift=1.2)

    def _gardens(self, low, high) -> None:
        """Detached houses, each on its plot."""
        rng, size = self.rng, high - low
        axis = int(size[1] > size[0])  # the street side
        across = 1 - axis
        rows = 2 if size[across] > 30 else 1
        depth = size[across] / rows
        for row in range(rows):
            near, far = low[across] + row * depth, low[across] + (row + 1) * depth
            for position, width in plots(low[axis], high[axis], (13, 21), 10, rng):
                plot = oriented(axis, position, near), oriented(axis, position + width, far)
                self._plot(*plot, axis, front_low=(row == 0))
        if rows == 2 and rng.uniform() < 0.5:
            middle = ((low + high) / 2)[across]
            self._hedge(axis, (low[axis], middle), (high[axis], middle), (1.0, 1.8))

    def _hedge(self, axis: int, start, end, heights: tuple[float, float]) -> None:
        """A hedge between two points given along and across the street."""
        start_2, end_2 = (self.bend(oriented(axis, *point)) for point in (start, end))
        self.land.hedge(start_2, end_2, self.rng.uniform(*heights))

    def _plot(self, low, high, axis: int, front_low: bool) -> None:
        rng, land = self.rng, self.land
        across, direction = 1 - axis, axis * np.pi / 2
        self.area(low, high, rng.choice(LAWNS) * rng.uniform(0.85, 1.15), "grass")
        width, depth = high[axis] - low[axis], high[across] - low[across]
        length = min(width - 4.5, rng.uniform(8.5, 13))
        house = np.array([length, min(depth * 0.5, rng.uniform(7.5, 10))])
        setback = rng.uniform(3.5, max(3.6, min(7, depth - house[1] - 2)))
        front, inward = (low[across], 1) if front_low else (high[across], -1)
        shift = rng.uniform(-0.5, 0.5) * max(width - house[0] - 4, 0)
        middle = oriented(
            axis, (low[axis] + high[axis]) / 2 + shift, front + inward * (setback + house[1] / 2)
        )
        # Drive, terrace, beds, a pool.
        drive = low[axis] + 0.3 if rng.uniform() < 0.5 else high[axis] - 3.3
        near, far = sorted((front, front + inward * (setback + 4)))
        colour = rng.choice(PAVING) * rng.uniform(0.75, 1.05)
        self.area(oriented(axis, drive, near), oriented(axis, drive + 3.0, far), colour, "paving")
        terrace = oriented(axis, rng.uniform(3, 7), rng.uniform(2.5, 4)) / 2
        spot = middle + oriented(axis, 0, inward * (house[1] / 2 + 1.5))
        self.area(spot - terrace, spot + terrace, rng.choice(PAVING), "paving")
        for _ in range(rng.integers(1, 5)):
            bed = rng.uniform(low + 1, high - 1)
            bed_low, bed_high = bed - rng.uniform(0.5, 1.8, 2), bed + rng.uniform(0.5, 1.8, 2)
            self.area(bed_low, bed_high, np.array([96, 78, 58]) * rng.uniform(0.8, 1.4), "soil")
        back = middle + oriented(axis, 0, inward * (house[1] / 2 + rng.uniform(4.5, 7)))
        if rng.uniform() < 0.10:
            self.area(back - [3.2, 2.2], back + [3.2, 2.2], (190, 188, 180), "paving")
            self.area(back - [2.6, 1.6], back + [2.6, 1.6], (70, 150, 178), "water")
        # The house and what belongs to it.
        roof = rng.choice(["gable", "gable", "hip", "flat"], p=[0.45, 0.2, 0.25, 0.1])
        storeys = rng.choice([1, 2, 2, 3], p=[0.3, 0.3, 0.3, 0.1])
        wall = rng.choice(self.walls) * rng.uniform(0.88, 1.05)
        turned = rng.uniform() < 0.3
        footprint, angle = (house[::-1], direction + np.pi / 2) if turned else (house, direction)
        self.house(middle, footprint, angle, storeys, roof, wall=wall)
        if rng.uniform() < 0.3 and roof != "flat":  # a wing
            aside = rng.choice([-1, 1]) * house[0] * 0.25
            wing = middle + oriented(axis, aside, inward * house[1] * 0.45)
            size, angle = np.array([house[1] * 0.9, house[0] * 0.45]), direction + np.pi / 2
            self.house(wing, size, angle, max(1, storeys - 1), "gable", wall=wall)
        drive = (drive + (drive + 3.0)) / 2
        if rng.uniform() < 0.5:
            garage = oriented(axis, drive, front + inward * (setback + 5))
            size = oriented(axis, 3.0, 5.5)
            self.house(garage, size, 0.0, 1, "flat", wall=wall, facade_kind=0)
        if rng.uniform() < 0.6:
            place = oriented(axis, drive, front + inward * rng.uniform(2.6, 4.5))
            land.car(self.bend(place), self.heading(place, direction + np.pi / 2))
        if rng.uniform() < 0.35:
            shed = np.where(rng.uniform(size=2) < 0.5, low + 2.2, high - 2.2)
            shed[across] = (high if front_low else low)[across] - inward * 2.2
            look = {"wall": np.array([0.5, 0.36, 0.26]), "roof_choice": METAL}
            self.house(shed, rng.uniform(2, 3.4, 2), direction, 1, "gable", **look)
        # Hedges along the sides, trees and bushes.
        for side in (low[axis], high[axis]):
            if rng.uniform() < 0.4:
                self._hedge(axis, (side, low[across]), (side, high[across]), (0.8, 1.6))
        for _ in range(rng.integers(1, 6)):
            place = rng.uniform(low + 1, high - 1)
            if (np.abs(place - middle) > oriented(axis, *house) / 2 + 1.5).any():
                shape = rng.choice(["broad", "broad", "bush", "conifer"])
                radii = {name: rng.uniform(*span) for name, span in _GARDEN_TREES.items()}
                land.tree(self.bend(place), radii[shape], shape)
