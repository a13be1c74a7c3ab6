"""Changes to a batch of triplets, made on the device that trains: flip, zoom and colour. The geometry follows the picture."""

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.cameras import crop_K, flip_K, scale_K
from aerial_depth_pipeline.training.settings import AugmentationSettings


def flip_triplets(
    images_BL3HW: torch.Tensor, K_B33: torch.Tensor, T_BS44: torch.Tensor, chosen_B: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mirror the chosen samples left to right: pictures, principal point and relative poses.

    The mirrored world has x reversed in every camera, so a relative pose T becomes M T M with M = diag(-1, 1, 1, 1).
    """
    pick = chosen_B.reshape(-1, 1, 1, 1, 1)
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0], device=T_BS44.device, dtype=T_BS44.dtype))
    return (
        torch.where(pick, images_BL3HW.flip(-1), images_BL3HW),
        torch.where(chosen_B.reshape(-1, 1, 1), flip_K(K_B33, images_BL3HW.shape[-1]), K_B33),
        torch.where(chosen_B.reshape(-1, 1, 1, 1), mirror @ T_BS44 @ mirror, T_BS44),
    )


def zoom_triplets(
    images_BL3HW: torch.Tensor, K_B33: torch.Tensor, factor_B: torch.Tensor, place_B2: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut a piece 1 / factor of the size out of each sample and enlarge it to the whole; the depth of what is seen stays.

    Args:
        factor_B: enlargement, at least 1.
        place_B2: where the piece lies, x and y in 0..1 from the left and top to the right and bottom end.
    """
    batch, length, _, height, width = images_BL3HW.shape
    piece = torch.stack([width / factor_B, height / factor_B], -1)
    corner = place_B2 * (torch.tensor([width, height], device=piece.device) - piece)
    K = K_B33.clone()
    for b in range(batch):
        cropped = crop_K(K_B33[b], float(corner[b, 0]), float(corner[b, 1]))
        K[b] = scale_K(cropped, float(factor_B[b]), float(factor_B[b]))
    # In grid_sample's coordinates (-1..1 over the image) the piece is a scaled and shifted copy of the whole.
    size = torch.tensor([width, height], device=piece.device)
    theta = torch.zeros(batch, 2, 3, device=images_BL3HW.device, dtype=images_BL3HW.dtype)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / factor_B
    theta[:, :, 2] = (2 * corner + piece) / size - 1
    flat = images_BL3HW.flatten(1, 2)
    grid = F.affine_grid(theta, list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False).unflatten(1, (length, 3)), K


def jitter_colour(images_BL3HW: torch.Tensor, change_B6: torch.Tensor) -> torch.Tensor:
    """Brightness, contrast, saturation and a tint for each sample, the same for its frames; clamped to 0..1.

    Args:
        change_B6: factors around 1 for brightness, contrast, saturation, and for red, green and blue.
    """
    brightness, contrast, saturation = change_B6[:, :3].reshape(-1, 3, 1, 1, 1, 1).unbind(1)
    tint = change_B6[:, 3:].reshape(-1, 1, 3, 1, 1)
    x = images_BL3HW * brightness * tint
    grey = x.mean(2, keepdim=True)
    x = grey + (x - grey) * saturation
    middle = grey.mean((1, 3, 4), keepdim=True)
    return (middle + (x - middle) * contrast).clamp(0, 1)


def augment(
    images_BL3HW: torch.Tensor, K_B33: torch.Tensor, T_BS44: torch.Tensor, settings: AugmentationSettings, random_B16: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Apply all changes.

    Args:
        random_B16: uniform numbers in 0..1 that decide everything (16 a sample), drawn by the caller.

    Returns:
        The pictures for the loss, the pictures for the network (with changed colours), K and T.
    """
    images, K, T = images_BL3HW, K_B33, T_BS44
    if settings.flip > 0:
        images, K, T = flip_triplets(images, K, T, random_B16[:, 0] < settings.flip)
    if settings.zoom > 1:
        factor = 1 + (settings.zoom - 1) * random_B16[:, 1]
        images, K = zoom_triplets(images, K, factor, random_B16[:, 2:4])
    seen = images
    if settings.colour > 0:
        strength = torch.tensor([1, 1, 1, 0.25, 0.25, 0.25], device=images.device) * settings.colour
        seen = jitter_colour(images, 1 + strength * (2 * random_B16[:, 4:10] - 1))
    return images, seen, K, T
