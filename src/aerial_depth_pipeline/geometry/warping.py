"""The warp at the heart of self-supervised depth: a source image as the target camera would have
seen it."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Compile = Callable[[Callable[..., Any]], Callable[..., Any]]

# Nearer points, and those behind the camera, are projected as if they lay there.
_MINIMUM_DEPTH = 1e-3


def pixel_centers(
    height: int,
    width: int,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Homogeneous pixel centres [3, H*W]: the first one is (0.5, 0.5, 1)."""
    row, column = (torch.arange(n, device=device, dtype=dtype) + 0.5 for n in (height, width))
    v, u = torch.meshgrid(row, column, indexing="ij")
    return torch.stack([u, v, torch.ones_like(u)]).flatten(1)


def sample(image_BCHW: Tensor, pixels_B2HW: Tensor) -> Tensor:
    """Bilinear values [B, C, H, W] of an image at pixels [B, 2, H, W] whose first centre is (0.5,
    0.5); outside, the border's value."""
    return sample_grid(image_BCHW, grid_from_pixels(pixels_B2HW, *image_BCHW.shape[-2:]))


def sample_grid(image_BCHW: Tensor, grid_BHW2: Tensor) -> Tensor:
    """The same at grid_sample's coordinates, as `warp_grid` gives them."""
    grid = grid_BHW2.to(image_BCHW.dtype)
    return F.grid_sample(image_BCHW, grid, "bilinear", "border", align_corners=False)


def grid_from_pixels(pixels_B2HW: Tensor, height: int, width: int) -> Tensor:
    """grid_sample's coordinates [B, H, W, 2] of pixels [B, 2, H, W] of an image of that size."""
    u, v = pixels_B2HW.unbind(1)
    return _grid(u, v, height, width)


def _grid(u_BHW: Tensor, v_BHW: Tensor, height: int, width: int) -> Tensor:
    # Coordinates that are no numbers, or beyond any integer, crash grid_sample on the CPU. (u == u
    # is many times isnan's speed.)
    u_BHW, v_BHW = (torch.where(x == x, x, -1e6).clamp(-1e6, 1e6) for x in (u_BHW, v_BHW))  # noqa: PLR0124
    return torch.stack([u_BHW * (2 / width) - 1, v_BHW * (2 / height) - 1], -1)


