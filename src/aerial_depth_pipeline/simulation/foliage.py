"""Crowns of trees, made once and planted many times."""

import numpy as np

from aerial_depth_pipeline.simulation.meshes import MeshBuilder, cross


def sphere(subdivisions: int) -> np.ndarray:
    """Triangles [N, 3, 3] of a unit sphere: an icosahedron, subdivided."""
    golden = (1 + 5**0.5) / 2
    vertices = np.array(
        [[-1, golden, 0], [1, golden, 0], [-1, -golden, 0], [1, -golden, 0], [0, -1, golden],
         [0, 1, golden],
         [0, -1, -golden], [0, 1, -golden], [golden, 0, -1], [golden, 0, 1], [-golden, 0, -1],
         [-golden, 0, 1]]
    )  # fmt: skip
    faces = np.array(
        [[0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11], [1, 5, 9], [5, 11, 4],
         [11, 10, 2], [10, 7, 6], [7, 1, 8],
         [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9], [4, 9, 5], [2, 4, 11], [6, 2, 10],
         [8, 6, 7], [9, 8, 1]]
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
