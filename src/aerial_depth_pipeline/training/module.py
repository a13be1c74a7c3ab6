"""The Lightning module: the loss of a batch, the optimizer and its schedule."""

import copy
import math
from typing import Any

import lightning as L
import torch

from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.geometry.poses import pose_from_vectors, rotation_from_axis_angle
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.training.adaptation import merge
from aerial_depth_pipeline.training.augmentation import augment
from aerial_depth_pipeline.training.batch import Batch
from aerial_depth_pipeline.training.kernels.compiling import pays
from aerial_depth_pipeline.training.kernels.optimizers import Adam, AdamW
from aerial_depth_pipeline.training.objective import objective, source_depth_needed
from aerial_depth_pipeline.training.settings import PoseSettings, TrainSettings
from aerial_depth_pipeline.training.start import held_out_error, take_start, without_attitude
from aerial_depth_pipeline.training.store import TripletStore
from aerial_depth_pipeline.training.terms import Context


def learning_rate_at(step: int, settings: TrainSettings) -> float:
    """The learning rate of a step: a function of the step, so that resuming needs no state."""
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
    themselves. Otherwise they correct the given pose within bounds: a small rotation applied after
    it, and a change of the translation by a share of its length, which covers both its direction
    and its length.
    """
    if numbers_BS6 is None:
        return given_BS44
    sizes = numbers_BS6.shape[:2]
    flat = numbers_BS6.flatten(0, 1)
    if settings.source == "learned" or settings.given_until > 0:
        scaled = flat * settings.learned_scale
        return pose_from_vectors(scaled[:, :3], scaled[:, 3:]).unflatten(0, sizes)
    given = given_BS44.flatten(0, 1)
    rotation = rotation_from_axis_angle(settings.rotation_limit * torch.tanh(flat[:, :3] * 0.1))
    translation = given[:, :3, 3]
    length = translation.norm(dim=-1, keepdim=True)
    translation = translation + length * settings.translation_limit * torch.tanh(flat[:, 3:])
    top = torch.cat([rotation @ given[:, :3, :3], translation[:, :, None]], -1)
    return torch.cat([top, given[:, 3:]], 1).unflatten(0, sizes)


class TrainingModule(L.LightningModule):
    """Trains a JointModel on triplets; what happens after each step is in `callbacks/`.

    Attributes:
        average: moving average of the model, where `ema` asks for one.
        step: number of optimizer steps done since the very beginning, over all resumed parts.
        terms: loss terms of the last step, means over parts and ranks.
        best, no_better: best validation figure, and the validations in a row that were no better.
        stopped: whether they ended the training.
        rewinds: how often the watchdog went back.
    """

    def __init__(
        self,
        model: JointModel,
        settings: TrainSettings,
        store: TripletStore,
        metadata: dict[str, Any],
    ) -> None:
        super().__init__()
        self.model, self.settings, self.metadata = model, settings, metadata
        self.size, self.target, self.sources = store.size, store.target, store.sources
        self.average = copy.deepcopy(model) if settings.ema > 0 else None
        self.forward_model: Any = torch.compile(model) if settings.compile is True else model
        self.fast = settings.compile == "auto" and pays(settings.steps)
        self.step, self.rewinds, self.parts = 0, 0, 0
        self.best, self.no_better, self.stopped = math.inf, 0, False
        self.sums: dict[str, torch.Tensor] = {}
        self.terms: dict[str, float] = {}
        self._optimizer_state: dict[str, Any] | None = None

    @property
    def evaluated(self) -> JointModel:
        """The model that is validated and kept."""
        return self.model if self.average is None else self.average

    @property
    def finished(self) -> bool:
        """Whether this is the last step."""
        return self.step == self.settings.steps or self.stopped

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam or AdamW over all parameters; continues a resumed optimizer's state."""
        settings, encoder = self.settings, list(self.model.depth.encoder.parameters())
        own = {id(parameter) for parameter in encoder}
        rest = [parameter for parameter in self.model.parameters() if id(parameter) not in own]
        groups: Any = [{"params": rest, "share": 1.0}]
        groups.append({"params": encoder, "share": settings.encoder_rate})
        # Fused: one pass over all weights instead of a dozen, a tenth of a small step on a CPU.
        options: dict[str, Any] = {"lr": settings.learning_rate, "fused": True}
        if settings.optimizer == "adam":
            optimizer: torch.optim.Optimizer = Adam(groups, **options)
        else:
            optimizer = AdamW(groups, weight_decay=settings.weight_decay, **options)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
            self._optimizer_state = None
        return optimizer

    def rate(self, step: int) -> float:
        """The learning rate of a step, halved by each rewind."""
        return learning_rate_at(step, self.settings) * 0.5**self.rewinds

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate of this step."""
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.rate(self.step) * group["share"]

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The total loss of a batch."""
        terms = self.losses(batch, self.forward_model, augmented=True)
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach()
        self.parts += 1
        return terms["total"]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient. Lightning's own clipping refuses fused optimizers for the sake of loss
        scaling; bfloat16 has none."""
        if self.settings.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)

    def losses(self, batch: Batch, model: Any, augmented: bool) -> dict[str, torch.Tensor]:
        """`total`, its terms, and what the watchdog looks at: `warped`, `unwarped`, `used`,
        `inverse_depth`, `relief`, `at_an_end`, `motion`."""
        settings = self.settings
        # Plane by plane, as the loops of the loss like it; the network has its own order of memory.
        images = batch["images"].permute(0, 1, 4, 2, 3).contiguous().float() / 255
        batch = batch | {"images": images}
        if "depth_hint" in batch:
            batch["depth_hint"] = batch["depth_hint"].float()
        with_sources = source_depth_needed(settings)
        # Where neither poses nor the sources' depth are predicted, the network sees the target
        # alone.
        alone = not settings.pose.predicted and not with_sources
        shown, frames = ([self.target], ([], 0)) if alone else (None, (self.sources, self.target))
        if augmented:
            batch, seen = augment(batch, settings.augmentation, shown)
        else:
            seen = images if shown is None else images[:, shown]
        device = images.device.type
        with torch.autocast(device, enabled=False):
            slope = ground_slope(batch["up"], batch["K"], *images.shape[-2:])
            hide = settings.augmentation if augmented else None
            if hide is not None and hide.hide_attitude > 0:
                slope = without_attitude(slope, batch["random"], hide.hide_attitude)
            initial = settings.network.initial_depth or 1.0
            start, unit = take_start(batch, hide.hide_points if hide else 0.0, initial)
        given = (slope,) if start is None else (slope, start)
        inverse_depths, numbers, estimated = model(seen, *frames, *given)
        if unit is not None:
            inverse_depths = [each * unit for each in inverse_depths]
        source_inverse = self._source_inverse_depth(model, seen, batch) if with_sources else None
        with torch.autocast(device, enabled=False):
            predicted = compose_poses(numbers, batch["T"], settings.pose)
            taught = self.step < settings.pose.given_until * settings.steps
            T = batch["T"] if taught else predicted
            where = self.step, self.target, self.sources
            context = Context(
                batch, settings, *where, inverse_depths, T, predicted, slope, estimated
            )
            context.source_inverse_BSHW, context.fast = source_inverse, self.fast
            terms = objective(context)
            if "held_out" in batch:
                terms["points"] = held_out_error(inverse_depths[0].detach(), batch)
            return terms

    def _source_inverse_depth(
        self, model: Any, seen_BL3HW: torch.Tensor, batch: Batch
    ) -> torch.Tensor:
        seen_BS3HW = seen_BL3HW[:, self.sources]
        sources = len(self.sources)
        with torch.autocast(seen_BS3HW.device.type, enabled=False):
            up = (batch["T"][..., :3, :3] @ batch["up"][:, None, :, None])[..., 0]
            K = batch["K"].repeat_interleave(sources, 0)
            slope = ground_slope(up.flatten(0, 1), K, *seen_BS3HW.shape[-2:])
        return model.depth(seen_BS3HW.flatten(0, 1), slope).unflatten(0, (-1, sources))[:, :, 0]

    def depth_model(self) -> DepthModel:
        """The depth network as it is now, detached from training."""
        network = merge(copy.deepcopy(self.evaluated.depth))
        metadata = self.metadata | {"step": self.step}
        return DepthModel(network, self.settings.network, *self.size, metadata)

    def content(self) -> dict[str, Any]:
        """What a checkpoint holds of the module."""
        content: dict[str, Any] = {name: getattr(self, name) for name in _STATE}
        content |= {"steps": self.settings.steps, "model": self.model.state_dict()}
        if self.average is not None:
            content["average"] = self.average.state_dict()
        return content

    def restore(self, content: dict[str, Any]) -> None:
        """Continue where a checkpoint stopped."""
        for name in _STATE:
            setattr(self, name, content[name])
        self.load_weights(content)
        self._optimizer_state = content["optimizer"]

    def load_weights(self, content: dict[str, Any]) -> None:
        """Take the weights of a checkpoint, and their average."""
        self.model.load_state_dict(content["model"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])


_STATE = ("step", "best", "no_better", "stopped", "rewinds")
