"""Outlines in the plan: turned, bent, subdivided, split into plots."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

Bend = Callable[..., np.ndarray]


def unit(angle) -> np.ndarray:
    """Unit vectors [..., 2] at angles in radians from east."""
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def axes(angle) -> np.ndarray:
    """The unit vectors along and across a direction [2, 2], one below the other."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, sine], [-sine, cosine]])


def left(along_2) -> np.ndarray:
    """The direction a quarter turn to the left."""
    return np.array([-along_2[1], along_2[0]])


def course(start_2, end_2) -> tuple[float, np.ndarray, np.ndarray]:
    """Length of the way, its unit direction and the direction to its left."""
    length = float(np.linalg.norm(end_2 - start_2))
    along = (end_2 - start_2) / length
    return length, along, left(along)


def oriented(axis: int, along: float, across: float) -> np.ndarray:
    """The point with these coordinates along and across an axis, 0 for x and 1 for y."""
    return np.array([across, along] if axis else [along, across], float)


def plots(
    start: float, end: float, widths: tuple[float, float], smallest: float, rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """Divide a row into plots; yields (start, width). The last one takes a rest that would be
    narrower than `smallest`."""
    while start < end - smallest / 2:
        width = min(rng.uniform(*widths), end - start)
        if end - start - width < smallest:
            width = end - start
        yield start, width
        start += width


def rectangle(center_2, size_2, angle: float) -> np.ndarray:
    """Corners [4, 2] of a rectangle, counter-clockwise; `angle` in radians from east."""
    half = np.asarray(size_2, float) / 2
    return corners(-half, half) @ axes(angle) + np.asarray(center_2, float)


def corners(low, high) -> np.ndarray:
    """The four corners of a rectangle, counter-clockwise."""
    (west, south), (east, north) = low, high
    return np.array([[west, south], [east, south], [east, north], [west, north]], float)


def bend(seed: int, strength: float) -> Bend:
    """A smooth displacement of the plane [..., 2] -> [..., 2], so that streets and hedges are not
    ruled with a ruler."""
    rng = np.random.default_rng([seed, 21])
    wavelength, angle = rng.uniform(160, 420, 8), rng.uniform(0, 2 * np.pi, 8)
    k = 2 * np.pi / wavelength[:, None] * unit(angle)
    phase, push = rng.uniform(0, 2 * np.pi, 8), rng.normal(size=(8, 2)) * strength * 0.4
    rotation = axes(rng.uniform(0, np.pi))

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
    return np.concatenate(parts if closed else [*parts, points[-1:]])


def split_rectangle(
    low, high, smallest: float, rng: np.random.Generator, gaps: Sequence[float] = (0.0,), cuts=None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Divide a rectangle again and again along its longer side; yields (low, high) corners.

    The first cut leaves `gaps[0]` metres, cuts of its halves `gaps[1]` and so on, the last for all
    that follow; (start, end, gap) of each cut are appended to `cuts`.
    """
    size = np.subtract(high, low)
    axis = int(size[1] > size[0])
    if size[axis] < 2 * smallest or (size[axis] < 2.9 * smallest and rng.uniform() < 0.25):
        yield np.asarray(low, float), np.asarray(high, float)
        return
    cut = low[axis] + size[axis] * rng.uniform(0.36, 0.64)
    first_high, second_low = np.array(high, float), np.array(low, float)
    first_high[axis], second_low[axis] = cut - gaps[0] / 2, cut + gaps[0] / 2
    if cuts is not None:
        start, end = np.array(low, float), np.array(high, float)
        start[axis] = end[axis] = cut
        cuts.append((start, end, gaps[0]))
    for part_low, part_high in ((low, first_high), (second_low, high)):
        yield from split_rectangle(part_low, part_high, smallest, rng, gaps[1:] or gaps, cuts)
