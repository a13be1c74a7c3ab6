"""Crowns of trees, made once and planted many times."""

import numpy as np

from aerial_depth_pipeline.simulation.layout import axes, unit
from aerial_depth_pipeline.simulation.meshes import MeshBuilder, facing, lifted
from aerial_depth_pipeline.simulation.palette import LEAVES

# Kinds of crowns, with least and largest ratio of half their height to their radius.
SHAPES = {"broad": (0.85, 1.25), "round": (0.9, 1.3), "conifer": (1.2, 1.7), "bush": (0.6, 0.9)}

Crown = tuple[np.ndarray, np.ndarray]  # corners and normals [N, 3, 3]


def sphere(subdivisions: int) -> np.ndarray:
    """Triangles [N, 3, 3] of a unit sphere: an icosahedron, subdivided."""
    golden = (1 + 5**0.5) / 2
    vertices = np.array(
        [[-1, golden, 0], [1, golden, 0], [-1, -golden, 0], [1, -golden, 0], [0, -1, golden],
         [0, 1, golden], [0, -1, -golden], [0, 1, -golden], [golden, 0, -1], [golden, 0, 1],
         [-golden, 0, -1], [-golden, 0, 1]]
    )  # fmt: skip
    faces = np.array(
        [[0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11], [1, 5, 9], [5, 11, 4],
         [11, 10, 2], [10, 7, 6], [7, 1, 8], [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9],
         [4, 9, 5], [2, 4, 11], [6, 2, 10], [8, 6, 7], [9, 8, 1]]
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


def _lump(rng: np.random.Generator, subdivisions: int, strength: float) -> Crown:
    """A bumpy ball of radius 1. The bumps depend on position alone, so that corners shared by
    triangles stay together."""
    corners = sphere(subdivisions)
    waves, phases = rng.normal(size=(6, 3)) * 3.2, rng.uniform(0, 2 * np.pi, 6)
    bumps = 1 + strength * np.sin(corners @ waves.T + phases).sum(-1) / 2.4
    return corners * bumps[..., None], corners


def _broad_crown(rng: np.random.Generator, lumps: int) -> Crown:
    """Unit tree: crown of overlapping lumps of about radius 1 around (0, 0, 0)."""
    parts, normals = [], []
    for index in range(lumps):
        corners, normal = _lump(rng, 1, 0.2)
        angle = 2 * np.pi * (index + rng.uniform(-0.2, 0.2)) / lumps
        radius = rng.uniform(0.5, 0.72)
        offset = np.array([*(unit(angle) * 0.45), rng.uniform(-0.35, 0.15)])
        if index == 0:
            offset, radius = np.array([0.0, 0.0, 0.3]), 0.68
        parts.append(corners * radius * [1, 1, 0.95] + offset)
        normals.append(_unit(normal * 0.7 + _unit(parts[-1] + [0, 0, 0.4]) * 0.5))
    return np.concatenate(parts), np.concatenate(normals)


def _conifer(rng: np.random.Generator) -> Crown:
    """Unit conifer: three skirts, crown radius 1 at the bottom, height from -1 to 2."""
    triangles, normals = [], []
    sides = 9
    for bottom, top, radius in ((-1.0, 0.6, 1.0), (-0.1, 1.4, 0.72), (0.8, 2.1, 0.45)):
        angles = np.arange(sides) * 2 * np.pi / sides + rng.uniform(0, 1)
        rim = unit(angles) * (radius * rng.uniform(0.8, 1.15, (sides, 1)))
        rim = lifted(rim, bottom + rng.uniform(-0.1, 0.1, sides))
        following = np.roll(rim, -1, axis=0)
        apex = np.broadcast_to([0.0, 0.0, top], (sides, 3))
        triangles.append(np.stack([rim, following, apex], 1))
        outward = np.stack([rim, following, (rim + following) / 2], 1) * [1, 1, 0]
        normals.append(_unit(outward + [0, 0, 0.5 * radius]))
    return np.concatenate(triangles), np.concatenate(normals)


class Foliage:
    """A few crowns of each shape, planted many times with one call."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._crowns = {
            "broad": [_broad_crown(rng, lumps) for lumps in (2, 3, 3, 4)],
            "conifer": [_conifer(rng) for _ in range(2)],
            "round": [_lump(rng, 1, 0.3) for _ in range(4)],
            "bush": [_lump(rng, 0, 0.16) for _ in range(3)],
        }

    def plant(self, builder: MeshBuilder, shape: str, places_N3, size_N3, tint_N3, rng) -> None:
        """Plant N crowns whose middles lie at `places_N3` and whose radii along x, y and z are
        `size_N3`, metres."""
        crowns, count = self._crowns[shape], len(places_N3)
        choice, angles = rng.integers(0, len(crowns), count), rng.uniform(0, 2 * np.pi, count)
        offset_N2 = rng.uniform(0, 6.4, (count, 2))
        for index, (corners, normals) in enumerate(crowns):
            chosen = np.flatnonzero(choice == index)
            turn = np.zeros((len(chosen), 3, 3))
            turn[:, :2, :2] = axes(angles[chosen]).T
            turn[:, 2, 2] = 1
            size = size_N3[chosen, None, None]
            turned = np.einsum("nij,tkj->ntki", turn, corners) * size
            turned = turned + places_N3[chosen, None, None]
            shading = _unit(np.einsum("nij,tkj->ntki", turn, normals) / size)
            # Box mapping: each triangle takes the two axes that face it.
            axis = np.abs(facing(turned)).argmax(-1)
            pairs = np.array([[1, 2], [0, 2], [0, 1]])[axis][:, :, None]
            uv = np.take_along_axis(turned, np.broadcast_to(pairs, (*turned.shape[:3], 2)), -1)
            uv = uv + offset_N2[chosen][:, None, None]
            builder.triangles(
                turned.reshape(-1, 3, 3),
                uv.reshape(-1, 3, 2),
                LEAVES,
                np.repeat(tint_N3[chosen], len(corners), axis=0),
                shading.reshape(-1, 3, 3),
            )
