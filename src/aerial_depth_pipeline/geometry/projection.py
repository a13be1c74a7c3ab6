"""From pixels with depth to points and back, differentiable, in torch."""

import torch

MINIMUM_DEPTH = (
    1e-3  # nearer points, and those behind the camera, are projected as if they lay there
)


def pixel_centers(height: int, width: int, device=None, dtype=torch.float32) -> torch.Tensor:
    """Homogeneous pixel centres [3, H*W]: the first one is (0.5, 0.5, 1)."""
    v, u = torch.meshgrid(
        torch.arange(height, device=device, dtype=dtype) + 0.5,
        torch.arange(width, device=device, dtype=dtype) + 0.5,
        indexing="ij",
    )
    return torch.stack(
        [u.reshape(-1), v.reshape(-1), torch.ones(height * width, device=device, dtype=dtype)]
    )


def backproject(depth_B1HW: torch.Tensor, K_B33: torch.Tensor) -> torch.Tensor:
    """Points [B, 3, H*W] in the camera's frame, in the depth's unit, of a z-depth map."""
    batch, channels, height, width = depth_B1HW.shape
    if channels != 1 or K_B33.shape != (batch, 3, 3):
        raise ValueError(
            f"expected depth [B,1,H,W] and K [B,3,3], got {tuple(depth_B1HW.shape)} and"
            f" {tuple(K_B33.shape)}"
        )
    rays = torch.linalg.inv(K_B33) @ pixel_centers(
        height, width, depth_B1HW.device, depth_B1HW.dtype
    )
    return rays * depth_B1HW.reshape(batch, 1, -1)


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
