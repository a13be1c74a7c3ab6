"""The Lightning module: one training step, its schedule, validation, logging and checkpoints."""

import copy
import functools
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import Logger

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.geometry.poses import pose_from_vectors, rotation_from_axis_angle
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.training.adaptation import merge
from aerial_depth_pipeline.training.augmentation import augment
from aerial_depth_pipeline.training.checkpoints import BEST, LAST, load_checkpoint, save_checkpoint
from aerial_depth_pipeline.training.compiling import pays
from aerial_depth_pipeline.training.losses import (
    guide_loss,
    masked_mean,
    pose_difference,
    sparse_point_loss,
)
from aerial_depth_pipeline.training.objective import consistency_loss, self_supervised_loss
from aerial_depth_pipeline.training.optimizers import Adam, AdamW
from aerial_depth_pipeline.training.pictures import training_picture
from aerial_depth_pipeline.training.settings import PoseSettings, TrainSettings
from aerial_depth_pipeline.training.triplet_data import TripletStore
from aerial_depth_pipeline.training.watchdog import Probe, Watchdog

log = logging.getLogger(__name__)


def learning_rate_at(step: int, settings: TrainSettings) -> float:
    """The learning rate of a step: a function of the step alone, so that resuming needs no
    state."""
    warm = max(1, round(settings.warm_up * settings.steps)) if settings.warm_up > 0 else 0
    if step < warm:
        return settings.learning_rate * (step + 1) / (warm + 1)
    share = (step - warm) / max(1, settings.steps - warm)
    if settings.schedule == "cosine":
        return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
    if settings.schedule == "step":
        return settings.learning_rate * (0.1 if step >= 0.75 * settings.steps else 1.0)
    return settings.learning_rate


def compose_poses(
    numbers_BS6: torch.Tensor | None, given_BS44: torch.Tensor, settings: PoseSettings
) -> torch.Tensor:
    """`T_source_from_target` [B, S, 4, 4] from the pose decoder's numbers and the given poses.

    Under `learned`, and where poses are taught, the numbers are rotation and translation
    themselves. Otherwise they correct the given pose
    within bounds: a small rotation applied after it, and a change of the translation by a share of
        its length, which covers both its
    direction and its length.
    """
    if numbers_BS6 is None:
        return given_BS44
    batch, sources = numbers_BS6.shape[:2]
    flat = numbers_BS6.flatten(0, 1)
    if settings.source == "learned" or settings.taught_until > 0:
        scaled = flat * settings.learned_scale
        return pose_from_vectors(scaled[:, :3], scaled[:, 3:]).unflatten(0, (batch, sources))
    given = given_BS44.flatten(0, 1)
    turn = rotation_from_axis_angle(settings.rotation_limit * torch.tanh(flat[:, :3] * 0.1))
    translation = given[:, :3, 3]
    length = translation.norm(dim=-1, keepdim=True)
    translation = translation + length * settings.translation_limit * torch.tanh(flat[:, 3:])
    top = torch.cat([turn @ given[:, :3, :3], translation[:, :, None]], -1)
    return torch.cat([top, given[:, 3:]], 1).unflatten(0, (batch, sources))


