"""Changes to a batch of triplets on the device that trains; the geometry follows the image."""

import math

import torch

from aerial_depth_pipeline.training.batch import Batch, crop, flip, rotate
from aerial_depth_pipeline.training.settings import AugmentationSettings


def augment(
    batch: Batch, settings: AugmentationSettings, shown: list[int] | None = None
) -> tuple[Batch, torch.Tensor]:
    """Flip, rotate and crop a batch, and jitter the colours that the network sees.

    Args:
        batch: `random` in it decides everything.
        shown: the frames that the network sees; None for all.

    Returns:
        The changed batch, for the loss, and the network's images, whose colours differ from it.
    """
    random = batch["random"]
    # Mixed precision is for the network: a pose rounded to bfloat16 is off by tenths of a pixel.
    with torch.autocast(batch["images"].device.type, enabled=False):
        if settings.flip > 0:
            batch = flip(batch, random[:, 0] < settings.flip)
        if settings.rotate > 0:
            batch = rotate(batch, math.radians(settings.rotate) * (2 * random[:, 10:13] - 1))
        if settings.zoom > 1:
            batch = crop(batch, 1 + (settings.zoom - 1) * random[:, 1], random[:, 2:4])
        images = batch["images"] if shown is None else batch["images"][:, shown]
        if settings.color_jitter > 0:
            strength = images.new_tensor([1, 1, 1, 0.25, 0.25, 0.25]) * settings.color_jitter
            images = color_jitter(images, 1 + strength * (2 * random[:, 4:10] - 1))
        return batch, images


def color_jitter(images_BL3HW: torch.Tensor, change_B6: torch.Tensor) -> torch.Tensor:
    """Brightness, contrast, saturation and a tint for each sample, the same for its frames; clamped
    to 0..1.

    Args:
        change_B6: factors around 1: brightness, contrast, saturation, red, green, blue.
    """
    brightness, contrast, saturation = change_B6[:, :3].reshape(-1, 3, 1, 1, 1, 1).unbind(1)
    tint = change_B6[:, 3:].reshape(-1, 1, 3, 1, 1)
    x = images_BL3HW * brightness * tint
    grey = x.mean(2, keepdim=True)
    x = grey + (x - grey) * saturation
    middle = grey.mean((1, 3, 4), keepdim=True)
    return (middle + (x - middle) * contrast).clamp(0, 1)
