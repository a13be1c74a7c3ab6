"""Triangles with texture coordinates, gathered from simple solids: houses, roofs, trees, hedges,
vehicles."""

from dataclasses import dataclass

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
        self._parts: list[tuple[np.ndarray, ...]] = []

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


def sphere(subdivisions: int) -> np.ndarray:
    """Triangles [N, 3, 3] of a unit sphere: an icosahedron, subdivided."""
    golden = (1 + 5**0.5) / 2
    vertices = np.array(
        [[-1, golden, 0], [1, golden, 0], [-1, -golden, 0], [1, -golden, 0], [0, -1, golden], [0, 1, golden],
         [0, -1, -golden], [0, 1, -golden], [golden, 0, -1], [golden, 0, 1], [-golden, 0, -1], [-golden, 0, 1]]
    )  # fmt: skip
    faces = np.array(
        [[0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11], [1, 5, 9], [5, 11, 4], [11, 10, 2], [10, 7, 6], [7, 1, 8],
         [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9], [4, 9, 5], [2, 4, 11], [6, 2, 10], [8, 6, 7], [9, 8, 1]]
    )  # fmt: skip
    corners = vertices[faces] / np.linalg.norm(vertices[0])
    for _ in range(subdivisions):
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = (_unit(m) for m in (a + b, b + c, c + a))
        corners = np.concatenate(
            [np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        )
    return corners


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _bumps(points: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Factors near 1 that depend on position alone, so that corners shared by triangles stay
    together."""
    waves = rng.normal(size=(6, 3)) * 3.2
    phases = rng.uniform(0, 2 * np.pi, 6)
    return 1 + strength * np.sin(points @ waves.T + phases).sum(-1) / 2.4


class Foliage:
    """A few shapes of trees and bushes, planted many times with one call."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.broad = [self._broad_crown(rng, lumps) for lumps in (2, 3, 3, 4)]
        self.conifers = [self._conifer(rng) for _ in range(2)]
        self.rounds = [self._lump(rng, 1, 0.3) for _ in range(4)]
        self.bushes = [self._lump(rng, 0, 0.16) for _ in range(3)]

    @staticmethod
    def _lump(
        rng: np.random.Generator, subdivisions: int, strength: float
    ) -> tuple[np.ndarray, np.ndarray]:
        corners = sphere(subdivisions)
        normals = corners.copy()
        return corners * _bumps(corners, rng, strength)[..., None], normals

    def _broad_crown(self, rng: np.random.Generator, lumps: int) -> tuple[np.ndarray, np.ndarray]:
        """Unit tree: crown of overlapping lumps of about radius 1 around (0, 0, 0)."""
        parts, normals = [], []
        for index in range(lumps):
            corners, normal = self._lump(rng, 1, 0.2)
            angle = 2 * np.pi * (index + rng.uniform(-0.2, 0.2)) / lumps
            radius = rng.uniform(0.5, 0.72)
            offset = np.array(
                [np.cos(angle) * 0.45, np.sin(angle) * 0.45, rng.uniform(-0.35, 0.15)]
            )
            if index == 0:
                offset, radius = np.array([0.0, 0.0, 0.3]), 0.68
            parts.append(corners * radius * [1, 1, 0.95] + offset)
            normals.append(_unit(normal * 0.7 + _unit(parts[-1] + [0, 0, 0.4]) * 0.5))
        return np.concatenate(parts), np.concatenate(normals)

    @staticmethod
    def _conifer(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Unit conifer: three skirts, crown radius 1 at the bottom, height from -1 to 2."""
        triangles, normals = [], []
        sides = 9
        for bottom, top, radius in ((-1.0, 0.6, 1.0), (-0.1, 1.4, 0.72), (0.8, 2.1, 0.45)):
            angles = np.arange(sides) * 2 * np.pi / sides + rng.uniform(0, 1)
            rim = np.stack([np.cos(angles), np.sin(angles), np.zeros(sides)], -1) * (
                radius * rng.uniform(0.8, 1.15, (sides, 1))
            )
            rim[:, 2] = bottom + rng.uniform(-0.1, 0.1, sides)
            following = np.roll(rim, -1, axis=0)
            apex = np.broadcast_to([0.0, 0.0, top], (sides, 3))
            triangles.append(np.stack([rim, following, apex], 1))
            outward = np.stack([rim, following, (rim + following) / 2], 1) * [1, 1, 0] + [
                0,
                0,
                0.5 * radius,
            ]
            normals.append(_unit(outward))
        return np.concatenate(triangles), np.concatenate(normals)

    def plant(
        self,
        builder: MeshBuilder,
        places_N3,
        radius_N,
        height_N,
        tint_N3,
        shape: str,
        texture: int,
        rng: np.random.Generator,
    ) -> None:
        """Plant N crowns: their middle stands `height_N` (metres, half the crown's height) above
        `places_N3`, `radius_N` wide."""
        places, radius, height = (
            np.asarray(places_N3, float),
            np.asarray(radius_N, float),
            np.asarray(height_N, float),
        )
        shapes = {
            "broad": self.broad,
            "round": self.rounds,
            "conifer": self.conifers,
            "bush": self.bushes,
        }[shape]
        choice, angles = (
            rng.integers(0, len(shapes), len(places)),
            rng.uniform(0, 2 * np.pi, len(places)),
        )
        offset_N2 = rng.uniform(0, 6.4, (len(places), 2))
        for index, (corners, normals) in enumerate(shapes):
            chosen = np.flatnonzero(choice == index)
            if not len(chosen):
                continue
            cosine, sine = np.cos(angles[chosen]), np.sin(angles[chosen])
            turn = np.zeros((len(chosen), 3, 3))
            turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1], turn[:, 2, 2] = (
                cosine,
                -sine,
                sine,
                cosine,
                1,
            )
            size = np.stack([radius[chosen], radius[chosen], height[chosen]], -1)[:, None, None]
            turned = np.einsum("nij,tkj->ntki", turn, corners) * size + places[chosen, None, None]
            shading = _unit(np.einsum("nij,tkj->ntki", turn, normals) / size)
            # Box mapping: each triangle takes the two axes that face it.
            flat = np.abs(
                cross(turned[:, :, 1] - turned[:, :, 0], turned[:, :, 2] - turned[:, :, 0])
            )
            axis = flat.argmax(-1)
            pairs = np.array([[1, 2], [0, 2], [0, 1]])[axis]
            uv = np.take_along_axis(
                turned, np.broadcast_to(pairs[:, :, None], (*turned.shape[:3], 2)), -1
            )
            uv = uv + offset_N2[chosen][:, None, None]
            tint = np.repeat(np.asarray(tint_N3)[chosen], len(corners), axis=0)
            builder.triangles(
                turned.reshape(-1, 3, 3),
                uv.reshape(-1, 3, 2),
                texture,
                tint,
                shading.reshape(-1, 3, 3),
            )


def gable_roof(
    builder,
    center,
    size,
    angle,
    eaves,
    rise,
    roof_texture,
    roof_tint,
    wall_texture,
    wall_tint,
    u0=0.0,
    overhang=0.5,
) -> None:
    """Two slopes whose ridge runs along the first side of `size`, and the two gables below them."""
    length, width = size
    slope = rise / (width / 2)
    low = eaves - overhang * slope
    over = rectangle(center, (length + 2 * overhang, width + 2 * overhang), angle)
    along = np.array([np.cos(angle), np.sin(angle)])
    ends = [
        np.asarray(center) - along * (length / 2 + overhang),
        np.asarray(center) + along * (length / 2 + overhang),
    ]
    ridge = [np.append(e, eaves + rise) for e in ends]
    corner = [np.append(c, low) for c in over]
    builder.surface(
        [[corner[0], corner[1], ridge[1], ridge[0]], [corner[2], corner[3], ridge[0], ridge[1]]],
        along,
        roof_texture,
        roof_tint,
        u0,
    )
    wall = rectangle(center, size, angle)
    inner = [
        np.append(np.asarray(center) - along * length / 2, eaves + rise),
        np.append(np.asarray(center) + along * length / 2, eaves + rise),
    ]
    w = [np.append(c, eaves) for c in wall]
    gables = np.array([[w[1], w[2], inner[1], inner[1]], [w[3], w[0], inner[0], inner[0]]])
    uv = np.array([[[0, 0], [width, 0], [width / 2, rise], [width / 2, rise]]] * 2) + [u0, 9.6]
    builder.quads(gables, uv, wall_texture, wall_tint)


def hip_roof(
    builder, center, size, angle, eaves, rise, roof_texture, roof_tint, u0=0.0, overhang=0.5
) -> None:
    """Four slopes; a pyramid where the sides are equal. The ridge runs along the longer side."""
    length, width = size
    if length < width:
        length, width, angle = width, length, angle + np.pi / 2
    along = np.array([np.cos(angle), np.sin(angle)])
    low = eaves - overhang * rise / (width / 2)
    corner = [
        np.append(c, low)
        for c in rectangle(center, (length + 2 * overhang, width + 2 * overhang), angle)
    ]
    half = (length - width) / 2
    ridge = [
        np.append(np.asarray(center) - along * half, eaves + rise),
        np.append(np.asarray(center) + along * half, eaves + rise),
    ]
    builder.surface(
        [[corner[0], corner[1], ridge[1], ridge[0]], [corner[2], corner[3], ridge[0], ridge[1]]],
        along,
        roof_texture,
        roof_tint,
        u0,
    )
    across = np.array([-along[1], along[0]])
    builder.surface(
        [[corner[1], corner[2], ridge[1], ridge[1]], [corner[3], corner[0], ridge[0], ridge[0]]],
        across,
        roof_texture,
        roof_tint,
        u0,
    )


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
