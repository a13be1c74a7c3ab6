"""Notices early when a training goes wrong, and says in plain words what it is and where it likely
comes from."""

import logging
import math
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.training.callbacks.step import StepCallback, StepLog
from aerial_depth_pipeline.training.checkpoints import LAST, load_checkpoint, save_checkpoint
from aerial_depth_pipeline.training.module import TrainingModule
from aerial_depth_pipeline.training.probe import Probe
from aerial_depth_pipeline.training.settings import WatchdogSettings

log = logging.getLogger(__name__)


class TrainingFault(UserError):
    """The training was stopped because going on would waste time.

    Attributes:
        fault: `calibration`, or a key of `_SENTENCES`.
    """

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


_SENTENCES = {
    "not_finite": (
        "the loss is not a finite number. The learning rate is likely too high, or an image or"
        " pose holds no numbers"
    ),
    "flat": (
        "inverse depth is the same everywhere. Likely causes are too much smoothness, a learning"
        " rate too high, or poses without parallax"
    ),
    "saturated": (
        "inverse depth lies at one end of its range. The unit of the poses likely does not fit"
        " min_depth and max_depth; leave train.pose.rescale_scenes on, or widen the range"
    ),
    "inverted": (
        "near and far are exchanged. Purely learned poses end here on flights around a point; set"
        " train.pose.source: two_view or colmap"
    ),
    "pose_zero": (
        "the predicted camera does not move. learned_scale is likely too small for this footage, or"
        " the frames of a triplet are alike"
    ),
    "mask_empty": (
        "the auto-mask leaves nothing to learn from. The frames of a triplet likely hardly differ"
        " (hovering), or poses do not fit them"
    ),
    "no_gain": (
        "the warped sources explain the target no better than the sources as they are. Poses,"
        " calibration or the order of the frames likely do not fit the images"
    ),
}


class Watchdog:
    """Looks at the figures of every step. Every condition must hold for `patience` steps in a row;
    those that any young training meets count only after the warm-up."""

    def __init__(self, settings: WatchdogSettings, warm_up_steps: int) -> None:
        self.settings, self.warm_up_steps = settings, warm_up_steps
        self._in_a_row: dict[str, int] = {}
        self._correlations: deque[float] = deque(maxlen=3)

    @property
    def suspicious(self) -> bool:
        """Whether some condition holds at present, though not yet for long."""
        return any(self._in_a_row.values())

    def forget(self) -> None:
        """Start counting anew, after the training went back to an earlier state."""
        self._in_a_row.clear()
        self._correlations.clear()

    def observe(
        self, step: int, terms: dict[str, float], correlation: float | None = None
    ) -> TrainingFault | None:
        """What is wrong at this step, or None.

        Args:
            terms: `total`, `warped`, `unwarped`, `used`, `relief`, `at_an_end`, `motion` (see
                `TrainingModule.losses`).
            correlation: of predicted inverse depth with the probe, where it was measured at this
                step; halved where the probe is no measurement.
        """
        s = self.settings
        if not s.enabled:
            return None
        if not all(math.isfinite(value) for value in terms.values()):
            return self._fault("not_finite", step)
        warm = step > self.warm_up_steps
        # An empty mask also makes everything else look strange, so it is named first.
        conditions = {
            "mask_empty": terms["used"] < s.minimum_unmasked,
            "saturated": terms["at_an_end"] > s.maximum_saturated,
            "pose_zero": warm and terms["motion"] < s.minimum_parallax,
            "flat": warm and terms["relief"] < s.minimum_relief,
            "no_gain": warm and terms["warped"] > s.maximum_ratio * terms["unwarped"],
        }
        for name, holds in conditions.items():
            self._in_a_row[name] = self._in_a_row.get(name, 0) + 1 if holds else 0
        if correlation is not None and warm:
            self._correlations.append(correlation)
            full = len(self._correlations) == self._correlations.maxlen
            if full and max(self._correlations) < s.minimum_correlation:
                return self._fault("inverted", step)
        for name in conditions:
            if self._in_a_row[name] >= s.patience:
                return self._fault(name, step)
        return None

    @staticmethod
    def _fault(name: str, step: int) -> TrainingFault:
        return TrainingFault(name, f"Training stopped at step {step}: {_SENTENCES[name]}.")


@dataclass(eq=False)
class WatchdogCallback(StepCallback):
    """Stops a training at a fault, or takes it back to the last checkpoint with half the rate.

    Args:
        rules: what counts as a fault.
        probe: evidence of near and far, or None.
        folder: of checkpoints.
        step_log: takes the figures of the step at which a fault was found.
    """

    rules: Watchdog
    probe: Probe | None
    folder: Path
    step_log: StepLog

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Bring the probe to the device that trains."""
        if self.probe is not None:
            self.probe = self.probe.to(pl_module.device)

    def after_step(self, trainer: L.Trainer, module: TrainingModule) -> None:
        settings, correlation = self.rules.settings, None
        probed = settings.enabled and module.step % settings.probe_every == 0
        if self.probe is not None and probed:
            correlation = self._correlation(trainer, module, self.probe)
            module.terms["near_is_near"] = correlation
        fault = self.rules.observe(module.step, module.terms, correlation)
        if fault is None:
            return
        finite = {name: value for name, value in module.terms.items() if math.isfinite(value)}
        self.step_log.write(trainer, module, "train", finite)
        last = self.folder / LAST
        if settings.action == "stop" or module.rewinds >= settings.rewinds or not last.is_file():
            raise fault
        module.rewinds += 1
        log.warning(
            "%s Going back to the last checkpoint with half the learning rate (%d).",
            *(fault, module.rewinds),
        )
        content = load_checkpoint(last)
        module.load_weights(content)
        trainer.optimizers[0].load_state_dict(content["optimizer"])
        self.rules.forget()

    @staticmethod
    @torch.no_grad()
    def _correlation(trainer: L.Trainer, module: TrainingModule, probe: Probe) -> float:
        module.model.eval()
        with trainer.precision_plugin.forward_context():
            inverse = module.model.depth(probe.images_B3HW, probe.slope_B2)
        module.model.train()
        return probe.correlation(inverse) * (1.0 if probe.measured else 0.5)


@dataclass(eq=False)
class Checkpoint(StepCallback):
    """Saves `last.pt` every `checkpoint_every` steps and at the end; under `rewind` only while the
    watchdog sees nothing."""

    folder: Path
    fingerprint: str
    watchdog: Watchdog

    def after_step(self, trainer: L.Trainer, module: TrainingModule) -> None:
        settings = module.settings
        good = settings.watchdog.action != "rewind" or not self.watchdog.suspicious
        due = module.step % settings.checkpoint_every == 0 and good
        if (due or module.finished) and trainer.is_global_zero:
            content = module.content() | {"fingerprint": self.fingerprint}
            optimizer = trainer.optimizers[0].state_dict()
            save_checkpoint(self.folder / LAST, content | {"optimizer": optimizer})
