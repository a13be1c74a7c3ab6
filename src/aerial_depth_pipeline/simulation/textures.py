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
ROOFS = {"tiles": 2, "slate": 1, "metal": 1, "flat": 3}


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
    padded = np.pad(grid, margin, mode="wrap")
    large = cv2.resize(
        padded,
        None,
        fx=cell,
        fy=cell,
        interpolation=cv2.INTER_CUBIC if cell <= 8 else cv2.INTER_LINEAR,
    )
    large = large[margin * cell : margin * cell + size, margin * cell : margin * cell + size]
    return large * np.float32(1.25)


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


def _colour(base: np.ndarray, *modulations: np.ndarray) -> np.ndarray:
    factor = np.ones(base.shape[:2], np.float32)
    for modulation in modulations:
        factor += modulation
    return np.clip(base * factor[..., None], 0, 255).astype(np.uint8)


def facade(rng: np.random.Generator, kind: int) -> Texture:
    """A wall of 51.2 x 25.6 m with windows, doors, balconies, stains; nearly white, so that a
    building's tint colours it."""
    width, height = 1024, 512
    wall = np.full((height, width, 3), 205.0, np.float32)
    noise = np.tile(fractal_noise(512, 128, 4, rng, 0.7), (1, 2))
    streaks = cv2.resize(
        rng.standard_normal((4, 256)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_LINEAR,
    )
    image = wall * (1 + 0.06 * noise + 0.04 * streaks)[..., None]
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
            if rng.uniform() < 0.08:
                continue
            sill = bottom + int(storey * 0.3)
            if floor == 0 and rng.uniform() < 0.35:
                sill = bottom
            top = bottom + int(storey * 0.3) + window_height
            glass = (
                rng.uniform(25, 80) * np.array([0.85, 0.95, 1.1])
                if rng.uniform() < 0.8
                else rng.uniform(120, 190) * np.ones(3)
            )
            cv2.rectangle(
                image,
                (left - 3, sill - 3),
                (left + window_width + 3, top + 3),
                (225.0, 222.0, 215.0),
                -1,
            )
            cv2.rectangle(image, (left, sill), (left + window_width, top), glass.tolist(), -1)
            cv2.line(
                image,
                (left + window_width // 2, sill),
                (left + window_width // 2, top),
                (200.0, 200.0, 195.0),
                1,
            )
            if shutters and window_width < bay * 0.6:
                for side in (left - 9, left + window_width + 2):
                    cv2.rectangle(image, (side, sill), (side + 7, top), shutter_colour.tolist(), -1)
            if kind % 4 == 1 and floor and rng.uniform() < 0.5:
                cv2.rectangle(
                    image,
                    (left - 6, bottom + 6),
                    (left + window_width + 6, bottom + 24),
                    (rng.uniform(90, 170, 3)).tolist(),
                    -1,
                )
    image[:10] *= 0.72  # splash water above the ground
    return Texture(np.clip(image, 0, 255).astype(np.uint8), TEXELS_PER_METRE)


def tiled_roof(rng: np.random.Generator) -> Texture:
    """A roof of clay tiles, 25.6 m: rows, patches of replaced tiles, streaks of moss down the
    slope."""
    size = 512
    rows = np.where(np.arange(size) % 8 < 2, -0.22, 0.04).astype(np.float32)[:, None]
    columns = np.where(np.arange(size) % 6 < 1, -0.1, 0.02).astype(np.float32)[None, :]
    tiles = cv2.resize(
        rng.standard_normal((64, 86)).astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_NEAREST,
    )
    streaks = cv2.resize(
        rng.standard_normal((6, 48)).astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_LINEAR,
    )
    patches = (fractal_noise(size, 64, 32, rng) > 1.0) * np.float32(0.25)
    base = np.full((size, size, 3), 190.0, np.float32)
    return Texture(
        _colour(
            base,
            rows,
            columns,
            0.10 * tiles,
            0.13 * streaks,
            -patches,
            0.10 * fractal_noise(size, 128, 8, rng),
        ),
        TEXELS_PER_METRE,
    )


def slate_roof(rng: np.random.Generator) -> Texture:
    """A roof of slates, 25.6 m."""
    size = 512
    slates = cv2.resize(
        rng.standard_normal((72, 50)).astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_NEAREST,
    )
    rows = np.where(np.arange(size) % 7 < 1, -0.15, 0.0).astype(np.float32)[:, None]
    lichen = np.maximum(fractal_noise(size, 64, 8, rng) - 0.8, 0) * 0.35
    streaks = cv2.resize(
        rng.standard_normal((5, 40)).astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_LINEAR,
    )
    base = np.full((size, size, 3), 175.0, np.float32)
    return Texture(
        _colour(
            base,
            0.12 * slates,
            rows,
            lichen,
            0.1 * streaks,
            0.09 * fractal_noise(size, 128, 16, rng),
        ),
        TEXELS_PER_METRE,
    )


def metal_roof(rng: np.random.Generator) -> Texture:
    """Corrugated sheets, 25.6 m, with rust that runs down and sheets of several ages."""
    size = 512
    ribs = (0.06 * np.sin(np.arange(size) * 2 * np.pi / 8)).astype(np.float32)[None, :]
    sheets = cv2.resize(
        rng.standard_normal((4, 16)).astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_NEAREST,
    )
    streaks = cv2.resize(
        rng.standard_normal((4, 90)).astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_LINEAR,
    )
    image = np.full((size, size, 3), 185.0, np.float32)
    rust = np.clip(fractal_noise(size, 128, 8, rng) - 0.7 + 0.3 * streaks, 0, 1)[..., None]
    image = image * (1 - rust * np.array([0.25, 0.45, 0.6], np.float32))
    return Texture(_colour(image, ribs, 0.09 * sheets, 0.07 * streaks), TEXELS_PER_METRE)


def flat_roof(rng: np.random.Generator, kind: int) -> Texture:
    """A flat roof, 25.6 m: bitumen sheets with seams and patches, gravel with damp stains, or
    planted."""
    size = 512
    stains = fractal_noise(size, 128, 8, rng)
    fine = fractal_noise(size, 4, 1, rng)
    if kind == 0:
        image = np.full((size, size, 3), 120.0, np.float32)
        sheets = cv2.resize(
            rng.standard_normal((32, 4)).astype(np.float32),
            (size, size),
            interpolation=cv2.INTER_NEAREST,
        )
        for y in range(0, size, 16):
            image[y : y + 1] *= 0.6
        for _ in range(30):
            x = int(rng.integers(0, size - 60))
            y = int(rng.integers(0, size - 60))
            w = int(rng.integers(12, 60))
            h = int(rng.integers(12, 60))
            image[y : y + h, x : x + w] *= rng.uniform(0.65, 1.3)
        return Texture(_colour(image, 0.12 * sheets, 0.16 * stains, 0.03 * fine), TEXELS_PER_METRE)
    if kind == 1:
        image = np.full((size, size, 3), 165.0, np.float32)
        puddles = (stains > 1.0) * np.float32(-0.3)
        return Texture(_colour(image, 0.18 * stains, 0.12 * fine, puddles), TEXELS_PER_METRE)
    image = np.empty((size, size, 3), np.float32)
    image[:] = (120, 135, 80)
    flowers = (fractal_noise(size, 32, 8, rng) > 1.1)[..., None]
    image = np.where(flowers, np.array([170, 120, 100], np.float32), image)
    return Texture(_colour(image, 0.22 * stains, 0.12 * fine), TEXELS_PER_METRE)


def leaves(rng: np.random.Generator) -> Texture:
    """Foliage, 6.4 m: dark gaps and bright tufts of many sizes; nearly white, tinted per tree."""
    size = 256
    noise = fractal_noise(size, 64, 2, rng, 0.85)
    image = np.empty((size, size, 3), np.float32)
    image[:] = (168, 176, 150)
    hue = fractal_noise(size, 64, 16, rng)[..., None] * np.array([0.10, 0.0, -0.06], np.float32)
    return Texture(_colour(image * (1 + hue), 0.42 * np.tanh(noise)), 40.0)


def plain(rng: np.random.Generator) -> Texture:
    """Anything small, 12.8 m: nearly white with dirt, tinted."""
    image = np.full((256, 256, 3), 205.0, np.float32)
    return Texture(_colour(image, 0.10 * fractal_noise(256, 64, 2, rng)), TEXELS_PER_METRE)
