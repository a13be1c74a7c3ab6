import numpy as np
import pytest

from aerial_depth_pipeline.evaluation.sweep_initialisation import sweep_around
from aerial_depth_pipeline.geometry.poses import look_at, relative_pose

HEIGHT, WIDTH, FOCAL = 96, 144, 130.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


def view(x):
    """Grey picture, depth and pose of a camera 40 m above patterned level ground that looks obliquely."""
    center = np.array([x, -30.0, 40.0])
    pose = look_at(center, np.array([x, 10.0, 0.0]))
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    rays = np.stack([(u - K[0, 2]) / FOCAL, (v - K[1, 2]) / FOCAL, np.ones_like(u)], -1) @ pose[:3, :3]
    depth = -center[2] / rays[..., 2]
    ground = center + rays * depth[..., None]
    random = np.random.default_rng(5)
    grey = np.zeros(depth.shape)
    for _ in range(14):
        direction, phase = random.normal(0, 0.9, 2), random.uniform(0, 6)
        grey += np.sin(ground[..., :2] @ direction + phase)
    return np.clip(127 + 18 * grey, 1, 255).astype(np.uint8), depth.astype(np.float32), pose


@pytest.fixture(scope="module")
def scene():
    target, depth, pose = view(0.0)
    others = [view(x) for x in (-4.0, 4.0)]
    return target, depth, [image for image, _, _ in others], [relative_pose(other, pose) for _, _, other in others]


def error(found, depth):
    known = found > 0
    assert known.mean() > 0.5
    return float(np.median(np.abs(found - depth)[known] / depth[known]))


def test_a_sweep_around_a_wrong_surface_finds_the_ground(scene):
    target, depth, sources, relative = scene
    frontal = np.full_like(depth, 1 / 50)
    found = sweep_around(target, sources, K, relative, frontal, np.linspace(0.5, 1.6, 48))
    assert error(found, depth) < 0.01


def test_a_surface_that_knows_the_shape_needs_fewer_planes(scene):
    target, depth, sources, relative = scene
    rough = 1 / (depth * (1 + 0.04 * np.sin(np.arange(WIDTH) / 20)).astype(np.float32))
    around_rough = sweep_around(target, sources, K, relative, rough, np.linspace(0.94, 1.06, 7))
    around_frontal = sweep_around(target, sources, K, relative, np.full_like(depth, 1 / 50), np.linspace(0.5, 1.6, 7))
    assert error(around_rough, depth) < 0.01
    assert error(around_rough, depth) < 0.5 * error(around_frontal, depth)
