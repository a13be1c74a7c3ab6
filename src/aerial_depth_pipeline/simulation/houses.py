"""Houses: walls under flat, gable and hip roofs, and what stands on the roofs."""

from dataclasses import dataclass

import numpy as np

from aerial_depth_pipeline.simulation.layout import axes, left, rectangle, unit
from aerial_depth_pipeline.simulation.meshes import MeshBuilder, band, lifted
from aerial_depth_pipeline.simulation.palette import FLAT, METAL, PLAIN, ROOF_TINTS, SLATE, TILES


def sloping_roof(
    builder: MeshBuilder,
    center_2: np.ndarray,
    size_2,
    angle: float,
    eaves: float,
    rise: float,
    texture: int,
    tint,
    hip: bool,
    u0: float = 0.0,
    overhang: float = 0.5,
) -> None:
    """A gable roof, whose ridge runs along the first side, or a hip roof, whose ridge runs along
    the longer one: a pyramid where the sides are equal."""
    length, width = size_2
    if hip and length < width:
        length, width, angle = width, length, angle + np.pi / 2
    along = unit(angle)
    half = (length - width) / 2 if hip else length / 2 + overhang
    ridge = np.array([center_2 - along * half, center_2 + along * half])
    outline = rectangle(center_2, (length + 2 * overhang, width + 2 * overhang), angle)
    low = eaves - overhang * rise / (width / 2)
    slopes = band(lifted(outline, low), lifted(ridge[[0, 1, 1, 0]], eaves + rise))
    builder.surface(slopes[[0, 2]], along, texture, tint, u0)
    if hip:
        builder.surface(slopes[[1, 3]], left(along), texture, tint, u0)


