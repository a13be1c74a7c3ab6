"""The shape of the land, and the ground's image painted polygon by polygon."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from aerial_depth_pipeline.simulation.meshes import MeshBuilder
from aerial_depth_pipeline.simulation.textures import Texture, fractal_noise, smooth_noise

NEAR_TEXELS_PER_METRE = 6.25
NEAR_SIZE = 4096
NEAR_HALF = NEAR_SIZE / NEAR_TEXELS_PER_METRE / 2  # 327.68 m: the side of the detailed world
FAR_SIZE = 2048
_FAR_CELL = NEAR_HALF / 16
_FAR_CELLS = 80
FAR_HALF = _FAR_CELL * _FAR_CELLS  # 1638.4 m: where the world ends
_NEAR_CELLS_PER_FAR_CELL = 7

# How each kind of ground varies: (coarse, middle, fine, hue) amplitudes as shares of the colour.
KINDS = {
    "asphalt": (0.10, 0.09, 0.07, 0.02),
    "paving": (0.07, 0.09, 0.09, 0.03),
    "grass": (0.16, 0.15, 0.12, 0.07),
    "meadow": (0.20, 0.18, 0.14, 0.09),
    "crop": (0.17, 0.14, 0.12, 0.06),
    "soil": (0.17, 0.14, 0.13, 0.06),
    "forest": (0.22, 0.28, 0.22, 0.06),
    "gravel": (0.12, 0.13, 0.14, 0.04),
    "water": (0.12, 0.10, 0.05, 0.08),
    "paint": (0.03, 0.10, 0.10, 0.0),
}
_KIND_INDEX = {name: index for index, name in enumerate(KINDS)}


@dataclass
class Terrain:
    """Heights as a sum of waves: smooth, endless and the same wherever it is asked for.

    Attributes:
        amplitude: standard deviation of the heights in metres.
        wavelengths: shortest and longest wave in metres.
    """

    seed: int
    amplitude: float
    wavelengths: tuple[float, float]
    waves: int = 28
    _k: np.ndarray = field(init=False, repr=False)
    _phase: np.ndarray = field(init=False, repr=False)
    _strength: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 11])
        low, high = np.log(self.wavelengths)
        wavelength = np.exp(rng.uniform(low, high, self.waves))
        angle = rng.uniform(0, 2 * np.pi, self.waves)
        self._k = 2 * np.pi / wavelength[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        self._phase = rng.uniform(0, 2 * np.pi, self.waves)
        # Long waves are high, short ones low: slopes stay alike at all scales.
        strength = (wavelength / self.wavelengths[1]) ** 1.1
        self._strength = strength * self.amplitude * np.sqrt(2 / (strength**2).sum())
        self._level = float((self._strength * np.sin(self._phase)).sum())

    def height(self, points_N2: np.ndarray) -> np.ndarray:
        """Heights [...] at points [..., 2]; zero at the origin."""
        points = np.asarray(points_N2, float)
        total = np.zeros(points.shape[:-1])
        for k, phase, strength in zip(self._k, self._phase, self._strength, strict=True):
            total += strength * np.sin(points @ k + phase)
        return total - self._level

    def add_to(self, builder: MeshBuilder, near_texture: int, far_texture: int) -> None:
        """Add the ground: fine cells in the detailed square, coarse ones to the horizon, without a
        crack between them."""
        count = 32 * _NEAR_CELLS_PER_FAR_CELL
        axis = np.linspace(-NEAR_HALF, NEAR_HALF, count + 1)
        points = np.stack(np.meshgrid(axis, axis), -1)
        height = self.height(points)
        step = _NEAR_CELLS_PER_FAR_CELL
        for edge in (height[0], height[-1], height[:, 0], height[:, -1]):
            edge[:] = np.interp(np.arange(count + 1), np.arange(0, count + 1, step), edge[::step])
        self._grid(builder, points, height, near_texture, np.ones((count, count), bool), NEAR_HALF)
        axis = np.linspace(-FAR_HALF, FAR_HALF, 2 * _FAR_CELLS + 1)
        points = np.stack(np.meshgrid(axis, axis), -1)
        outside = np.ones((2 * _FAR_CELLS, 2 * _FAR_CELLS), bool)
        outside[_FAR_CELLS - 16 : _FAR_CELLS + 16, _FAR_CELLS - 16 : _FAR_CELLS + 16] = False
        self._grid(builder, points, self.height(points), far_texture, outside, FAR_HALF)

    def _grid(self, builder, points, height, texture, cells, half) -> None:
        vertices = np.concatenate([points, height[..., None]], -1)
        nudge = 0.5
        slope_x = (self.height(points + [nudge, 0]) - self.height(points - [nudge, 0])) / (
            2 * nudge
        )
        slope_y = (self.height(points + [0, nudge]) - self.height(points - [0, nudge])) / (
            2 * nudge
        )
        normals = np.stack([-slope_x, -slope_y, np.ones_like(slope_x)], -1)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        add_grid(builder, vertices, normals, points + half, texture, cells)


def add_grid(
    builder: MeshBuilder, vertices_HW3, normals_HW3, uv_HW2, texture: int, cells_HW: np.ndarray
) -> None:
    """Two triangles for each chosen cell of a grid of vertices."""

    def corners(values: np.ndarray) -> np.ndarray:
        quads = np.stack([values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]], 2)[
            cells_HW
        ]
        return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])

    builder.triangles(
        corners(vertices_HW3), corners(uv_HW2), texture, np.ones(3), corners(normals_HW3)
    )


class Ground:
    """The ground's image, as a list of strokes that can be drawn at any resolution."""

    def __init__(self, base_colour: tuple[float, float, float], base_kind: str) -> None:
        self._base = (base_colour, base_kind)
        self._strokes: list[tuple] = []
        self._shade: list[np.ndarray] = []

    def polygon(self, points_K2, colour, kind: str) -> None:
        """Fill a polygon (metres) with a colour (RGB, 0 to 255)."""
        self._strokes.append(("polygon", np.asarray(points_K2, float), _clip(colour), kind, None))

    def line(self, points_K2, width: float, colour, kind: str) -> None:
        """Draw a line `width` metres wide; it vanishes where it would be much thinner than a
        texel."""
        self._strokes.append(("line", np.asarray(points_K2, float), _clip(colour), kind, width))

    def furrows(self, points_K2, angle: float, spacing: float, depth: float) -> None:
        """Rows inside a polygon: brightness swings by the share `depth` every `spacing` metres."""
        self._strokes.append(
            ("furrows", np.asarray(points_K2, float), (angle, spacing, depth), "", None)
        )

    def shade(self, points_K2) -> None:
        """Darken softly around a polygon, as the foot of a wall or a crown does."""
        self._shade.append(np.asarray(points_K2, float))

    def paint(self, size: int, half: float, rng: np.random.Generator) -> Texture:
        """The image of the square from -half to +half metres at `size` x `size` texels."""
        scale = size / (2 * half)
        colour = np.empty((size, size, 3), np.uint8)
        colour[:] = _clip(self._base[0])
        kind = np.full((size, size), _KIND_INDEX[self._base[1]], np.uint8)
        relief = np.zeros((size, size), np.int8)
        wobble = fractal_noise(512, 128, 16, rng)
        for what, points, value, name, width in self._strokes:
            texels = (points + half) * scale
            if texels.max() < 0 or texels.min() > size:
                continue
            fixed = np.round(texels * 16 - 8).astype(
                np.int32
            )  # 4 fractional bits; texel centres lie at +0.5
            if what == "polygon":
                cv2.fillPoly(colour, [fixed], value, cv2.LINE_AA, 4)
                cv2.fillPoly(kind, [fixed], _KIND_INDEX[name], cv2.LINE_8, 4)
                cv2.fillPoly(relief, [fixed], 0, cv2.LINE_8, 4)
            elif what == "line":
                if width * scale < 0.4:
                    continue
                thickness = max(1, round(width * scale))
                cv2.polylines(colour, [fixed], False, value, thickness, cv2.LINE_AA, 4)
                cv2.polylines(kind, [fixed], False, _KIND_INDEX[name], thickness, cv2.LINE_8, 4)
                cv2.polylines(relief, [fixed], False, 0, thickness, cv2.LINE_8, 4)
            else:
                _furrow(relief, texels, scale, value, wobble)
        return Texture(self._finish(colour, kind, relief, scale, rng), scale)

    def _finish(self, colour, kind, relief, scale, rng) -> np.ndarray:
        size = len(colour)
        metre = 2 ** round(np.log2(scale))
        coarse_size = min(size, 1024)
        ratio = size // coarse_size
        coarse = fractal_noise(
            coarse_size, max(int(64 * metre) // ratio, 2), max(int(8 * metre) // ratio, 2), rng, 0.8
        )
        hue = fractal_noise(
            coarse_size,
            max(int(32 * metre) // ratio, 2),
            max(int(2 * metre) // ratio, 2),
            rng,
            0.85,
        )
        if ratio > 1:
            coarse, hue = (
                cv2.resize(n, (size, size), interpolation=cv2.INTER_LINEAR) for n in (coarse, hue)
            )
        # What is finer than a few metres repeats every 1024 texels; the coarse noise and the
        # strokes over it do not, so nobody sees it.
        middle = fractal_noise(1024, max(int(4 * metre), 2), max(int(metre), 1), rng, 0.85)
        fine = fractal_noise(1024, 2, 1, rng, 1.0) if metre >= 2 else smooth_noise(1024, 2, rng)
        share = relief.astype(np.float32)
        share *= np.float32(1 / 127)
        for index, noise in enumerate((coarse, middle, fine)):
            table = np.zeros(256, np.float32)
            table[: len(KINDS)] = [amplitudes[index] for amplitudes in KINDS.values()]
            amplitude = cv2.LUT(kind, table)
            tile = np.clip(noise, -2.5, 2.5)
            for top in range(0, size, len(tile)):
                for left in range(0, size, len(tile)):
                    window = slice(top, top + len(tile)), slice(left, left + len(tile))
                    share[window] += amplitude[window] * tile
        if self._shade:
            mask = np.zeros((size // 2, size // 2), np.uint8)
            for points in self._shade:
                cv2.fillPoly(
                    mask,
                    [np.round((points + size / (2 * scale)) * scale / 2 * 16 - 8).astype(np.int32)],
                    255,
                    cv2.LINE_8,
                    4,
                )
            blurred = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.7 * scale))
            share -= cv2.resize(blurred, (size, size), interpolation=cv2.INTER_LINEAR).astype(
                np.float32
            ) * np.float32(0.28 / 255)
        table = np.zeros(256, np.float32)
        table[: len(KINDS)] = [amplitudes[3] for amplitudes in KINDS.values()]
        hue = np.clip(hue, -2.5, 2.5) * cv2.LUT(kind, table)
        share += 1
        planes = [
            cv2.multiply(plane, cv2.scaleAdd(hue, tilt, share), dtype=cv2.CV_8U)
            for plane, tilt in zip(cv2.split(colour), (1.0, 0.1, -0.7), strict=True)
        ]
        return cv2.merge(planes)


def _clip(colour) -> tuple[float, float, float]:
    red, green, blue = (float(c) for c in np.clip(colour, 0, 255))
    return red, green, blue


def _furrow(
    relief: np.ndarray,
    texels: np.ndarray,
    scale: float,
    value: tuple[float, float, float],
    wobble: np.ndarray,
) -> None:
    """Add rows to `relief` (int8, 127 is +100 %) inside a polygon given in texels."""
    angle, spacing, depth = value
    if spacing * scale < 2.2:  # rows thinner than this would alias
        return
    size = len(relief)
    low = np.clip(np.floor(texels.min(0)).astype(int), 0, size)
    high = np.clip(np.ceil(texels.max(0)).astype(int), 0, size)
    if (high - low).min() < 2:
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    cv2.fillPoly(mask, [np.round((texels - low) * 16 - 8).astype(np.int32)], 1, cv2.LINE_8, 4)
    x = (np.arange(low[0], high[0], dtype=np.float32) + 0.5) / np.float32(scale)
    y = (np.arange(low[1], high[1], dtype=np.float32) + 0.5) / np.float32(scale)
    across = x[None, :] * np.float32(-np.sin(angle)) + y[:, None] * np.float32(np.cos(angle))
    bend = wobble[(y[:, None] * 1.5).astype(int) % 512, (x[None, :] * 1.5).astype(int) % 512]
    rows = np.sin(across * np.float32(2 * np.pi / spacing) + 0.5 * bend) * (1 + 0.4 * bend)
    window = relief[low[1] : high[1], low[0] : high[0]]
    added = window + np.clip(rows * np.float32(127 * depth), -100, 100)
    window[mask > 0] = np.clip(added, -127, 127)[mask > 0].astype(np.int8)
