"""The slope of level ground that the network estimates."""

import torch

from aerial_depth_pipeline.training.kernels.masks import masked_mean
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.terms.term import Context, Term


class Slope(Term):
    """Mean absolute difference to the slope that follows from the camera's attitude."""

    name = "slope"
    order = 5

    def weight(self, settings: TrainSettings, step: int) -> float:
        return max(0.0, settings.loss.slope)

    def applies(self, context: Context) -> bool:
        return context.estimated_slope_B2 is not None

    def __call__(self, context: Context) -> torch.Tensor:
        slope, estimated = context.slope_B2, context.estimated_slope_B2
        assert estimated is not None
        return masked_mean((estimated - slope.nan_to_num()).abs(), slope.isfinite())