@dataclass(frozen=True)
class House:
    """A turned box with windows, from `bottom` in the ground to its `eaves`; v = 0 of its façade
    lies at `base`. Heights in metres above the origin."""

    builder: MeshBuilder
    rng: np.random.Generator
    center_2: np.ndarray
    size_2: np.ndarray
    angle: float
    bottom: float
    base: float
    eaves: float
    facade: int
    wall: np.ndarray
    u0: float

    def _walls(self, top: float) -> None:
        outline = rectangle(self.center_2, self.size_2, self.angle)
        self.builder.walls(
            outline, self.bottom, top, self.facade, self.wall, self.u0, ground=self.base
        )

    def sloping_top(self, roof: str, material: int | None, extras: bool) -> None:
        """A `gable` or `hip` roof with chimneys; `extras` are dormers, windows and solar panels."""
        rng, builder, center, size = self.rng, self.builder, self.center_2, self.size_2
        angle, eaves = self.angle, self.eaves
        self._walls(eaves)
        if material is None:
            material = TILES if rng.uniform() < 0.75 else SLATE
        tint = rng.choice(ROOF_TINTS[material]) * rng.uniform(0.85, 1.15)
        texture = material + int(rng.integers(2)) if material == TILES else material
        steepness = rng.uniform(0.2, 0.4) if material == METAL else rng.uniform(0.55, 1.0)
        rise = min(size) / 2 * steepness
        hip = roof == "hip"
        sloping_roof(builder, center, size, angle, eaves, rise, texture, tint, hip, self.u0)
        along, across = axes(angle)
        if not hip:
            self._gables(along, rise)
        for _ in range(rng.integers(0, 3)):  # chimneys
            shift, side = rng.uniform(-0.3, 0.3) * size[0], rng.uniform(-0.3, 0.3) * size[1]
            place, top = center + along * shift + across * side, eaves + rise + 0.8
            builder.box(place, (0.7, 0.7), angle, eaves, top, PLAIN, (0.55, 0.36, 0.3))
        if extras:
            for outward in (-across, across):
                what = rng.uniform()
                if what < 0.35:
                    self._panes(along, outward, rise, solar=what < 0.18)
                elif what < 0.6:
                    self._dormers(along, outward, rise, texture, tint)

    def _gables(self, along: np.ndarray, rise: float) -> None:
        length, width = self.size_2
        ends = np.array([self.center_2 - along * length / 2, self.center_2 + along * length / 2])
        outline = rectangle(self.center_2, self.size_2, self.angle)
        top = lifted(ends[[0, 1, 1, 0]], self.eaves + rise)
        gables = band(lifted(outline, self.eaves), top)[[1, 3]]
        corners = np.array([[0, 0], [width, 0], [width / 2, rise], [width / 2, rise]])
        uv = np.array([corners] * 2) + [self.u0, 9.6]
        self.builder.quads(gables, uv, self.facade, self.wall)

    def _panes(self, along, outward, rise: float, solar: bool) -> None:
        """Windows or solar panels, a hand above the tiles."""
        rng, size = self.rng, self.size_2
        if solar:
            length, low, high, tint = size[0] * rng.uniform(0.3, 0.7), 0.25, 0.8, (0.10, 0.13, 0.24)
            places = [0.0]
        else:
            length, low, high, tint = 1.1, 0.4, 0.6, (0.3, 0.36, 0.42)
            places = rng.uniform(-0.35, 0.35, rng.integers(1, 4)) * size[0]
        for shift in places:
            quad = []
            for a, b in ((-0.5, low), (0.5, low), (0.5, high), (-0.5, high)):
                point = self.center_2 + along * (shift + a * length)
                point = point + outward * size[1] / 2 * (1 - b)
                quad.append([*point, self.eaves + rise * b + 0.12])
            self.builder.surface([quad], along, PLAIN, tint)

    def _dormers(self, along, outward, rise: float, texture: int, tint: np.ndarray) -> None:
        length, width = self.size_2
        low = self.eaves + rise * 0.3
        top = low + 1.7
        for shift in np.arange(-0.5, 0.5, 4.5 / length)[1:] * length:
            place = self.center_2 + along * shift + outward * width * 0.27
            outline = rectangle(place, (1.8, width * 0.26), self.angle)
            self.builder.walls(outline, low, top, PLAIN, self.wall * 0.9)
            lid = rectangle(place, (2.2, width * 0.3), self.angle)
            self.builder.surface([lifted(lid, top + 0.05)], along, texture, tint)

    def flat_top(self) -> None:
        """A flat roof behind a parapet, with chimneys, skylights and the top of a staircase."""
        rng, builder, center, size = self.rng, self.builder, self.center_2, self.size_2
        angle, eaves = self.angle, self.eaves
        rim = eaves + 0.5
        self._walls(rim)
        outer = rectangle(center, size, angle)
        inner = rectangle(center, np.subtract(size, 0.7), angle)
        builder.walls(inner[::-1], eaves, rim, PLAIN, self.wall)
        ring = band(lifted(outer, rim), lifted(inner, rim))
        builder.surface(ring, unit(angle), PLAIN, (0.7, 0.7, 0.7))
        tint = rng.choice(ROOF_TINTS[FLAT]) * rng.uniform(0.85, 1.1)
        texture = FLAT + int(rng.choice(3, p=[0.5, 0.35, 0.15]))
        builder.surface([lifted(inner, eaves)], unit(angle), texture, tint, rng.uniform(0, 25))
        turn = axes(angle)
        for _ in range(int(size[0] * size[1] / 60) + 1):
            small = rng.uniform(0.9, 3.2, 2)
            if (np.subtract(size, small) < 3).any():
                continue
            place = center + (rng.uniform(-0.5, 0.5, 2) * (np.subtract(size, small) - 2)) @ turn
            tint = rng.uniform(0.35, 0.95) * np.array([1, 1, 1.02])
            builder.box(place, small, angle, eaves, eaves + rng.uniform(0.3, 1.8), PLAIN, tint)
        if min(size) > 9 and rng.uniform() < 0.6:
            place = center + (rng.uniform(-0.3, 0.3, 2) * size) @ turn
            builder.box(place, (4, 3), angle, eaves, eaves + 2.8, PLAIN, self.wall * 0.9)
