"""Triangles with texture coordinates, gathered from simple solids: houses, roofs, trees, hedges,
vehicles."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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
        self.triangles(
            np.asarray(corners_Q43)[:, _HALVES].reshape(-1, 3, 3),
            np.asarray(uv_Q42)[:, _HALVES].reshape(-1, 3, 2),
            texture,
            tint,
        )

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
        following = np.roll(outline, -1, axis=0)
        lengths = np.linalg.norm(following - outline, axis=1)
        start = u0 + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
        count = len(outline)
        quads = np.empty((count, 4, 3))
        quads[:, 0, :2], quads[:, 1, :2], quads[:, 2, :2], quads[:, 3, :2] = (
            outline,
            following,
            following,
            outline,
        )
        quads[:, :2, 2], quads[:, 2:, 2] = bottom, top
        base = bottom if ground is None else ground
        uv = np.empty((count, 4, 2))
        uv[:, 0, 0], uv[:, 1, 0], uv[:, 2, 0], uv[:, 3, 0] = (
            start,
            start + lengths,
            start + lengths,
            start,
        )
        uv[:, :2, 1], uv[:, 2:, 1] = bottom - base, top - base
        self.quads(quads, uv, texture, tint)

    def surface(self, quads_Q43, along_2, texture: int, tint, u0: float = 0.0) -> None:
        """Sloping quadrilaterals: u runs along the horizontal direction `along_2`, v up the
        slope."""
        quads = np.asarray(quads_Q43, float)
        along = np.array([along_2[0], along_2[1], 0.0])
        normal = cross(quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 0])
        up = cross(normal, along)
        up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-12)
        uv = np.stack([quads @ along + u0, np.einsum("qkc,qc->qk", quads, up)], -1)
        self.quads(quads, uv, texture, tint)

    def box(
        self,
        center_2,
        size_2,
        angle: float,
        bottom: float,
        top: float,
        texture: int,
        tint,
        top_tint=None,
    ) -> None:
        """An upright box without its floor."""
        outline = rectangle(center_2, size_2, angle)
        self.walls(outline, bottom, top, texture, tint)
        lid = np.concatenate([outline, np.full((4, 1), top)], 1)[None]
        self.surface(
            lid, (np.cos(angle), np.sin(angle)), texture, tint if top_tint is None else top_tint
        )

    def mesh(self) -> Mesh:
        """All triangles so far; those without an area are left out."""
        counts = np.array([len(part[0]) for part in self._parts])
        corners = np.concatenate([part[0] for part in self._parts])
        normals = np.empty_like(corners)
        ends = np.cumsum(counts)
        flat = np.ones(len(corners), bool)
        tint = np.empty((len(corners), 3), np.float32)
        for (_, _, _, colour, smooth), start, end in zip(
            self._parts, ends - counts, ends, strict=True
        ):
            tint[start:end] = colour
            if smooth is not None:
                normals[start:end] = smooth
                flat[start:end] = False
        facing = cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(facing, axis=1)
        keep = length > 1e-9
        normals[flat] = (facing[flat] / np.maximum(length[flat], 1e-9)[:, None])[:, None]
        uv = np.concatenate([part[1] for part in self._parts])
        texture = np.repeat(np.array([part[2] for part in self._parts], np.uint8), counts)
        return Mesh(
            corners[keep].astype(np.float32),
            normals[keep].astype(np.float32),
            uv[keep].astype(np.float32),
            texture[keep],
            tint[keep],
        )


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product [..., 3]; several times faster than numpy's on many short arrays."""
    result = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        result[..., i] = a[..., j] * b[..., k] - a[..., k] * b[..., j]
    return result


def rectangle(center_2, size_2, angle: float) -> np.ndarray:
    """Corners [4, 2] of a rectangle, counter-clockwise; `angle` in radians from east."""
    half = np.asarray(size_2, float) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    cosine, sine = np.cos(angle), np.sin(angle)
    return corners @ np.array([[cosine, sine], [-sine, cosine]]) + np.asarray(center_2, float)


def vehicles(builder: MeshBuilder, places_N3, angle_N, size_N3, tint_N3, texture: int) -> None:
    """Many vehicles at once: a body of length, width and height `size_N3` with a dark cabin, on the
    ground at `places_N3`."""
    if not len(places_N3):
        return
    shape = MeshBuilder()
    shape.box((0, 0), (1, 1), 0.0, 0.14, 0.58, 0, (1, 1, 1))
    shape.box(
        (-0.06, 0), (0.52, 0.86), 0.0, 0.58, 1.0, 0, (-1, -1, -1), (1, 1, 1)
    )  # minus one marks glass
    car = shape.mesh()
    cosine, sine = np.cos(angle_N)[:, None, None], np.sin(angle_N)[:, None, None]
    local = car.corners_N33[None] * np.asarray(size_N3)[:, None, None]
    corners = np.stack(
        [
            local[..., 0] * cosine - local[..., 1] * sine,
            local[..., 0] * sine + local[..., 1] * cosine,
            local[..., 2],
        ],
        -1,
    )
    corners = corners + np.asarray(places_N3)[:, None, None]
    tint = np.where(
        car.tint_N3[None] < 0, np.array([0.12, 0.14, 0.16]), np.asarray(tint_N3)[:, None]
    )
    uv = np.broadcast_to(car.uv_N32[None] * 3.0, (len(corners), *car.uv_N32.shape))
    builder.triangles(corners.reshape(-1, 3, 3), uv.reshape(-1, 3, 2), texture, tint.reshape(-1, 3))
