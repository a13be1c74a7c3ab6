"""Images that surfaces wear, all painted by the program: noise at every scale, façades, roofs,
leaves.

A texture is tileable, its sides are powers of two, and it carries its density in texels per metre;
texture coordinates are metres.
"""

from dataclasses import dataclass

import cv2
import numpy as np

TEXELS_PER_METRE = 20.0
FACADES = 10
_SIDE = 512  # texels of a roof


@dataclass
class Texture:
    """An RGB image [H, W, 3] uint8 (sides powers of two, wraps around) whose row index grows with
    v and column index with u."""

    image: np.ndarray
    texels_per_metre: float


def smooth_noise(size: int, cell: int, rng: np.random.Generator) -> np.ndarray:
    """Tileable noise [size, size] float32 of unit variance, roughly, whose bumps are `cell` texels
    wide; both powers of two."""
    count = max(size // cell, 1)
    grid = rng.standard_normal((count, count)).astype(np.float32)
    if count == size:
        return grid
    margin = 2
    how = cv2.INTER_CUBIC if cell <= 8 else cv2.INTER_LINEAR
    padded = np.pad(grid, margin, mode="wrap")
    large = cv2.resize(padded, None, fx=cell, fy=cell, interpolation=how)
    middle = slice(margin * cell, margin * cell + size)
    return large[middle, middle] * np.float32(1.25)


def fractal_noise(
    size: int, largest: int, smallest: int, rng: np.random.Generator, persistence: float = 0.75
) -> np.ndarray:
    """Sum of smooth noise [size, size] float32 over octaves from `largest` to `smallest` texels,
    normalised to unit variance."""
    total = np.zeros((size, size), np.float32)
    amplitude, power, cell = 1.0, 0.0, largest
    while cell >= smallest:
        # Coarse octaves are made coarse and enlarged once: sixteen-fold less work for the same
        # smooth image.
        total += np.float32(amplitude) * smooth_noise(size, cell, rng)
        power += amplitude**2
        amplitude *= persistence
        cell //= 2
    return total / np.float32(np.sqrt(power))


def _enlarged(
    rng: np.random.Generator, cells: tuple[int, int], interpolation: int, size=(_SIDE, _SIDE)
) -> np.ndarray:
    """Noise of rows x columns cells, enlarged to `size` (width, height) texels: tiles where it is
    not interpolated, streaks where it is."""
    noise = rng.standard_normal(cells).astype(np.float32)
    return cv2.resize(noise, size, interpolation=interpolation)


def _every(period: int, width: int, inside: float, outside: float) -> np.ndarray:
    """Stripes [512] of two values, `width` of `period` texels wide."""
    return np.where(np.arange(_SIDE) % period < width, inside, outside).astype(np.float32)


def _painted(base, *modulations: np.ndarray, texels_per_metre=TEXELS_PER_METRE) -> Texture:
    """A grey, a colour or an image, times one plus all modulations."""
    factor = np.asarray(sum(modulations, start=np.float32(1)))[..., None]
    colour = np.asarray(base, np.float32) * np.ones(3, np.float32)
    return Texture(np.clip(colour * factor, 0, 255).astype(np.uint8), texels_per_metre)


def _fill(image: np.ndarray, left: int, bottom: int, right: int, top: int, colour) -> None:
    cv2.rectangle(image, (left, bottom), (right, top), [float(c) for c in colour], -1)


def facade(rng: np.random.Generator, kind: int) -> Texture:
    """A wall of 51.2 x 25.6 m with windows, doors, balconies, stains; nearly white, so that a
    building's tint colours it."""
    width, height = 1024, 512
    noise = np.tile(fractal_noise(512, 128, 4, rng, 0.7), (1, 2))
    streaks = _enlarged(rng, (4, 256), cv2.INTER_LINEAR, (width, height))
    image = np.full(3, 205.0, np.float32) * (1 + 0.06 * noise + 0.04 * streaks)[..., None]
    bays = int(rng.choice([14, 16, 18, 20]))
    bay, storey = width / bays, 64
    window_width = int(bay * rng.uniform(0.35, 0.7)) if kind % 3 != 2 else int(bay * 0.9)
    window_height = int(storey * rng.uniform(0.4, 0.6))
    if kind % 5 == 3:  # bands of another plaster
        for floor in range(0, 8, 2):
            image[floor * storey : (floor + 1) * storey] *= np.array([0.86, 0.8, 0.76], np.float32)
    shutters = rng.uniform() < 0.5
    shutter_colour = rng.uniform(40, 150, 3) * np.array([0.8, 1.0, 0.7])
    for floor in range(8):
        bottom = floor * storey
        image[bottom : bottom + 3] *= 0.8
        for index in range(bays):
            left = int(index * bay + (bay - window_width) / 2)
            right, middle = left + window_width, left + window_width // 2
            if rng.uniform() < 0.08:
                continue
            sill = bottom + int(storey * 0.3)
            top = sill + window_height
            if floor == 0 and rng.uniform() < 0.35:
                sill = bottom
            glass = (
                rng.uniform(25, 80) * np.array([0.85, 0.95, 1.1])
                if rng.uniform() < 0.8
                else rng.uniform(120, 190) * np.ones(3)
            )
            _fill(image, left - 3, sill - 3, right + 3, top + 3, (225, 222, 215))
            _fill(image, left, sill, right, top, glass)
            cv2.line(image, (middle, sill), (middle, top), (200.0, 200.0, 195.0), 1)
            if shutters and window_width < bay * 0.6:
                for side in (left - 9, right + 2):
                    _fill(image, side, sill, side + 7, top, shutter_colour)
            if kind % 4 == 1 and floor and rng.uniform() < 0.5:
                balcony = rng.uniform(90, 170, 3)
                _fill(image, left - 6, bottom + 6, right + 6, bottom + 24, balcony)
    image[:10] *= 0.72  # splash water above the ground
    return Texture(np.clip(image, 0, 255).astype(np.uint8), TEXELS_PER_METRE)


def tiled_roof(rng: np.random.Generator) -> Texture:
    """A roof of clay tiles, 25.6 m: rows, patches of replaced tiles, streaks of moss down the
    slope."""
    rows, columns = _every(8, 2, -0.22, 0.04)[:, None], _every(6, 1, -0.1, 0.02)
    tiles = 0.10 * _enlarged(rng, (64, 86), cv2.INTER_NEAREST)
    moss = 0.13 * _enlarged(rng, (6, 48), cv2.INTER_LINEAR)
    patches = (fractal_noise(_SIDE, 64, 32, rng) > 1.0) * np.float32(0.25)
    stains = 0.10 * fractal_noise(_SIDE, 128, 8, rng)
    return _painted(190, rows, columns, tiles, moss, -patches, stains)


def slate_roof(rng: np.random.Generator) -> Texture:
    """A roof of slates, 25.6 m."""
    slates = 0.12 * _enlarged(rng, (72, 50), cv2.INTER_NEAREST)
    rows = _every(7, 1, -0.15, 0.0)[:, None]
    lichen = np.maximum(fractal_noise(_SIDE, 64, 8, rng) - 0.8, 0) * 0.35
    streaks = 0.1 * _enlarged(rng, (5, 40), cv2.INTER_LINEAR)
    stains = 0.09 * fractal_noise(_SIDE, 128, 16, rng)
    return _painted(175, slates, rows, lichen, streaks, stains)


def metal_roof(rng: np.random.Generator) -> Texture:
    """Corrugated sheets, 25.6 m, with rust that runs down and sheets of several ages."""
    ribs = (0.06 * np.sin(np.arange(_SIDE) * 2 * np.pi / 8)).astype(np.float32)
    sheets = _enlarged(rng, (4, 16), cv2.INTER_NEAREST)
    streaks = _enlarged(rng, (4, 90), cv2.INTER_LINEAR)
    rust = np.clip(fractal_noise(_SIDE, 128, 8, rng) - 0.7 + 0.3 * streaks, 0, 1)[..., None]
    image = np.float32(185) * (1 - rust * np.array([0.25, 0.45, 0.6], np.float32))
    return _painted(image, ribs, 0.09 * sheets, 0.07 * streaks)


def flat_roof(rng: np.random.Generator, kind: int) -> Texture:
    """A flat roof, 25.6 m: bitumen sheets with seams and patches, gravel with damp stains, or
    planted."""
    stains, fine = fractal_noise(_SIDE, 128, 8, rng), fractal_noise(_SIDE, 4, 1, rng)
    if kind == 0:
        image = np.full((_SIDE, _SIDE, 3), 120.0, np.float32)
        sheets = _enlarged(rng, (32, 4), cv2.INTER_NEAREST)
        image[::16] *= 0.6
        for _ in range(30):
            x, y = rng.integers(0, _SIDE - 60, 2)
            w, h = rng.integers(12, 60, 2)
            image[y : y + h, x : x + w] *= rng.uniform(0.65, 1.3)
        return _painted(image, 0.12 * sheets, 0.16 * stains, 0.03 * fine)
    if kind == 1:
        puddles = (stains > 1.0) * np.float32(-0.3)
        return _painted(165, 0.18 * stains, 0.12 * fine, puddles)
    flowers = (fractal_noise(_SIDE, 32, 8, rng) > 1.1)[..., None]
    image = np.where(flowers, np.array([170, 120, 100]), np.array([120, 135, 80]))
    return _painted(image, 0.22 * stains, 0.12 * fine)


def leaves(rng: np.random.Generator) -> Texture:
    """Foliage, 6.4 m: dark gaps and bright tufts of many sizes; nearly white, tinted per tree."""
    noise = fractal_noise(256, 64, 2, rng, 0.85)
    hue = fractal_noise(256, 64, 16, rng)[..., None] * np.array([0.10, 0.0, -0.06], np.float32)
    image = np.array([168, 176, 150], np.float32) * (1 + hue)
    return _painted(image, 0.42 * np.tanh(noise), texels_per_metre=40.0)


def plain(rng: np.random.Generator) -> Texture:
    """Anything small, 12.8 m: nearly white with dirt, tinted."""
    return _painted(205, 0.10 * fractal_noise(256, 64, 2, rng))
