"""Exponential moving average of the weights."""

import lightning as L
import torch

from aerial_depth_pipeline.training.callbacks.step import StepCallback
from aerial_depth_pipeline.training.module import TrainingModule


class MovingAverage(StepCallback):
    """Moves `module.average` toward the weights."""

    @torch.no_grad()
    def after_step(self, trainer: L.Trainer, module: TrainingModule) -> None:
        if module.average is None:
            return
        # A young average would remember the random start; its decay grows with the steps.
        decay = min(module.settings.ema, (1 + module.step) / (10 + module.step))
        averaged = module.average.state_dict().values()
        for average, current in zip(averaged, module.model.state_dict().values(), strict=True):
            if average.dtype.is_floating_point:
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(current)
