"""The warp at the heart of self-supervised depth: a source image as the target camera would have seen it."""

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.projection import backproject, project, transform


def sample(image_BCHW: torch.Tensor, pixels_B2HW: torch.Tensor) -> torch.Tensor:
    """Bilinear values [B, C, H, W] of an image at pixels [B, 2, H, W] whose first centre is (0.5, 0.5); outside, the border's value."""
    height, width = image_BCHW.shape[-2:]
    size = torch.tensor([width, height], device=pixels_B2HW.device, dtype=pixels_B2HW.dtype)
    # Coordinates that are no numbers, or beyond any integer, crash grid_sample on the CPU.
    grid = torch.nan_to_num(pixels_B2HW, nan=-1e6).clamp(-1e6, 1e6).permute(0, 2, 3, 1) * (2 / size) - 1
    return F.grid_sample(image_BCHW, grid.to(image_BCHW.dtype), mode="bilinear", padding_mode="border", align_corners=False)


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
    batch, _, height, width = depth_B1HW.shape
    points = transform(backproject(depth_B1HW, K_B33), T_source_from_target_B44)
    pixels, z = project(points, K_B33 if K_source_B33 is None else K_source_B33)
    pixels, z = pixels.reshape(batch, 2, height, width), z.reshape(batch, 1, height, width)
    u, v = pixels[:, :1], pixels[:, 1:]
    inside = (z > 1e-3) & (u >= 0) & (u <= width) & (v >= 0) & (v <= height)
    return pixels, z, inside


def warp(
    source_BCHW: torch.Tensor, depth_B1HW: torch.Tensor, K_B33: torch.Tensor, T_source_from_target_B44: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The source image as seen by the target camera, given the target's z-depth.

    Returns:
        The warped image [B, C, H, W] and the mask [B, 1, H, W] of pixels that the source really saw.

    Source: Zhou et al., Unsupervised Learning of Depth and Ego-Motion from Video, CVPR 2017, section 3.2.
    """
    pixels, _, inside = reproject(depth_B1HW, K_B33, T_source_from_target_B44)
    return sample(source_BCHW, pixels), inside