class TrainingModule(L.LightningModule):
    """Trains a JointModel on triplets.

    Attributes:
        step: number of optimizer steps done since the very beginning, over all resumed parts.
    """

    def __init__(
        self,
        model: JointModel,
        settings: TrainSettings,
        store: TripletStore,
        validation: TripletStore | None,
        checkpoints: Path,
        fingerprint: str,
        metadata: dict[str, Any],
        probe: Probe | None,
        validate: Callable[[DepthModel], dict[str, float]] | None,
        metrics_logger: Logger | None,
        advance: Callable[[dict[str, float]], None],
    ) -> None:
        super().__init__()
        self.model, self.settings = model, settings
        self.size = (store.width, store.height)
        self.target, self.sources = store.target, store.sources
        self.validation = validation
        self.checkpoints, self.fingerprint, self.metadata = Path(checkpoints), fingerprint, metadata
        self.validate_depth, self.metrics_logger, self.advance = validate, metrics_logger, advance
        self.average = copy.deepcopy(model) if settings.ema > 0 else None
        self.step, self.rewinds = 0, 0
        self.best = math.inf
        self.no_better, self.stopped = (
            0,
            False,
        )  # validations in a row that were no better, and whether they ended the training
        self.probe = probe
        self.watchdog = Watchdog(settings.watchdog, round(settings.warm_up * settings.steps))
        self.optimizer_state: dict[str, Any] | None = None
        fast = settings.compile == "auto" and pays(settings.steps)
        self.loss_of = functools.partial(self_supervised_loss, fast=fast)
        self.forward_model = model
        if settings.compile is True:
            self.loss_of, self.forward_model = (
                torch.compile(self_supervised_loss),
                torch.compile(model),
            )
        self._sums: dict[str, torch.Tensor] = {}
        self._parts = 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam or AdamW over all parameters; continues a resumed optimizer's state."""
        settings = self.settings
        encoder = {id(p) for p in self.model.depth.encoder.parameters()}
        groups = [
            {"params": [p for p in self.model.parameters() if id(p) not in encoder], "share": 1.0}
        ]
        groups.append(
            {"params": list(self.model.depth.encoder.parameters()), "share": settings.encoder_rate}
        )
        # Fused: one pass over all weights instead of a dozen, a tenth of a small step on a CPU.
        if settings.optimizer == "adam":
            optimizer = Adam(groups, lr=settings.learning_rate, fused=True)
        else:
            optimizer = AdamW(
                groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
            )
        if self.optimizer_state is not None:
            optimizer.load_state_dict(self.optimizer_state)
            self.optimizer_state = None
        return optimizer

    def on_fit_start(self) -> None:
        """Bring the probe to the device that trains."""
        if self.probe is not None:
            self.probe = self.probe.to(self.device)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate of this step."""
        for group in self.optimizers().param_groups:
            group["lr"] = self._rate(self.step) * group["share"]

    def _rate(self, step: int) -> float:
        return learning_rate_at(step, self.settings) * 0.5**self.rewinds

    def losses(
        self, batch: dict[str, torch.Tensor], model: torch.nn.Module, augmented: bool
    ) -> dict[str, torch.Tensor]:
        """The loss terms of a batch and what the watchdog looks at."""
        # Plane by plane, as the loops of the loss like it; the network has its own order of memory.
        batch = batch | {
            "images": batch["images"].permute(0, 1, 4, 2, 3).contiguous().float() / 255
        }
        if "guide" in batch:
            batch["guide"] = batch["guide"].float()
        loss = self.settings.loss
        # Where neither poses nor the sources' depth are predicted, the network sees the target
        # alone.
        alone = not self.settings.pose.predicted and loss.consistency == 0
        shown, sources, target = (
            ([self.target], [], 0) if alone else (None, self.sources, self.target)
        )
        if augmented:
            batch, seen = augment(batch, self.settings.augmentation, shown)
        else:
            seen = batch["images"] if shown is None else batch["images"][:, shown]
        images = batch["images"]
        with torch.autocast(images.device.type, enabled=False):
            slope = ground_slope(batch["up"], batch["K"], *images.shape[-2:])
        inverse_depths, numbers, estimated = model(seen, sources, target, slope)
        if loss.consistency > 0:
            source_inverse = self._inverse_depth_of_sources(model, seen[:, self.sources], batch)
        with torch.autocast(images.device.type, enabled=False):
            predicted = compose_poses(numbers, batch["T"], self.settings.pose)
            taught = self.step < self.settings.pose.taught_until * self.settings.steps
            poses = batch["T"] if taught else predicted
            common = (
                images[:, self.target],
                images[:, self.sources],
                batch["K"],
                poses,
                batch["usable"],
                loss,
                batch.get("seen"),
            )
            terms = self.loss_of(inverse_depths, *common)
            weight = loss.guide * max(0.0, 1 - self.step / (loss.guide_until * self.settings.steps))
            if "guide" in batch and weight > 0:
                terms["guide"] = torch.stack(
                    [guide_loss(inverse, batch["guide"]) for inverse in inverse_depths]
                ).mean()
                terms["total"] = terms["total"] + weight * terms["guide"]
            if taught:
                depth = self.settings.network.initial_depth or 1.0
                terms["pose"] = pose_difference(predicted, batch["T"], batch["usable"], depth)
                terms["total"] = terms["total"] + terms["pose"]
            if "points" in batch:
                terms["sparse"] = sparse_point_loss(inverse_depths[0], batch["points"], batch["K"])
                terms["total"] = terms["total"] + loss.sparse * terms["sparse"]
            if estimated is not None and loss.slope > 0:
                terms["slope"] = masked_mean(
                    (estimated - slope.nan_to_num()).abs(), slope.isfinite()
                )
                terms["total"] = terms["total"] + loss.slope * terms["slope"]
            if loss.consistency > 0:
                terms["consistency"] = consistency_loss(
                    inverse_depths[0], source_inverse, batch["K"], poses, batch["usable"]
                )
                terms["total"] = terms["total"] + loss.consistency * terms["consistency"]
            with torch.no_grad():
                finest = inverse_depths[0].detach()
                terms["inverse_depth"] = finest.mean()
                terms["relief"] = (finest.std((2, 3)) / finest.mean((2, 3))).mean()
                terms["at_an_end"] = self._share_at_an_end(finest)
                terms["motion"] = poses[..., :3, 3].norm(dim=-1).mean() * finest.mean()
        return terms

    def _inverse_depth_of_sources(
        self, model: torch.nn.Module, seen_BS3HW: torch.Tensor, batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        sources = seen_BS3HW.shape[1]
        with torch.autocast(seen_BS3HW.device.type, enabled=False):
            up = (batch["T"][..., :3, :3] @ batch["up"][:, None, :, None])[..., 0]
            slope = ground_slope(
                up.flatten(0, 1), batch["K"].repeat_interleave(sources, 0), *seen_BS3HW.shape[-2:]
            )
        return model.depth(seen_BS3HW.flatten(0, 1), slope).unflatten(0, (-1, sources))[:, :, 0]

    def _share_at_an_end(self, inverse: torch.Tensor) -> torch.Tensor:
        network = self.settings.network
        low, high = 1 / network.max_depth, 1 / network.min_depth
        margin = 0.01 * (high - low)
        # Far away is a small inverse depth in any case; only what lies at the very end of the far
        # side counts.
        return torch.maximum(
            (inverse > high - margin).float().mean(), (inverse < low + 0.1 * low).float().mean()
        )

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        """The total loss of a batch."""
        terms = self.losses(batch, self.forward_model, augmented=True)
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach()
        self._parts += 1
        return terms["total"]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient. Lightning's own clipping refuses fused optimizers for the sake of loss
        scaling; bfloat16 has none."""
        if self.settings.clip > 0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """After an optimizer step: average, log, validate, save."""
        if (batch_idx + 1) % self.settings.accumulate:
            return
        # One figure for all ranks, so that they also agree on whether something is wrong.
        terms = {
            name: float(self.trainer.strategy.reduce(value / self._parts, reduce_op="mean"))
            for name, value in self._sums.items()
        }
        self._sums, self._parts = {}, 0
        self.step += 1
        if self.average is not None:
            self._update_average()
        self.advance(terms)
        self._watch(terms)
        last = self.step == self.settings.steps
        if self.metrics_logger is not None and (
            self.step % self.settings.log_every == 0 or self.step == 1 or last
        ):
            rate = self._rate(self.step - 1)
            self._log(
                {f"train/{name}": value for name, value in terms.items()}
                | {"train/learning_rate": rate}
            )
        if self.step % self.settings.validate_every == 0 or last:
            self._validate()
            last = last or self._stop_early()
        if self.settings.images_every > 0 and (self.step % self.settings.images_every == 0 or last):
            self._draw()
        good = self.settings.watchdog.action != "rewind" or not self.watchdog.suspicious
        if (self.step % self.settings.checkpoint_every == 0 and good) or last:
            self._save(LAST)

    def _watch(self, terms: dict[str, float]) -> None:
        correlation = None
        if (
            self.probe is not None
            and self.settings.watchdog.enabled
            and self.step % self.settings.watchdog.probe_every == 0
        ):
            correlation = self._correlation()
            terms["near_is_near"] = correlation
        fault = self.watchdog.observe(self.step, terms, correlation)
        if fault is None:
            return
        self._log({f"train/{name}": value for name, value in terms.items() if math.isfinite(value)})
        path = self.checkpoints / LAST
        if (
            self.settings.watchdog.action == "stop"
            or self.rewinds >= self.settings.watchdog.rewinds
            or not path.is_file()
        ):
            raise fault
        self.rewinds += 1
        log.warning(
            "%s Going back to the last checkpoint with half the learning rate (%d).",
            fault,
            self.rewinds,
        )
        content = load_checkpoint(path)
        self.model.load_state_dict(content["model"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.trainer.optimizers[0].load_state_dict(content["optimizer"])
        self.watchdog.forget()

    @torch.no_grad()
    def _correlation(self) -> float:
        self.model.eval()
        with self.trainer.precision_plugin.forward_context():
            inverse = self.model.depth(self.probe.images_B3HW, self.probe.slope_B2)
        self.model.train()
        return self.probe.correlation(inverse) * (1.0 if self.probe.measured else 0.5)

    @torch.no_grad()
    def _update_average(self) -> None:
        # A young average would remember the random start; its decay grows with the number of steps.
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        for averaged, current in zip(
            self.average.state_dict().values(), self.model.state_dict().values(), strict=True
        ):
            if averaged.dtype.is_floating_point:
                averaged.lerp_(current, 1 - decay)
            else:
                averaged.copy_(current)

    def depth_model(self) -> DepthModel:
        """The depth network as it is now, detached from training."""
        source = self.model if self.average is None else self.average
        width, height = self.size
        return DepthModel(
            merge(copy.deepcopy(source.depth)),
            self.settings.network,
            width,
            height,
            self.metadata | {"step": self.step},
        )

    def _validate(self) -> None:
        if not self.trainer.is_global_zero:
            return
        figures = {}
        if self.validation is not None:
            figures["photometric"] = self._photometric()
        if self.validate_depth is not None:
            with torch.autocast(self.device.type, enabled=False):
                figures |= {
                    name: float(value)
                    for name, value in self.validate_depth(self.depth_model()).items()
                }
        if figures:
            log.info(
                "Step %d: %s",
                self.step,
                ", ".join(f"{name} {value:.4f}" for name, value in figures.items()),
            )
            self._log({f"val/{name}": value for name, value in figures.items()})
        figure = figures.get(self.settings.monitor)
        if figure is None and self.settings.early_stopping > 0:
            raise UserError(
                f"train.early_stopping watches '{self.settings.monitor}', which no validation"
                f" returns (there are: {', '.join(figures) or 'none'}). Set train.monitor to one of"
                " them, or train.early_stopping: 0."
            )
        self.no_better += 1
        if figure is not None and figure < self.best:
            self.best, self.no_better = figure, 0
            source = self.model if self.average is None else self.average
            save_checkpoint(
                self.checkpoints / BEST,
                {"step": self.step, "fingerprint": self.fingerprint, "model": source.state_dict()},
            )

    def _stop_early(self) -> bool:
        if self.settings.early_stopping == 0 or self.step == self.settings.steps:
            return False
        # Only the first rank has validated.
        self.stopped = self.trainer.strategy.broadcast(
            self.no_better >= self.settings.early_stopping
        )
        if self.stopped:
            log.info(
                "Training ends at step %d: %s was no better in %d validations.",
                self.step,
                self.settings.monitor,
                self.no_better,
            )
            self.trainer.should_stop = True
        return self.stopped

    @torch.no_grad()
    def _photometric(self) -> float:
        """Photometric loss of the validation triplets, without augmentation."""
        model = self.model if self.average is None else self.average
        model.eval()
        total = 0.0
        size = max(1, self.settings.batch_size // self.settings.accumulate)
        for first in range(0, len(self.validation), size):
            batch = self.validation.batch(
                list(range(first, min(first + size, len(self.validation))))
            )
            batch = {name: value.to(self.device) for name, value in batch.items()}
            with self.trainer.precision_plugin.forward_context():
                total += float(self.losses(batch, model, augmented=False)["photometric"]) * len(
                    batch["K"]
                )
        self.model.train()
        return total / len(self.validation)

    @torch.no_grad()
    def _draw(self) -> None:
        """Log pictures of a few held-out triplets, to loggers that take pictures."""
        draw = getattr(self.metrics_logger, "log_image", None)
        if draw is None or self.validation is None or not self.trainer.is_global_zero:
            return
        model = self.model if self.average is None else self.average
        model.eval()
        chosen = np.unique(np.linspace(0, len(self.validation) - 1, 3).round().astype(int)).tolist()
        batch = {
            name: value.to(self.device) for name, value in self.validation.batch(chosen).items()
        }
        images = batch["images"].permute(0, 1, 4, 2, 3).float() / 255
        with self.trainer.precision_plugin.forward_context():
            slope = ground_slope(batch["up"], batch["K"], *images.shape[-2:])
            inverse_depths, numbers, _ = model(images, self.sources, self.target, slope)
        self.model.train()
        picture = training_picture(
            inverse_depths[0].float(),
            images[:, self.target],
            images[:, self.sources],
            batch["K"],
            compose_poses(numbers, batch["T"], self.settings.pose),
            batch["usable"],
            self.settings.loss,
        )
        draw("triplets", picture, self.step)

    def _log(self, metrics: dict[str, float]) -> None:
        if self.metrics_logger is not None and self.trainer.is_global_zero:
            self.metrics_logger.log_metrics(metrics, step=self.step)

    def _save(self, name: str) -> None:
        if not self.trainer.is_global_zero:
            return
        content = {
            "step": self.step,
            "steps": self.settings.steps,
            "fingerprint": self.fingerprint,
            "best": self.best,
            "no_better": self.no_better,
            "stopped": self.stopped,
            "rewinds": self.rewinds,
            "model": self.model.state_dict(),
            "optimizer": self.trainer.optimizers[0].state_dict(),
        }
        if self.average is not None:
            content["average"] = self.average.state_dict()
        save_checkpoint(self.checkpoints / name, content)

    def restore(self, content: dict[str, Any]) -> None:
        """Continue where a checkpoint of `_save` stopped."""
        self.step, self.best, self.rewinds = content["step"], content["best"], content["rewinds"]
        self.no_better, self.stopped = content["no_better"], content["stopped"]
        self.model.load_state_dict(content["model"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.optimizer_state = content["optimizer"]
