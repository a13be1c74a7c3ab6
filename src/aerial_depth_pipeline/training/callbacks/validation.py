"""Validation: photometric error of held-out triplets, depth where it is known, the best model,
early stopping."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.training.callbacks.step import StepCallback, StepLog
from aerial_depth_pipeline.training.checkpoints import BEST, save_checkpoint
from aerial_depth_pipeline.training.module import TrainingModule
from aerial_depth_pipeline.training.store import TripletStore

log = logging.getLogger(__name__)

ValidateDepth = Callable[[DepthModel], dict[str, float]]


@dataclass(eq=False)
class Validation(StepCallback):
    """Validates every `validate_every` steps and at the end, and ends a training that gets no
    better.

    Args:
        store: held-out triplets, or None.
        validate_depth: from the model to further figures, or None.
        folder, fingerprint: of checkpoints.
        step_log: takes `val/…`.
    """

    store: TripletStore | None
    validate_depth: ValidateDepth | None
    folder: Path
    fingerprint: str
    step_log: StepLog

    def after_step(self, trainer: L.Trainer, module: TrainingModule) -> None:
        if module.step % module.settings.validate_every and not module.finished:
            return
        if trainer.is_global_zero:
            self._keep_best(module, self._figures(trainer, module))
        self._stop_early(trainer, module)

    def _figures(self, trainer: L.Trainer, module: TrainingModule) -> dict[str, float]:
        figures: dict[str, float] = {}
        if self.store is not None:
            figures = _held_out(trainer, module, self.store)
        if self.validate_depth is not None:
            with torch.autocast(module.device.type, enabled=False):
                depth = self.validate_depth(module.depth_model())
            figures |= {name: float(value) for name, value in depth.items()}
        if figures:
            text = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
            log.info("Step %d: %s", module.step, text)
            self.step_log.write(trainer, module, "val", figures)
        return figures

    def _keep_best(self, module: TrainingModule, figures: dict[str, float]) -> None:
        settings = module.settings
        figure = figures.get(settings.monitor)
        if figure is None and settings.early_stopping > 0:
            raise UserError(
                f"train.early_stopping watches '{settings.monitor}', which no validation"
                f" returns (there are: {', '.join(figures) or 'none'}). Set train.monitor to one of"
                " them, or train.early_stopping: 0."
            )
        module.no_better += 1
        if figure is not None and figure < module.best:
            module.best, module.no_better = figure, 0
            weights = module.evaluated.state_dict()
            content = {"step": module.step, "fingerprint": self.fingerprint, "model": weights}
            save_checkpoint(self.folder / BEST, content)

    def _stop_early(self, trainer: L.Trainer, module: TrainingModule) -> None:
        settings = module.settings
        if settings.early_stopping == 0 or module.step == settings.steps:
            return
        # Only the first rank has validated.
        module.stopped = trainer.strategy.broadcast(module.no_better >= settings.early_stopping)
        if module.stopped:
            log.info(
                "Training ends at step %d: %s was no better in %d validations.",
                *(module.step, settings.monitor, module.no_better),
            )
            trainer.should_stop = True


@torch.no_grad()
def _held_out(trainer: L.Trainer, module: TrainingModule, store: TripletStore) -> dict[str, float]:
    """Photometric loss of the held-out triplets, without augmentation, and the error at the points
    that were held back, where there are any."""
    total, at_points, size = (
        0.0,
        list[float](),
        max(1, module.settings.batch_size // module.settings.accumulate),
    )
    module.evaluated.eval()
    for first in range(0, len(store), size):
        batch = store.batch(list(range(first, min(first + size, len(store)))))
        batch = {name: value.to(module.device) for name, value in batch.items()}
        with trainer.precision_plugin.forward_context():
            terms = module.losses(batch, module.evaluated, augmented=False)
        total += float(terms["photometric"]) * len(batch["K"])
        if "points" in terms and terms["points"].isfinite():
            at_points += [float(terms["points"])] * len(batch["K"])
    module.model.train()
    figures = {"photometric": total / len(store)}
    if at_points:
        figures["points"] = sum(at_points) / len(at_points)
    return figures
