"""The warp, on a plane and a sphere whose images are known in closed form."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from tests.worlds.points import backproject

from aerial_depth_pipeline.geometry import poses
from aerial_depth_pipeline.geometry.cameras import Camera, flip_K
from aerial_depth_pipeline.geometry.warping import (
    grid_from_pixels,
    pixel_centers,
    reproject,
    sample,
    warp,
    warp_grid,
)

CAMERA = Camera.pinhole(160, 96, 140.0, 138.0, 83.0, 45.0)
CROP = Camera.pinhole(100, 60, 140.0, 138.0, 63.0, 37.0)  # from pixel (20, 8) on


def texture(points_N3: np.ndarray) -> np.ndarray:
    """A smooth colour of the world, so that interpolation error is small and known."""
    x, y, z = points_N3.T
    return np.stack(
        [
            0.5 + 0.2 * np.sin(0.5 * x + 0.2 * z) + 0.2 * np.cos(0.35 * y),
            0.5 + 0.4 * np.sin(0.3 * (x + y)),
            0.5 + 0.3 * np.cos(0.4 * y + 0.1 * z),
        ],
        -1,
    )


def rays(camera: Camera) -> np.ndarray:
    return (
        np.linalg.inv(camera.K)
        @ pixel_centers(camera.height, camera.width, dtype=torch.float64).numpy()
    ).T


def see_plane(camera: Camera, cam_from_world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image [H,W,3] and z-depth [H,W] of the plane z = 0.1 x of the world, below a camera that
    looks down."""
    normal = np.array([-0.1, 0.0, 1.0])
    world_from_cam = poses.invert(cam_from_world)
    directions = (
        rays(camera) @ world_from_cam[:3, :3].T
    )  # their z in the camera is 1, so the length along them is z-depth
    center = world_from_cam[:3, 3]
    depth = -(center @ normal) / (directions @ normal)
    points = center + depth[:, None] * directions
    return texture(points).reshape(camera.height, camera.width, 3), depth.reshape(
        camera.height, camera.width
    )


def see_sphere(camera: Camera, radius: float, distance: float) -> np.ndarray:
    """z-depth [H,W] of a sphere on the optical axis, 0 where it is missed."""
    d = rays(camera)
    a, b, c = (d**2).sum(-1), -2 * d[:, 2] * distance, distance**2 - radius**2
    disc = b**2 - 4 * a * c
    depth = np.where(disc > 0, (-b - np.sqrt(np.maximum(disc, 0))) / (2 * a), 0.0)
    return depth.reshape(camera.height, camera.width)


def tensors(
    image: np.ndarray, depth: np.ndarray, camera: Camera, T: np.ndarray
) -> tuple[torch.Tensor, ...]:
    return (
        torch.from_numpy(image).permute(2, 0, 1)[None],
        torch.from_numpy(depth)[None, None],
        torch.from_numpy(camera.K)[None],
        torch.from_numpy(T)[None],
    )


TARGET = poses.look_at(np.array([0.0, -20.0, 40.0]), np.array([0.0, 0.0, 0.0]))
SOURCE = poses.pose(
    Rotation.from_euler("xyz", [2, -3, 4], degrees=True).as_matrix(), np.zeros(3)
) @ poses.look_at(np.array([4.0, -17.0, 41.0]), np.array([1.0, 0.0, 0.0]))


def test_warped_plane_reproduces_the_target() -> None:
    target, depth = see_plane(CAMERA, TARGET)
    source, _ = see_plane(CAMERA, SOURCE)
    warped, inside = warp(*tensors(source, depth, CAMERA, poses.relative_pose(SOURCE, TARGET)))
    assert 0.6 < inside.double().mean() < 1
    error = (warped - torch.from_numpy(target).permute(2, 0, 1)[None]).abs()[
        inside.expand_as(warped)
    ]
    # Bilinear interpolation errs by 1/8 of the second difference; within half a pixel of the border
    # there is nothing to interpolate with.
    assert error.quantile(0.99) < 2e-3
    # Half a pixel of a wrong convention would be noticed.
    pixels, _, _ = reproject(
        *tensors(source, depth, CAMERA, poses.relative_pose(SOURCE, TARGET))[1:]
    )
    wrong = sample(torch.from_numpy(source).permute(2, 0, 1)[None], pixels + 0.5)
    off = (wrong - torch.from_numpy(target).permute(2, 0, 1)[None]).abs()[inside.expand_as(warped)]
    assert off.quantile(0.99) > 5 * error.quantile(0.99)


def test_identity_returns_the_image_to_the_bit_and_no_border() -> None:
    image, depth = see_plane(CAMERA, TARGET)
    warped, inside = warp(*tensors(image, depth, CAMERA, np.eye(4)))
    assert inside.all()
    np.testing.assert_allclose(warped[0].permute(1, 2, 0).numpy(), image, atol=1e-9)


def test_points_behind_the_source_are_not_inside() -> None:
    image, depth = see_plane(CAMERA, TARGET)
    turned = poses.pose(Rotation.from_euler("y", 180, degrees=True).as_matrix(), np.zeros(3))
    _, inside = warp(*tensors(image, depth, CAMERA, turned))
    assert not inside.any()


