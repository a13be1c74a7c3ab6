"""From pixels with depth to points and back, differentiable, in torch."""

import torch

# Nearer points, and those behind the camera, are projected as if they lay there.
MINIMUM_DEPTH = 1e-3


def pixel_centers(
    height: int,
    width: int,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Homogeneous pixel centres [3, H*W]: the first one is (0.5, 0.5, 1)."""
    row, column = (torch.arange(n, device=device, dtype=dtype) + 0.5 for n in (height, width))
    v, u = torch.meshgrid(row, column, indexing="ij")
    return torch.stack([u, v, torch.ones_like(u)]).flatten(1)


def backproject(depth_B1HW: torch.Tensor, K_B33: torch.Tensor) -> torch.Tensor:
    """Points [B, 3, H*W] in the camera's frame, in the depth's unit, of a z-depth map."""
    check_shapes(depth_B1HW, K_B33)
    height, width = depth_B1HW.shape[2:]
    pixels = pixel_centers(height, width, depth_B1HW.device, depth_B1HW.dtype)
    return torch.linalg.inv(K_B33) @ pixels * depth_B1HW.flatten(2)


def check_shapes(depth_B1HW: torch.Tensor, K_B33: torch.Tensor) -> None:
    """Raises: ValueError: unless depth is [B, 1, H, W] and K [B, 3, 3]."""
    if depth_B1HW.shape[1] != 1 or K_B33.shape != (len(depth_B1HW), 3, 3):
        shapes = f"{tuple(depth_B1HW.shape)} and {tuple(K_B33.shape)}"
        raise ValueError(f"expected depth [B,1,H,W] and K [B,3,3], got {shapes}")


def transform(points_B3N: torch.Tensor, T_B44: torch.Tensor) -> torch.Tensor:
    """Points [B, 3, N] moved by rigid motions [B, 4, 4]."""
    return T_B44[:, :3, :3] @ points_B3N + T_B44[:, :3, 3:]


def project(
    points_B3N: torch.Tensor, K_B33: torch.Tensor, minimum_depth: float = MINIMUM_DEPTH
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels [B, 2, N] and z-depth [B, N] of points in the camera's frame.

    Points nearer than `minimum_depth`, or behind the camera, are projected as if they lay at it;
    their depth tells them apart.
    """
    z = points_B3N[:, 2]
    image = K_B33 @ points_B3N
    return image[:, :2] / z.clamp_min(minimum_depth)[:, None], z
