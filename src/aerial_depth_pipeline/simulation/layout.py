"""Outlines in the plan: bent, subdivided, split into plots."""

import numpy as np


def bend(seed: int, strength: float):
    """A smooth displacement of the plane [..., 2] -> [..., 2], so that streets and hedges are not
    ruled with a ruler."""
    rng = np.random.default_rng([seed, 21])
    wavelength, angle = rng.uniform(160, 420, 8), rng.uniform(0, 2 * np.pi, 8)
    k = 2 * np.pi / wavelength[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    phase, push = rng.uniform(0, 2 * np.pi, 8), rng.normal(size=(8, 2)) * strength * 0.4
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])

    def apply(points):
        points = np.asarray(points, float) @ rotation
        return points + np.sin(points @ k.T + phase) @ push

    return apply


def dense(points_K2, closed: bool = True, spacing: float = 8.0) -> np.ndarray:
    """The polyline with extra points, so that it bends with the plane."""
    points = np.asarray(points_K2, float)
    ends = np.roll(points, -1, axis=0) if closed else points[1:]
    parts = []
    for start, end in zip(points[: len(ends)], ends, strict=True):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / spacing)))
        parts.append(start + (end - start) * (np.arange(count) / count)[:, None])
    if not closed:
        parts.append(points[-1:])
    return np.concatenate(parts)


def split_rectangle(
    low,
    high,
    smallest: float,
    rng: np.random.Generator,
    gap=lambda depth: 0.0,
    depth: int = 0,
    cuts=None,
):
    """Divide a rectangle again and again along its longer side; yields (low, high) corners.
    `gap(depth)` metres are left at each cut."""
    size = np.subtract(high, low)
    axis = int(size[1] > size[0])
    stop = size[axis] < 2 * smallest or (size[axis] < 2.9 * smallest and rng.uniform() < 0.25)
    if stop:
        yield np.asarray(low, float), np.asarray(high, float)
        return
    width = gap(depth)
    cut = low[axis] + size[axis] * rng.uniform(0.36, 0.64)
    first_high, second_low = np.array(high, float), np.array(low, float)
    first_high[axis], second_low[axis] = cut - width / 2, cut + width / 2
    if cuts is not None:
        start, end = np.array(low, float), np.array(high, float)
        start[axis] = end[axis] = cut
        cuts.append((start, end, width))
    yield from split_rectangle(low, first_high, smallest, rng, gap, depth + 1, cuts)
    yield from split_rectangle(second_low, high, smallest, rng, gap, depth + 1, cuts)


def corners(low, high) -> np.ndarray:
    """The four corners of a rectangle, counter-clockwise."""
    return np.array(
        [[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]], float
    )
