"""Ray casting with Embree: colour and exact z-depth of what a camera sees.

One ray per pixel through its centre, and four more where a pixel's neighbours see something else,
so that edges neither step nor flicker. Textures are filtered to the pixel's footprint
(three-linear, with two taps along the footprint's longer side), so that distant ground does not
flicker either. Colours are computed in linear light and written with gamma 2.
"""

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.simulation.meshes import Mesh
from aerial_depth_pipeline.simulation.textures import Texture
from aerial_depth_pipeline.simulation.worlds import World

_SUN_RGB = np.array([1.75, 1.62, 1.38], np.float32)
_SKY_RGB = np.array([0.42, 0.49, 0.60], np.float32)
_BOUNCE_RGB = np.array([0.16, 0.15, 0.12], np.float32)
# Where the four extra rays of an edge pixel lie inside it, from its centre.
_EDGE_SAMPLES = np.array([[-0.125, -0.375], [0.375, -0.125], [0.125, 0.375], [-0.375, 0.125]])


class _TextureMemory:
    """All mipmap levels of all textures in one array, so that any mixture of them is read with one
    gather."""

    def __init__(self, textures: list[Texture]) -> None:
        levels = max(int(np.log2(min(t.image.shape[:2]))) for t in textures) + 1
        self.offset = np.zeros((len(textures), levels), np.int64)
        self.width_bits = np.zeros((len(textures), levels), np.int64)
        self.x_mask = np.zeros((len(textures), levels), np.int64)
        self.y_mask = np.zeros((len(textures), levels), np.int64)
        self.last_level = np.zeros(len(textures), np.float32)
        self.density = np.array([t.texels_per_metre for t in textures], np.float32)
        parts, position = [], 0
        for index, texture in enumerate(textures):
            height, width = texture.image.shape[:2]
            if height & (height - 1) or width & (width - 1):
                raise ValueError(f"a texture's sides must be powers of two, not {width}x{height}")
            image = texture.image
            own_levels = int(np.log2(min(height, width))) + 1
            self.last_level[index] = own_levels - 1
            for level in range(levels):
                if level < own_levels:
                    if level:
                        wide = image.astype(np.uint16)
                        image = (
                            (
                                wide[::2, ::2]
                                + wide[1::2, ::2]
                                + wide[::2, 1::2]
                                + wide[1::2, 1::2]
                                + 2
                            )
                            >> 2
                        ).astype(np.uint8)
                    packed = np.zeros((*image.shape[:2], 4), np.uint8)
                    packed[..., :3] = image
                    parts.append(packed.view(np.uint32).ravel())
                    self.offset[index, level] = position
                    position += parts[-1].size
                else:
                    self.offset[index, level] = self.offset[index, level - 1]
                self.width_bits[index, level] = int(np.log2(image.shape[1]))
                self.x_mask[index, level], self.y_mask[index, level] = (
                    image.shape[1] - 1,
                    image.shape[0] - 1,
                )
        self.texels = np.concatenate(parts)

    def bilinear(
        self, texture_N: np.ndarray, level_N: np.ndarray, u_N: np.ndarray, v_N: np.ndarray
    ) -> np.ndarray:
        """Colours [N, 4] float32, 0 to 255; u, v in texels of level 0."""
        offset, bits = self.offset[texture_N, level_N], self.width_bits[texture_N, level_N]
        x_mask, y_mask = self.x_mask[texture_N, level_N], self.y_mask[texture_N, level_N]
        shrink = np.exp2(-level_N.astype(np.float32))
        x, y = u_N * shrink - 0.5, v_N * shrink - 0.5
        x_floor, y_floor = np.floor(x), np.floor(y)
        x_part, y_part = (x - x_floor)[:, None], (y - y_floor)[:, None]
        x0, y0 = x_floor.astype(np.int64), y_floor.astype(np.int64)
        x1, y1 = (x0 + 1) & x_mask, (y0 + 1) & y_mask
        x0, y0 = x0 & x_mask, y0 & y_mask
        row0, row1 = offset + (y0 << bits), offset + (y1 << bits)
        top = _lerp(self._read(row0 + x0), self._read(row0 + x1), x_part)
        bottom = _lerp(self._read(row1 + x0), self._read(row1 + x1), x_part)
        return _lerp(top, bottom, y_part)

    def _read(self, index_N: np.ndarray) -> np.ndarray:
        return self.texels[index_N].view(np.uint8).reshape(-1, 4).astype(np.float32)

    def trilinear(self, texture_N, lod_N, u_N, v_N) -> np.ndarray:
        """Colours [N, 4] between the two levels next to `lod_N`."""
        lod = np.clip(lod_N, 0, self.last_level[texture_N])
        level = np.floor(lod)
        part = (lod - level)[:, None]
        level = level.astype(np.int64)
        upper = np.minimum(level + 1, self.last_level[texture_N].astype(np.int64))
        return _lerp(
            self.bilinear(texture_N, level, u_N, v_N),
            self.bilinear(texture_N, upper, u_N, v_N),
            part,
        )