def reproject(
    depth_B1HW: Tensor, K_B33: Tensor, T_source_from_target_B44: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Where each target pixel lies in the source image.

    Args:
        depth_B1HW: z-depth of the target.
        K_B33: calibration of both cameras.
        T_source_from_target_B44: takes points of the target camera to the source camera, in the
            depth's unit.

    Returns:
        Pixels in the source [B, 2, H, W], z-depth there [B, 1, H, W], and the mask [B, 1, H, W] of
        pixels that lie in front of the source camera and inside its image.
    """
    rotation, offset = _pixel_motion(depth_B1HW, K_B33, T_source_from_target_B44)
    u, v, z = _source_pixels(depth_B1HW[:, 0], rotation, offset)
    return torch.stack([u, v], 1), z[:, None], (_margin(u, v, z) >= 0)[:, None]


def _pixel_motion(depth_B1HW: Tensor, K_B33: Tensor, T_B44: Tensor) -> tuple[Tensor, Tensor]:
    """A pixel p with depth d lies at d · rotation [B, 3, 3] · p + offset [B, 3] in the source's
    homogeneous pixels: no way through points."""
    if depth_B1HW.shape[1] != 1 or K_B33.shape != (len(depth_B1HW), 3, 3):
        shapes = f"{tuple(depth_B1HW.shape)} and {tuple(K_B33.shape)}"
        raise ValueError(f"expected depth [B,1,H,W] and K [B,3,3], got {shapes}")
    return K_B33 @ T_B44[:, :3, :3] @ torch.linalg.inv(K_B33), (K_B33 @ T_B44[:, :3, 3:])[..., 0]


def _rays(depth_BHW: Tensor, rotation_B33: Tensor) -> list[Tensor]:
    """The three coordinates [B, H, W] of `rotation` times each pixel; no product of matrices, so
    that a compiler makes one loop."""
    height, width = depth_BHW.shape[1:]
    column = torch.arange(width, device=depth_BHW.device, dtype=depth_BHW.dtype) + 0.5
    row = torch.arange(height, device=depth_BHW.device, dtype=depth_BHW.dtype)[:, None] + 0.5
    a = rotation_B33[..., None, None]
    return [a[:, i, 0] * column + a[:, i, 1] * row + a[:, i, 2] for i in range(3)]


def _moved(rays: list[Tensor], depth_BHW: Tensor, offset_B3: Tensor) -> list[Tensor]:
    return [ray * depth_BHW + offset_B3[:, i, None, None] for i, ray in enumerate(rays)]


def _source_pixels(
    depth_BHW: Tensor, rotation_B33: Tensor, offset_B3: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Column, row and z-depth in the source."""
    x, y, z = _moved(_rays(depth_BHW, rotation_B33), depth_BHW, offset_B3)
    inverse = 1 / z.clamp_min(_MINIMUM_DEPTH)
    return x * inverse, y * inverse, z


def _margin(u_BHW: Tensor, v_BHW: Tensor, z_BHW: Tensor) -> Tensor:
    """0 or more for pixels in front of the source camera and inside its image."""
    height, width = u_BHW.shape[1:]
    across, down = torch.minimum(u_BHW, width - u_BHW), torch.minimum(v_BHW, height - v_BHW)
    return torch.minimum(torch.minimum(across, down), z_BHW - _MINIMUM_DEPTH)


def _grid_and_margin(
    depth_BHW: Tensor, rotation_B33: Tensor, offset_B3: Tensor
) -> tuple[Tensor, Tensor]:
    u, v, z = _source_pixels(depth_BHW, rotation_B33, offset_B3)
    return _grid(u, v, *depth_BHW.shape[1:]), _margin(u, v, z)


def _grid_gradient(
    gradient_BHW2: Tensor, depth_BHW: Tensor, rotation_B33: Tensor, offset_B3: Tensor
) -> tuple[tuple[Tensor, ...], Tensor]:
    """From the gradient with respect to the coordinates that with respect to the source's
    homogeneous pixels, and to depth."""
    height, width = depth_BHW.shape[1:]
    rays = _rays(depth_BHW, rotation_B33)
    x, y, z = _moved(rays, depth_BHW, offset_B3)
    inverse = 1 / z.clamp_min(_MINIMUM_DEPTH)
    to_x = gradient_BHW2[..., 0] * (2 / width) * inverse
    to_y = gradient_BHW2[..., 1] * (2 / height) * inverse
    to_z = torch.where(z > _MINIMUM_DEPTH, -(to_x * x + to_y * y) * inverse, 0.0)
    return (to_x, to_y, to_z), to_x * rays[0] + to_y * rays[1] + to_z * rays[2]


class _Grid(torch.autograd.Function):
    """`_grid_and_margin` with its gradient by hand, which needs nothing kept but its arguments."""

    @staticmethod
    def forward(
        ctx: Any, depth: Tensor, rotation: Tensor, offset: Tensor, compiled: Compile
    ) -> tuple[Tensor, Tensor]:
        ctx.compiled = compiled
        ctx.save_for_backward(depth, rotation, offset)
        grid, margin = compiled(_grid_and_margin)(depth, rotation, offset)
        inside = margin >= 0  # masks are what a compiler does worst
        ctx.mark_non_differentiable(inside)
        return grid, inside

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        depth, rotation, offset = ctx.saved_tensors
        to_image, to_depth = ctx.compiled(_grid_gradient)(gradient, depth, rotation, offset)
        to_rotation = to_offset = None
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            image, (height, width) = torch.stack(to_image, 1), depth.shape[1:]
            centers = pixel_centers(height, width, depth.device, depth.dtype)
            to_rotation = (image * depth[:, None]).flatten(2) @ centers.T
            to_offset = image.sum((2, 3))
        return to_depth, to_rotation, to_offset, None


def warp_grid(
    depth_B1HW: Tensor,
    K_B33: Tensor,
    T_source_from_target_B44: Tensor,
    compiled: Compile = lambda function: function,
) -> tuple[Tensor, Tensor]:
    """Where `warp` looks: coordinates [B, H, W, 2] for `sample_grid`, and the mask [B, 1, H, W] of
    pixels that the source really saw.

    `compiled` gives a faster form of a function, such as torch.compile's.
    """
    rotation, offset = _pixel_motion(depth_B1HW, K_B33, T_source_from_target_B44)
    grid, inside = _Grid.apply(depth_B1HW[:, 0], rotation, offset, compiled)
    return grid, inside[:, None]


def warp(
    source_BCHW: Tensor, depth_B1HW: Tensor, K_B33: Tensor, T_source_from_target_B44: Tensor
) -> tuple[Tensor, Tensor]:
    """The source image [B, C, H, W] as seen by the target camera, given the target's z-depth, and
    the mask [B, 1, H, W] of pixels that the source really saw.

    Source: Zhou et al., Unsupervised Learning of Depth and Ego-Motion from Video, CVPR 2017,
        section 3.2.
    """
    grid, inside = warp_grid(depth_B1HW, K_B33, T_source_from_target_B44)
    return sample_grid(source_BCHW, grid), inside