@pytest.mark.parametrize(
    ("of_camera", "of_image"),
    [
        (lambda c: c.resized(80, 48), lambda i: i.reshape(48, 2, 80, 2, -1).mean((1, 3))),
        (lambda c: CROP, lambda i: i[8:68, 20:120]),
        (lambda c: Camera.from_K(flip_K(c.K, c.width), c.width, c.height), lambda i: i[:, ::-1]),
    ],
    ids=["resize", "crop", "flip"],
)
def test_changing_the_camera_commutes_with_changing_the_image(of_camera, of_image) -> None:
    """Seeing through the changed camera is the same as changing what was seen."""
    flipped = (
        of_camera is not None and of_camera(CAMERA).params[2] == CAMERA.width - CAMERA.params[2]
    )
    image, depth = see_plane(CAMERA, TARGET)
    changed_image, changed_depth = of_image(image), of_image(depth[..., None])[..., 0]
    camera = of_camera(CAMERA)
    if flipped:  # a flipped image is that of a mirrored world: mirror the rays instead
        d = rays(camera) * [-1, 1, 1]
        world_from_cam = poses.invert(TARGET)
        directions = d @ world_from_cam[:3, :3].T
        normal = np.array([-0.1, 0.0, 1.0])
        expected_depth = (-(world_from_cam[:3, 3] @ normal) / (directions @ normal)).reshape(
            camera.height, camera.width
        )
        expected_image = texture(
            world_from_cam[:3, 3] + expected_depth.reshape(-1, 1) * directions
        ).reshape(camera.height, camera.width, 3)
    else:
        expected_image, expected_depth = see_plane(camera, TARGET)
    np.testing.assert_allclose(changed_depth, expected_depth, rtol=2e-4)
    np.testing.assert_allclose(changed_image, expected_image, atol=3e-3)


@pytest.mark.parametrize("camera", [CAMERA, CAMERA.resized(80, 48), CROP])
def test_depth_is_z_depth_and_backprojects_onto_the_sphere(camera) -> None:
    radius, distance = 3.0, 12.0
    depth = see_sphere(camera, radius, distance)
    points = backproject(depth, camera).T
    hit = depth.reshape(-1) > 0
    assert hit.sum() > 300
    np.testing.assert_allclose(
        points[hit, 2], depth.reshape(-1)[hit]
    )  # along the axis, not along the ray
    np.testing.assert_allclose(
        np.linalg.norm(points[hit] - [0, 0, distance], axis=1), radius, rtol=1e-9
    )


def test_first_pixel_centre_is_half_half() -> None:
    centers = pixel_centers(2, 3)
    assert centers[:, 0].tolist() == [0.5, 0.5, 1.0]
    assert centers[:, -1].tolist() == [2.5, 1.5, 1.0]
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    values = sample(image, centers[:2].reshape(1, 2, 2, 3))
    np.testing.assert_allclose(values.numpy(), image.numpy(), atol=1e-6)


def test_warp_is_differentiable_in_depth_and_pose() -> None:
    source, _ = see_plane(CAMERA, SOURCE)
    _, depth = see_plane(CAMERA, TARGET)
    image, depth_, K, T = tensors(source, depth, CAMERA, poses.relative_pose(SOURCE, TARGET))
    depth_.requires_grad_()
    T.requires_grad_()
    warp(image, depth_, K, T)[0].sum().backward()
    assert depth_.grad.abs().sum() > 0 and T.grad.abs().sum() > 0


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected depth"):
        warp_grid(torch.ones(2, 3, 4, 4), torch.eye(3).expand(2, 3, 3), torch.eye(4))


def test_the_gradient_of_where_the_warp_looks_is_that_of_its_formula():
    torch.manual_seed(0)
    K = torch.tensor(
        [
            [[9.0, 0.0, 5.5], [0.0, 8.0, 3.5], [0.0, 0.0, 1.0]],
            [[7.0, 0.0, 4.5], [0.0, 9.0, 4.0], [0.0, 0.0, 1.0]],
        ]
    ).double()
    T = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1) + 0.1 * torch.randn(
        2, 4, 4, dtype=torch.float64
    )
    depth = 1 + torch.rand(2, 1, 8, 11, dtype=torch.float64)
    depth[0, 0, 2, 3] = -5  # behind the source's camera
    arguments = [x.requires_grad_() for x in (depth, K, T)]
    grid, inside = warp_grid(*arguments)
    pixels, _, expected_inside = reproject(*arguments)
    expected = grid_from_pixels(pixels, 8, 11)
    weight = torch.randn_like(grid)
    given = torch.autograd.grad((grid * weight).sum(), arguments)
    by_formula = torch.autograd.grad((expected * weight).sum(), arguments)
    assert (
        torch.equal(inside, expected_inside)
        and 0.1 < inside.double().mean() < 0.9
        and not inside[0, 0, 2, 3]
    )
    assert torch.allclose(grid, expected)
    assert all(
        torch.allclose(a, b, rtol=1e-9) and b.abs().max() > 0
        for a, b in zip(given, by_formula, strict=True)
    )
