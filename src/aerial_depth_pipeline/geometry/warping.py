"""The warp at the heart of self-supervised depth: a source image as the target camera would have seen it."""

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.projection import MINIMUM_DEPTH, pixel_centers


def sample(image_BCHW: torch.Tensor, pixels_B2HW: torch.Tensor) -> torch.Tensor:
    """Bilinear values [B, C, H, W] of an image at pixels [B, 2, H, W] whose first centre is (0.5, 0.5); outside, the border's value."""
    return sample_grid(image_BCHW, grid_from_pixels(pixels_B2HW, *image_BCHW.shape[-2:]))


def sample_grid(image_BCHW: torch.Tensor, grid_BHW2: torch.Tensor) -> torch.Tensor:
    """The same at grid_sample's coordinates, as `warp_grid` gives them."""
    return F.grid_sample(image_BCHW, grid_BHW2.to(image_BCHW.dtype), mode="bilinear", padding_mode="border", align_corners=False)


def grid_from_pixels(pixels_B2HW: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """grid_sample's coordinates [B, H, W, 2] of pixels [B, 2, H, W] of an image of that size."""
    size = torch.tensor([width, height], device=pixels_B2HW.device, dtype=pixels_B2HW.dtype)
    # Coordinates that are no numbers, or beyond any integer, crash grid_sample on the CPU.
    return torch.nan_to_num(pixels_B2HW, nan=-1e6).clamp(-1e6, 1e6).permute(0, 2, 3, 1) * (2 / size) - 1


def reproject(
    depth_B1HW: torch.Tensor, K_B33: torch.Tensor, T_source_from_target_B44: torch.Tensor, K_source_B33: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where each target pixel lies in the source image.

    Args:
        depth_B1HW: z-depth of the target.
        K_B33: calibration of the target, and of the source where `K_source_B33` is not given.
        T_source_from_target_B44: takes points of the target camera to the source camera, in the depth's unit.

    Returns:
        Pixels in the source [B, 2, H, W], z-depth there [B, 1, H, W], and the mask [B, 1, H, W] of pixels that lie in front of the source
        camera and inside its image.
    """
    batch, channels, height, width = depth_B1HW.shape
    if channels != 1 or K_B33.shape != (batch, 3, 3):
        raise ValueError(f"expected depth [B,1,H,W] and K [B,3,3], got {tuple(depth_B1HW.shape)} and {tuple(K_B33.shape)}")
    # Depth times a fixed ray plus a fixed offset, both already in the source's pixels: far fewer passes than going through points.
    K_source = K_B33 if K_source_B33 is None else K_source_B33
    turned = K_source @ T_source_from_target_B44[:, :3, :3] @ torch.linalg.inv(K_B33)
    rays = (turned @ pixel_centers(height, width, depth_B1HW.device, depth_B1HW.dtype)).unflatten(2, (height, width))
    offset = (K_source @ T_source_from_target_B44[:, :3, 3:])[..., None]
    image = torch.addcmul(offset, rays, depth_B1HW)
    z = image[:, 2:]
    pixels = image[:, :2] / z.clamp_min(MINIMUM_DEPTH)
    u, v = pixels[:, :1], pixels[:, 1:]
    inside = (z > MINIMUM_DEPTH) & (u >= 0) & (u <= width) & (v >= 0) & (v <= height)
    return pixels, z, inside


def warp_grid(depth_B1HW: torch.Tensor, K_B33: torch.Tensor, T_source_from_target_B44: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where `warp` looks: coordinates [B, H, W, 2] for `sample_grid`, and the mask [B, 1, H, W] of pixels that the source really saw."""
    pixels, _, inside = reproject(depth_B1HW, K_B33, T_source_from_target_B44)
    return grid_from_pixels(pixels, *depth_B1HW.shape[-2:]), inside


def warp(
    source_BCHW: torch.Tensor, depth_B1HW: torch.Tensor, K_B33: torch.Tensor, T_source_from_target_B44: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The source image as seen by the target camera, given the target's z-depth.

    Returns:
        The warped image [B, C, H, W] and the mask [B, 1, H, W] of pixels that the source really saw.

    Source: Zhou et al., Unsupervised Learning of Depth and Ego-Motion from Video, CVPR 2017, section 3.2.
    """
    grid, inside = warp_grid(depth_B1HW, K_B33, T_source_from_target_B44)
    return sample_grid(source_BCHW, grid), inside
