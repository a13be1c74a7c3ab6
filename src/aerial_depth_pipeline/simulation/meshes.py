"""Triangles with texture coordinates, gathered from simple solids: houses, roofs, trees, hedges,
vehicles."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from aerial_depth_pipeline.simulation.layout import rectangle, unit

_HALVES = np.array([[0, 1, 2], [0, 2, 3]])  # the two triangles of a quadrilateral


@dataclass
class Mesh:
    """A soup of N triangles.

    Attributes:
        corners_N33: metres, x east, y north, z up, float32.
        normals_N33: unit shading normals at the corners, float32.
        uv_N32: texture coordinates at the corners [N, 3, 2] in metres, float32.
        texture_N: index of the texture, uint8.
        tint_N3: colour factor, float32.
    """

    corners_N33: np.ndarray
    normals_N33: np.ndarray
    uv_N32: np.ndarray
    texture_N: np.ndarray
    tint_N3: np.ndarray

    def __len__(self) -> int:
        return len(self.texture_N)


class MeshBuilder:
    """Collects triangles; `mesh()` joins them."""

    def __init__(self) -> None:
        self._parts: list[tuple[Any, ...]] = []

    def triangles(self, corners_N33, uv_N32, texture: int, tint, normals_N33=None) -> None:
        """Add triangles [N, 3, 3] with texture coordinates [N, 3, 2]; `tint` is one colour or [N,
        3]. Flat normals unless given."""
        self._parts.append((corners_N33, uv_N32, texture, tint, normals_N33))

    def quads(self, corners_Q43, uv_Q42, texture: int, tint) -> None:
        """Add planar quadrilaterals [Q, 4, 3]; a triangle repeats its last corner."""
        corners = np.asarray(corners_Q43)[:, _HALVES].reshape(-1, 3, 3)
        self.triangles(corners, np.asarray(uv_Q42)[:, _HALVES].reshape(-1, 3, 2), texture, tint)

    def walls(
        self,
        outline_K2,
        bottom: float,
        top: float,
        texture: int,
        tint,
        u0: float = 0.0,
        ground: float | None = None,
    ) -> None:
        """Upright walls along a closed outline [K, 2]; u runs along the outline, v is the height
        above `ground` (default `bottom`)."""
        outline = np.asarray(outline_K2, float)
        lengths = np.linalg.norm(np.roll(outline, -1, axis=0) - outline, axis=1)
        start = u0 + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
        u = np.stack([start, start + lengths, start + lengths, start], 1)
        v = np.array([bottom, bottom, top, top]) - (bottom if ground is None else ground)
        uv = np.stack([u, np.broadcast_to(v, u.shape)], -1)
        self.quads(band(lifted(outline, bottom), lifted(outline, top)), uv, texture, tint)

    def surface(self, quads_Q43, along_2, texture: int, tint, u0: float = 0.0) -> None:
        """Sloping quadrilaterals: u runs along the horizontal direction `along_2`, v up the
        slope."""
        quads = np.asarray(quads_Q43, float)
        along = np.array([along_2[0], along_2[1], 0.0])
        up = cross(facing(quads), along)
        up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-12)
        uv = np.stack([quads @ along + u0, np.einsum("qkc,qc->qk", quads, up)], -1)
        self.quads(quads, uv, texture, tint)

    def box(
        self, center_2, size_2, angle: float, bottom: float, top: float, texture: int, tint
    ) -> None:
        """An upright box without its floor: eight triangles of walls, then two of the lid."""
        outline = rectangle(center_2, size_2, angle)
        self.walls(outline, bottom, top, texture, tint)
        self.surface([lifted(outline, top)], unit(angle), texture, tint)

    def mesh(self) -> Mesh:
        """All triangles so far; those without an area are left out."""
        corners, uv, texture, tint, smooth = zip(*self._parts, strict=True)
        counts = [len(part) for part in corners]
        corners_N33 = np.concatenate(corners)
        normal = facing(corners_N33)
        length = np.linalg.norm(normal, axis=1)
        keep = length > 1e-9
        normal /= np.maximum(length, 1e-9)[:, None]
        flat = np.split(np.repeat(normal[:, None], 3, axis=1), np.cumsum(counts)[:-1])
        normals = [f if given is None else given for f, given in zip(flat, smooth, strict=True)]
        tints = [np.broadcast_to(t, (count, 3)) for t, count in zip(tint, counts, strict=True)]
        return Mesh(
            corners_N33[keep].astype(np.float32),
            np.concatenate(normals)[keep].astype(np.float32),
            np.concatenate(uv)[keep].astype(np.float32),
            np.repeat(np.array(texture, np.uint8), counts)[keep],
            np.concatenate(tints, dtype=np.float32)[keep],
        )


def lifted(points_K2, height) -> np.ndarray:
    """The points [K, 3] at one height or at [K]."""
    return np.column_stack([points_K2, np.broadcast_to(height, len(points_K2))])


def band(lower_K3: np.ndarray, upper_K3: np.ndarray) -> np.ndarray:
    """Quadrilaterals [K, 4, 3] between two closed lines of as many points."""
    next_lower, next_upper = np.roll(lower_K3, -1, axis=0), np.roll(upper_K3, -1, axis=0)
    return np.stack([lower_K3, next_lower, next_upper, upper_K3], 1)


def facing(corners: np.ndarray) -> np.ndarray:
    """Normals [..., 3] of triangles or planar quadrilaterals [..., K, 3], not of unit length."""
    origin = corners[..., 0, :]
    return cross(corners[..., 1, :] - origin, corners[..., 2, :] - origin)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product [..., 3]; several times faster than numpy's on many short arrays."""
    result = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        result[..., i] = a[..., j] * b[..., k] - a[..., k] * b[..., j]
    return result


def vehicles(builder: MeshBuilder, places_N3, angle_N, size_N3, tint_N3, texture: int) -> None:
    """Many vehicles at once: a body of length, width and height `size_N3` with a dark cabin, on the
    ground at `places_N3`."""
    shape = MeshBuilder()
    shape.box((0, 0), (1, 1), 0.0, 0.14, 0.58, 0, (1, 1, 1))
    shape.box((-0.06, 0), (0.52, 0.86), 0.0, 0.58, 1.0, 0, (1, 1, 1))
    car = shape.mesh()
    cosine, sine = np.cos(angle_N)[:, None, None], np.sin(angle_N)[:, None, None]
    x, y, z = np.moveaxis(car.corners_N33[None] * np.asarray(size_N3)[:, None, None], -1, 0)
    corners = np.stack([x * cosine - y * sine, x * sine + y * cosine, z], -1)
    corners = corners + np.asarray(places_N3)[:, None, None]
    tint = np.repeat(np.asarray(tint_N3)[:, None], len(car), axis=1)
    tint[:, 10:18] = (0.12, 0.14, 0.16)  # the cabin's walls are of glass
    uv = np.broadcast_to(car.uv_N32[None] * 3.0, (len(corners), *car.uv_N32.shape))
    builder.triangles(corners.reshape(-1, 3, 3), uv.reshape(-1, 3, 2), texture, tint.reshape(-1, 3))
