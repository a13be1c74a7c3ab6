"""Small worlds whose shape is known by formula."""

import numpy as np

from aerial_depth_pipeline.simulation.foliage import sphere
from aerial_depth_pipeline.simulation.meshes import MeshBuilder
from aerial_depth_pipeline.simulation.textures import Texture, fractal_noise
from aerial_depth_pipeline.simulation.worlds import World


def picture(seed: int = 0, texels_per_metre: float = 8.0) -> Texture:
    """Noise with contrast at all scales that a camera some tens of metres away can see."""
    rng = np.random.default_rng(seed)
    noise = np.stack([fractal_noise(512, 128, 8, rng) for _ in range(3)], -1)
    return Texture(np.clip(128 + 45 * noise, 0, 255).astype(np.uint8), texels_per_metre)


def world_of(builder: MeshBuilder, **more) -> World:
    """A world of these triangles, without haze."""
    settings = {
        "half": 100.0,
        "sun_3": np.array([0.3, 0.2, 0.9327379]),
        "haze_rgb": np.array([0.5, 0.6, 0.7]),
        "visibility": 1e9,
    }
    return World(builder.mesh(), [picture()], origin=(47.0, 8.0, 400.0), **settings | more)


def add_plane(
    builder: MeshBuilder, slope=(0.0, 0.0), level: float = 0.0, half: float = 400.0
) -> None:
    """The plane z = slope . (x, y) + level."""
    xy = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    builder.quads(
        np.concatenate([xy, (xy @ slope + level)[:, None]], 1)[None],
        (xy + half)[None],
        0,
        (1.0, 1.0, 1.0),
    )


def add_sphere(builder: MeshBuilder, center_3, radius: float, subdivisions: int = 5) -> None:
    """A finely triangulated sphere: its facets lie within radius * 4**-subdivisions / 3 of it."""
    triangles = sphere(subdivisions) * radius + np.asarray(center_3)
    builder.triangles(triangles, triangles[..., :2], 0, (0.9, 0.9, 0.9))
