"""Depth that is exact, textures that stay on their surface, shadows that fall where they must."""

import numpy as np
import pytest
import torch
from tests.worlds.points import backproject
from tests.worlds.rendered import add_plane, add_sphere, world_of

from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.poses import invert, look_at, relative_pose
from aerial_depth_pipeline.geometry.warping import warp
from aerial_depth_pipeline.simulation.meshes import MeshBuilder
from aerial_depth_pipeline.simulation.rendering import Renderer, _TextureMemory
from aerial_depth_pipeline.simulation.textures import Texture

CAMERA = Camera.pinhole(96, 64, 80.0, 84.0, 47.0, 33.5)


def _points(depth_HW, cam_from_world, camera=CAMERA):
    """World points [3, H*W] of a z-depth map."""
    world_from_cam = invert(cam_from_world)
    points = backproject(depth_HW.astype(np.float64), camera)
    return world_from_cam[:3, :3] @ points + world_from_cam[:3, 3:]


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.15, -0.2)])
def test_depth_of_a_plane_lies_on_it_to_a_millimetre_per_metre(slope):
    builder = MeshBuilder()
    add_plane(builder, slope, level=1.5)
    pose = look_at(np.array([5.0, -40.0, 55.0]), np.array([0.0, 20.0, 0.0]))
    _, depth = Renderer(world_of(builder)).render(pose, CAMERA)
    hit = depth.ravel() > 0
    assert hit.mean() > 0.9
    x, y, z = _points(depth, pose)[:, hit]
    assert np.abs(z - (slope[0] * x + slope[1] * y + 1.5)).max() / depth.max() < 1e-4
    # Distance along the ray would fail: at the corners it is longer than z-depth.
    far = depth * np.linalg.norm(np.linalg.inv(CAMERA.K) @ [0.5, 0.5, 1.0])
    x, y, z = _points(far, pose)[:, hit]
    assert np.abs(z - (slope[0] * x + slope[1] * y + 1.5)).max() > 0.5


def test_nadir_depth_of_level_ground_is_the_height_everywhere():
    builder = MeshBuilder()
    add_plane(builder)
    _, depth = Renderer(world_of(builder)).render(
        look_at(np.array([0.0, 0.0, 50.0]), np.zeros(3)), CAMERA
    )
    np.testing.assert_allclose(depth, 50.0, atol=1e-3)


def test_depth_of_a_sphere_lies_on_it_and_the_sky_is_zero():
    builder = MeshBuilder()
    center = np.array([1.0, 2.0, 3.0])
    add_sphere(builder, center, 10.0)
    pose = look_at(np.array([30.0, -10.0, 12.0]), center)
    _, depth = Renderer(world_of(builder)).render(pose, CAMERA)
    hit = depth.ravel() > 0
    assert 0.1 < hit.mean() < 0.9
    distance = np.linalg.norm(_points(depth, pose).T[hit] - center, axis=1)
    assert np.abs(distance - 10.0).max() < 10.0 * 4.0**-5 / 2 + 1e-3
    assert (depth.ravel()[~hit] == 0).all()


def test_depth_of_a_box_lies_on_its_faces():
    builder = MeshBuilder()
    builder.box((0.0, 0.0), (10.0, 6.0), 0.0, 0.0, 8.0, 0, (1.0, 1.0, 1.0))
    pose = look_at(np.array([25.0, 20.0, 22.0]), np.array([0.0, 0.0, 4.0]))
    _, depth = Renderer(world_of(builder)).render(pose, CAMERA)
    x, y, z = _points(depth, pose)[:, depth.ravel() > 0]
    outside = np.maximum(np.maximum(np.abs(x) - 5.0, np.abs(y) - 3.0), np.abs(z - 4.0) - 4.0)
    assert np.abs(outside).max() < 0.03
    assert (
        (np.abs(z - 8.0) < 0.03).any()
        and (np.abs(x - 5.0) < 0.03).any()
        and (np.abs(y - 3.0) < 0.03).any()
    )


