"""The base of callbacks that act after a step, and what every step needs: its count and metrics,
their log, the moving average of the weights."""

from typing import Any

import lightning as L
import torch
from tqdm import tqdm

from aerial_depth_pipeline.training.curve import MetricsLogger
from aerial_depth_pipeline.training.module import TrainingModule


class StepCallback(L.Callback):
    """Acts after an optimizer step, not after each accumulated part of a batch."""

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, module: TrainingModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % module.settings.accumulate == 0:
            self.after_step(trainer, module)

    def after_step(self, trainer: L.Trainer, module: TrainingModule) -> None:
        """What is to be done; `module.step` and `module.terms` are those of the step."""


class StepMetrics(StepCallback):
    """Counts the step and means its loss terms over parts and ranks, so that all ranks agree on
    whether something is wrong."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self.bar = bar

    def after_step(self, trainer: L.Trainer, module: TrainingModule) -> None:
        means = {name: value / module.parts for name, value in module.sums.items()}
        reduce = trainer.strategy.reduce
        module.terms = {name: float(reduce(mean, reduce_op="mean")) for name, mean in means.items()}
        module.sums, module.parts = {}, 0
        module.step += 1
        self.bar.set_postfix_str(f"loss {module.terms['total']:.4f}", refresh=False)
        self.bar.update(1)


class MovingAverage(StepCallback):
    """Moves `module.average`, an exponential moving average, toward the weights."""

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


class StepLog(StepCallback):
    """Logs `train/…` every `log_every` steps."""

    def __init__(self, logger: MetricsLogger | None) -> None:
        self.logger = logger

    def after_step(self, trainer: L.Trainer, module: TrainingModule) -> None:
        if module.step % module.settings.log_every == 0 or module.step in (
            1,
            module.settings.steps,
        ):
            rate = {"learning_rate": module.rate(module.step - 1)}
            self.write(trainer, module, "train", module.terms | rate)

    def write(
        self, trainer: L.Trainer, module: TrainingModule, kind: str, figures: dict[str, float]
    ) -> None:
        """Log figures of a step as `<kind>/<name>`, once for all ranks."""
        if self.logger is not None and trainer.is_global_zero:
            metrics = {f"{kind}/{name}": value for name, value in figures.items()}
            self.logger.log_metrics(metrics, step=module.step)
