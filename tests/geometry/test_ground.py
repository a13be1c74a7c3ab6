"""How level ground slopes across an image, against rays that meet a plane."""

import numpy as np
import pytest
import torch

from aerial_depth_pipeline.geometry.ground import FARTHEST, ground_slope, relative_inverse_depth
from aerial_depth_pipeline.geometry.poses import look_at

WIDTH, HEIGHT = 64, 48
K = np.array([[70.0, 0, 29.0], [0, 66.0, 27.5], [0, 0, 1]])


def depth_of_level_ground(cam_from_world: np.ndarray) -> np.ndarray:
    """z-depth of the plane z = 0 on every pixel, infinite above the horizon."""
    v, u = np.meshgrid(np.arange(HEIGHT) + 0.5, np.arange(WIDTH) + 0.5, indexing="ij")
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(K).T
    centre = -cam_from_world[:3, :3].T @ cam_from_world[:3, 3]
    down = (rays @ cam_from_world[:3, :3])[..., 2]
    return np.where(down < 0, -centre[2] / np.minimum(down, -1e-9), np.inf)


def slope_of(cam_from_world: np.ndarray) -> torch.Tensor:
    up = torch.tensor(cam_from_world[:3, 2].copy())[None]
    return ground_slope(up, torch.tensor(K)[None], HEIGHT, WIDTH)


@pytest.mark.parametrize("target", [(10.0, 80.0, 0.0), (60.0, 40.0, 5.0), (0.0, 1e-6, 0.0)])
def test_the_slope_is_that_of_the_inverse_depth_of_a_plane(target):
    pose = look_at(np.array([0.0, 0.0, 55.0]), np.array(target))
    inverse = 1 / depth_of_level_ground(pose)
    # Halfway between the pixels in the middle lies the centre that the slope counts from.
    middle = inverse[HEIGHT // 2 - 1 : HEIGHT // 2 + 1, WIDTH // 2 - 1 : WIDTH // 2 + 1].mean()
    found = relative_inverse_depth(slope_of(pose), HEIGHT, WIDTH)[0, 0].numpy()
    np.testing.assert_allclose(found, inverse / middle, rtol=1e-5)


def test_a_camera_that_looks_straight_down_sees_no_slope():
    pitch_90 = torch.tensor([[0.0, 0.0, -1.0]])
    centred = torch.tensor([[[70.0, 0, 32.0], [0, 66.0, 24.0], [0, 0, 1]]])
    np.testing.assert_allclose(
        ground_slope(pitch_90, centred, HEIGHT, WIDTH), np.zeros((1, 2)), atol=1e-6
    )


def test_ground_ends_at_the_horizon_and_stays_finite():
    for target in [(0.0, 200.0, 40.0), (0.0, 200.0, 42.0)]:
        slope = slope_of(look_at(np.array([0.0, 0.0, 55.0]), np.array(target)))
        relative = relative_inverse_depth(slope, HEIGHT, WIDTH)
        assert torch.isfinite(relative).all() and relative.min() >= 1 / FARTHEST - 1e-6
        assert slope[0, 1] > 1  # the horizon is in the image


def test_a_camera_near_the_horizon_keeps_the_direction_of_the_slope():
    # Almost level and rolled by 0.3 degrees: the ground hardly differs from left to right.
    pitch, roll = np.radians(0.5), np.radians(0.3)
    up = torch.tensor(
        [[np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), -np.sin(pitch)]]
    )
    centred = torch.tensor([[[70.0, 0, 32.0], [0, 66.0, 24.0], [0, 0, 1]]], dtype=up.dtype)
    a, b = ground_slope(up, centred, HEIGHT, WIDTH)[0].tolist()
    exact = -float(up[0, 0]) * WIDTH / 70, -float(up[0, 1]) * HEIGHT / 66
    assert b == pytest.approx(4) and a / b == pytest.approx(exact[0] / exact[1], rel=1e-6)
    assert (1 - abs(a)) / (1 + abs(a)) > 0.9


@pytest.mark.parametrize("target", [(0.0, 200.0, 60.0), (0.0, 200.0, 90.0)])
def test_where_the_centre_sees_no_ground_nothing_is_known(target):
    assert slope_of(look_at(np.array([0.0, 0.0, 55.0]), np.array(target))).isnan().all()


def test_an_attitude_that_is_not_known_has_no_slope():
    assert (
        ground_slope(torch.full((1, 3), torch.nan), torch.tensor(K)[None].float(), HEIGHT, WIDTH)
        .isnan()
        .all()
    )