def test_one_view_warps_onto_the_other_with_the_true_poses():
    builder = MeshBuilder()
    add_plane(builder, (0.05, 0.02))
    add_sphere(builder, (3.0, 5.0, 0.0), 9.0, 4)
    renderer = Renderer(world_of(builder))
    target, source = (
        look_at(np.array([x, -40.0, 50.0]), np.array([0.0, 0.0, 0.0])) for x in (0.0, 2.5)
    )
    camera = Camera.pinhole(192, 128, 160.0, 160.0, 96.0, 64.0)
    (image, depth), (other, _) = renderer.render(target, camera), renderer.render(source, camera)

    def tensor(a):
        return torch.from_numpy(np.ascontiguousarray(a.transpose(2, 0, 1)))[None].double()

    K, T = torch.from_numpy(camera.K)[None], torch.from_numpy(relative_pose(source, target))[None]
    warped, inside = warp(tensor(other), torch.from_numpy(depth)[None, None].double(), K, T)
    difference = (warped - tensor(image)).abs().mean(1, keepdim=True)[inside]
    unwarped = (tensor(other) - tensor(image)).abs().mean(1, keepdim=True)[inside]
    assert inside.double().mean() > 0.9
    assert difference.median() < 0.015
    assert difference.mean() < 0.2 * unwarped.mean()


def test_shadow_lies_on_the_side_away_from_the_sun():
    builder = MeshBuilder()
    add_plane(builder)
    builder.box((0.0, 0.0), (4.0, 4.0), 0.0, 0.0, 10.0, 0, (1.0, 1.0, 1.0))
    sun = np.array([1.0, 0.0, 1.0]) / np.sqrt(2)
    image, depth = Renderer(world_of(builder, sun_3=sun)).render(
        look_at(np.array([0.0, 0.0, 60.0]), np.zeros(3)), CAMERA
    )
    # The box is 10 m high and the sun stands at 45 degrees in the east: the shadow reaches 10 m to
    # the west.
    west = image[32:35, int(47 - 80 * 7 / 60)].mean()
    east = image[32:35, int(47 + 80 * 7 / 60)].mean()
    assert west < 0.75 * east


def test_haze_hides_what_is_far():
    builder = MeshBuilder()
    add_plane(builder, half=2000.0)
    pose = look_at(np.array([0.0, 0.0, 30.0]), np.array([0.0, 100.0, 20.0]))
    clear, depth = Renderer(world_of(builder)).render(pose, CAMERA)
    hazy, _ = Renderer(world_of(builder, visibility=600.0)).render(pose, CAMERA)
    far, near = (depth > 250) & (depth < 600), (depth > 0) & (depth < 80)
    assert hazy[far].std(0).max() < 0.4 * clear[far].std(0).max()
    assert hazy[near].std(0).max() > 0.6 * clear[near].std(0).max()


def test_a_checkerboard_far_away_is_grey_and_does_not_flicker():
    board = np.kron(np.indices((64, 64)).sum(0) % 2, np.ones((4, 4)))[..., None] * np.full(3, 255)
    builder = MeshBuilder()
    add_plane(builder)
    world = world_of(builder, sunlit=False)
    world.textures[0] = Texture(board.astype(np.uint8), 8.0)  # squares of half a metre
    renderer = Renderer(world)
    shifted = [
        renderer.render(look_at(np.array([dx, 0.0, 300.0]), np.array([dx, 0.0, 0.0])), CAMERA)[0]
        for dx in (0.0, 0.7)
    ]
    assert shifted[0].std() < 0.05
    assert np.abs(shifted[0] - shifted[1]).max() < 0.1


def test_bilinear_texture_values_follow_the_centre_convention_and_wrap():
    image = np.zeros((4, 8, 3), np.uint8)
    image[1, 2], image[1, 3], image[0, 0], image[0, 7] = 200, 100, 40, 80
    memory = _TextureMemory([Texture(image, 1.0)])
    index = np.zeros(3, np.int64)
    values = memory.bilinear(
        index, index, np.array([2.5, 3.0, 0.0], np.float32), np.array([1.5, 1.5, 0.5], np.float32)
    )
    np.testing.assert_allclose(values[:, 0], [200.0, 150.0, 60.0])


def test_a_distorted_camera_is_refused():
    builder = MeshBuilder()
    add_plane(builder)
    camera = Camera("SIMPLE_RADIAL", 96, 64, (80.0, 48.0, 32.0, 0.1))
    with pytest.raises(ValueError, match="pinhole"):
        Renderer(world_of(builder)).render(np.eye(4), camera)
