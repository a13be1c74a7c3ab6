"""Edge-aware smoothness."""

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.terms.term import Context, Term


class Smoothness(Term):
    """Smoothness of inverse depth, `loss.smoothness` / 2^s at scale s, mean over scales."""

    name = "smoothness"
    order = 1

    def weight(self, settings: TrainSettings, step: int) -> float:
        return float(settings.loss.smoothness > 0)  # the scales' weights are inside

    def __call__(self, context: Context) -> torch.Tensor:
        image = context.target_B3HW
        total = image.new_zeros(())
        for scale, inverse in enumerate(context.inverse_depths):
            if image.shape[-2:] != inverse.shape[-2:]:
                image = F.interpolate(image, inverse.shape[-2:], mode="area")
            weight = context.settings.loss.smoothness / 2**scale
            total = total + weight * smoothness(inverse, image)
        return total / len(context.inverse_depths)


def smoothness(inverse_depth_B1HW: torch.Tensor, image_B3HW: torch.Tensor) -> torch.Tensor:
    """Edge-aware smoothness (a scalar) of inverse depth divided by its mean, so that a smaller
    scene is not a smoother one.

    Source: Godard et al., Digging into Self-Supervised Monocular Depth Estimation, ICCV 2019,
        equation 3.
    """
    mean = inverse_depth_B1HW.mean((2, 3), keepdim=True).clamp_min(1e-7)
    normalised = inverse_depth_B1HW / mean
    total = torch.zeros((), device=image_B3HW.device)
    for axis in (-1, -2):
        step = normalised.diff(dim=axis).abs()
        edge = image_B3HW.diff(dim=axis).abs().mean(1, keepdim=True)
        total = total + (step * torch.exp(-edge)).mean()
    return total
