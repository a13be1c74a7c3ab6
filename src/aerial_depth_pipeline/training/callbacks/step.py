"""Counting steps and their metrics; the base of callbacks that act after a step."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import lightning as L

from aerial_depth_pipeline.training.curve import MetricsLogger

if TYPE_CHECKING:
    from aerial_depth_pipeline.training.module import TrainingModule


class StepCallback(L.Callback):
    """Acts after an optimizer step, not after each accumulated part of a batch."""

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, module: "TrainingModule", outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % module.settings.accumulate == 0:
            self.after_step(trainer, module)

    def after_step(self, trainer: L.Trainer, module: "TrainingModule") -> None:
        """What is to be done; `module.step` and `module.terms` are those of the step."""


class StepMetrics(StepCallback):
    """Counts the step and means its loss terms over parts and ranks, so that all ranks agree on
    whether something is wrong."""

    def __init__(self, advance: Callable[[dict[str, float]], None]) -> None:
        self.advance = advance

    def after_step(self, trainer: L.Trainer, module: "TrainingModule") -> None:
        reduce = trainer.strategy.reduce
        module.terms = {
            name: float(reduce(value / module.parts, reduce_op="mean"))
            for name, value in module.sums.items()
        }
        module.sums, module.parts = {}, 0
        module.step += 1
        self.advance(module.terms)


class StepLog(StepCallback):
    """Logs `train/…` every `log_every` steps."""

    def __init__(self, logger: MetricsLogger | None) -> None:
        self.logger = logger

    def after_step(self, trainer: L.Trainer, module: "TrainingModule") -> None:
        step, every = module.step, module.settings.log_every
        if step % every == 0 or step in (1, module.settings.steps):
            terms = {f"train/{name}": value for name, value in module.terms.items()}
            self.write(trainer, terms | {"train/learning_rate": module.rate(step - 1)}, step)

    def write(self, trainer: L.Trainer, metrics: dict[str, float], step: int) -> None:
        """Log metrics, once for all ranks."""
        if self.logger is not None and trainer.is_global_zero:
            self.logger.log_metrics(metrics, step=step)