def _lerp(a: np.ndarray, b: np.ndarray, part: np.ndarray) -> np.ndarray:
    b -= a
    b *= part
    b += a
    return b


class _Shape:
    """A mesh inside Embree, with what shading needs per triangle."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.scene = EmbreeScene()
        self._embree_mesh = TriangleMesh(self.scene, mesh.corners_N33)
        corners = mesh.corners_N33.astype(np.float64)
        a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        normal = np.cross(a, b)
        squared = np.maximum((normal**2).sum(-1, keepdims=True), 1e-20)
        du, dv = (mesh.uv_N32[:, k] - mesh.uv_N32[:, 0] for k in (1, 2))
        dual_a, dual_b = np.cross(b, normal) / squared, np.cross(normal, a) / squared
        # Change of the texture coordinates per metre along x, y and z.
        self.uv_gradient_N23 = (
            du[:, :, None] * dual_a[:, None] + dv[:, :, None] * dual_b[:, None]
        ).astype(np.float32)
        self.normal_N3 = (normal / np.sqrt(squared)).astype(np.float32)

    def cast(self, origin_3: np.ndarray, directions_N3: np.ndarray) -> dict[str, np.ndarray]:
        origins = np.empty_like(directions_N3)
        origins[:] = origin_3
        return self.scene.run(origins, directions_N3, output=1)

    def blocked(self, origins_N3: np.ndarray, directions_N3: np.ndarray) -> np.ndarray:
        return self.scene.run(origins_N3, directions_N3, query="OCCLUDED") == 0


class Renderer:
    """Renders a world. Building it puts the world into Embree and makes the mipmaps; both happen
    once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._static = _Shape(world.mesh)
        self._moving: _Shape | None = None
        self._textures = _TextureMemory(world.textures)

    def set_moving(self, mesh: Mesh | None) -> None:
        """Replace what moves; None removes it."""
        self._moving = None if mesh is None or not len(mesh) else _Shape(mesh)

    def distances(self, origins_N3: np.ndarray, directions_N3: np.ndarray) -> np.ndarray:
        """Distance along unit directions to the nearest still surface, infinite where there is
        none."""
        origins = np.ascontiguousarray(origins_N3, np.float32)
        directions = np.ascontiguousarray(directions_N3, np.float32)
        hits = self._static.scene.run(origins, directions, output=1)
        return np.where(hits["primID"] >= 0, hits["tfar"].astype(np.float64), np.inf)

    def render(self, cam_from_world: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        """What a pinhole camera sees.

        Args:
            cam_from_world: pose, 4x4.
            camera: an undistorted camera.

        Returns:
            Colours [H, W, 3] float32, 0 to 1, gamma 2, without noise; and z-depth at the pixels'
            centres [H, W] float32 in metres, 0 where nothing is hit.
        """
        if camera.is_distorted:
            raise ValueError("the renderer knows pinhole cameras only")
        rotation, K_inverse = cam_from_world[:3, :3], np.linalg.inv(camera.K)
        origin = -rotation.T @ cam_from_world[:3, 3]
        width, height = camera.width, camera.height
        columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        pixels = np.stack([columns.ravel(), rows.ravel()], -1)
        to_world = rotation.T @ K_inverse  # a pixel (u, v, 1) to the direction with z-depth 1
        color, depth, seen = self._trace(origin, pixels, to_world)
        edges = np.flatnonzero(_edges(depth.reshape(height, width), seen.reshape(height, width)))
        if len(edges):
            samples = (pixels[edges][:, None] + _EDGE_SAMPLES).reshape(-1, 2)
            extra, _, _ = self._trace(origin, samples, to_world, half_footprint=True)
            color[edges] = (color[edges] + extra.reshape(-1, 4, 3).sum(1)) / 5
        return np.sqrt(np.clip(color, 0, 1)).reshape(height, width, 3), depth.reshape(height, width)

    def _trace(
        self, origin, pixels_N2, to_world, half_footprint=False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Linear colour [N, 3], z-depth [N] and a signature [N] of what was seen."""
        directions = (pixels_N2 @ to_world[:, :2].T + to_world[:, 2]).astype(np.float32)
        step_x, step_y = to_world[:, 0].astype(np.float32), to_world[:, 1].astype(np.float32)
        if half_footprint:
            step_x, step_y = step_x / 2, step_y / 2
        hits = self._static.cast(origin.astype(np.float32), directions)
        depth = np.where(hits["primID"] >= 0, hits["tfar"], np.float32(0))
        color = np.empty((len(depth), 3), np.float32)
        seen = np.full(len(depth), -1, np.int64)
        found = np.flatnonzero(hits["primID"] >= 0)
        if self._moving is not None:
            moving = self._moving.cast(origin.astype(np.float32), directions)
            nearer = (moving["primID"] >= 0) & ((depth == 0) | (moving["tfar"] < depth))
            depth = np.where(nearer, moving["tfar"], depth)
            found = np.flatnonzero((hits["primID"] >= 0) & ~nearer)
            front = np.flatnonzero(nearer)
            color[front], seen[front] = self._shade(
                self._moving, moving, front, origin, directions, depth, step_x, step_y
            )
        if len(found):
            color[found], seen[found] = self._shade(
                self._static, hits, found, origin, directions, depth, step_x, step_y
            )
        empty = np.flatnonzero(seen < 0)
        if len(empty):
            color[empty] = self._sky(directions[empty])
        return color, depth.astype(np.float32), seen

    def _shade(
        self, shape: _Shape, hits, index, origin, directions, depth, step_x, step_y
    ) -> tuple[np.ndarray, np.ndarray]:
        mesh, triangle = shape.mesh, hits["primID"][index]
        second, third = hits["u"][index, None], hits["v"][index, None]
        first = 1 - second - third
        direction, t = directions[index], depth[index, None]
        flat = shape.normal_N3[triangle]
        facing = np.einsum("nk,nk->n", flat, direction)[:, None]
        gradient = shape.uv_gradient_N23[triangle]
        # How the texture coordinates move from pixel to pixel: the ray's step, slid along itself
        # onto the triangle's plane.
        safe = np.where(np.abs(facing) < 1e-6, np.float32(1e-6), facing)
        along = np.einsum("nij,nj->ni", gradient, direction)
        change_x = t * (gradient @ step_x - along * ((flat @ step_x)[:, None] / safe))
        change_y = t * (gradient @ step_y - along * ((flat @ step_y)[:, None] / safe))
        texture = mesh.texture_N[triangle].astype(np.int64)
        density = self._textures.density[texture]
        uv = mesh.uv_N32[triangle]
        coordinates = first * uv[:, 0] + second * uv[:, 1] + third * uv[:, 2]
        length_x, length_y = np.hypot(*change_x.T), np.hypot(*change_y.T)
        longer = np.where((length_x > length_y)[:, None], change_x, change_y)
        major, minor = np.maximum(length_x, length_y), np.minimum(length_x, length_y)
        lod = np.log2(np.maximum(np.maximum(major * 0.5, minor) * density, 1e-6)).astype(np.float32)
        u, v = (coordinates[:, 0] * density, coordinates[:, 1] * density)
        du, dv = (longer * (density * 0.25)[:, None]).T
        texel = self._textures.trilinear(texture, lod, u - du, v - dv)
        texel += self._textures.trilinear(texture, lod, u + du, v + dv)
        albedo = (texel[:, :3] * np.float32(0.5 / 255)) ** 2 * mesh.tint_N3[triangle]
        reached = np.zeros(len(index), bool)
        arriving = (
            1.0
            if not self.world.sunlit
            else self._light(
                mesh, triangle, first, second, third, flat, facing, origin, direction, t, reached
            )
        )
        clear = np.exp(
            t
            * np.float32(-3.0 / self.world.visibility)
            * np.linalg.norm(direction, axis=1, keepdims=True)
        )
        color = albedo * arriving * clear + self.world.haze_rgb.astype(np.float32) * (1 - clear)
        # What counts as an edge: another texture, another facing (in coarse steps), or the shadow's
        # border.
        signature = texture * 2 + reached
        return color, signature

    def _light(
        self, mesh, triangle, first, second, third, flat, facing, origin, direction, t, reached
    ) -> np.ndarray:
        """Light [N, 3] that arrives from sun, sky and ground; marks in `reached` where the sun
        shines."""
        corners = mesh.normals_N33[triangle]
        normal = first * corners[:, 0] + second * corners[:, 1] + third * corners[:, 2]
        turn = np.where(facing > 0, np.float32(-1), np.float32(1))
        normal *= turn / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        flat = flat * turn
        sun = self.world.sun_3.astype(np.float32)
        light = np.maximum(normal @ sun, 0)
        lit = np.flatnonzero((light > 0) & (flat @ sun > 0))
        point = (origin.astype(np.float32) + direction[lit] * t[lit]) + flat[lit] * np.maximum(
            0.02, t[lit] * 2e-4
        )
        toward_sun = np.empty_like(point)
        toward_sun[:] = sun
        shadow = self._static.blocked(point, toward_sun)
        if self._moving is not None:
            shadow |= self._moving.blocked(point, toward_sun)
        reached[lit] = ~shadow
        upward = 0.5 + 0.5 * normal[:, 2:3]
        return (
            _SKY_RGB * upward + _BOUNCE_RGB * (1 - upward) + _SUN_RGB * (light * reached)[:, None]
        )

    def _sky(self, directions_N3: np.ndarray) -> np.ndarray:
        """Linear colours [N, 3] of the sky: haze at the horizon, blue above, soft clouds that stay
        where they are."""
        unit = directions_N3 / np.linalg.norm(directions_N3, axis=1, keepdims=True)
        rise = np.clip(unit[:, 2:3], 0, 1)
        blue = np.array([0.16, 0.30, 0.60], np.float32)
        color = self.world.haze_rgb.astype(np.float32) * (1 - rise) ** 3 + blue * (
            1 - (1 - rise) ** 3
        )
        plane = unit[:, :2] / (rise + 0.12)
        cloud = np.sin(plane @ [1.7, 0.9]) * np.sin(plane @ [-0.8, 2.1] + 1) + 0.6 * np.sin(
            plane @ [4.1, -2.7] + 2
        ) * np.sin(plane @ [2.2, 3.9])
        return (color + 0.35 * np.clip(cloud[:, None], 0, 1) * rise**0.5).astype(np.float32)


def _edges(depth_HW: np.ndarray, seen_HW: np.ndarray) -> np.ndarray:
    """Pixels whose neighbour to the right or below sees another surface, and those neighbours."""
    inverse = np.where(depth_HW > 0, 1 / np.maximum(depth_HW, 1e-6), 0)
    edges = np.zeros(depth_HW.shape, bool)
    for axis in (0, 1):
        whole = slice(None)
        first, second_on = slice(None, -1), slice(1, None)
        here = (first, whole) if axis == 0 else (whole, first)
        there = (second_on, whole) if axis == 0 else (whole, second_on)
        differs = seen_HW[here] != seen_HW[there]
        # Along a plane inverse depth is linear: its second difference tells a step or a crease from
        # a slope.
        second = np.zeros(depth_HW.shape, np.float32)
        middle = [slice(None)] * 2
        middle[axis] = slice(1, -1)
        second[tuple(middle)] = np.abs(np.diff(inverse, 2, axis=axis))
        bent = second > 0.01 * inverse
        edges[here] |= differs
        edges[there] |= differs
        edges |= bent
    return edges
