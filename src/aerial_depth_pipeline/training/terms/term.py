"""The contract of a loss term."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from aerial_depth_pipeline.training.batch import Batch, Field
from aerial_depth_pipeline.training.samples import Triplet
from aerial_depth_pipeline.training.scene_scale import SceneScale
from aerial_depth_pipeline.training.settings import TrainSettings


@dataclass
class Context:
    """What loss terms look at: an augmented batch and what the model made of it.

    Attributes:
        batch: images in 0..1 and the other fields.
        settings: of the training.
        step: optimizer steps done.
        target, sources: positions among the frames.
        inverse_depths: of the target, [B, 1, H / 2^s, W / 2^s], finest first.
        T_BS44: `T_source_from_target` that warps, in the unit of depth.
        predicted_T_BS44: as the pose decoder predicts or corrects it.
        slope_B2: slope of level ground from the camera's attitude, NaN where unknown.
        estimated_slope_B2: the same from the target's features, where the network has it.
        source_inverse_BSHW: inverse depth of the sources, where a term needs it.
        fast: compile what gains by it.
        facts: figures without a gradient that terms leave for the log and the watchdog.
    """

    batch: Batch
    settings: TrainSettings
    step: int
    target: int
    sources: list[int]
    inverse_depths: list[torch.Tensor]
    T_BS44: torch.Tensor
    predicted_T_BS44: torch.Tensor
    slope_B2: torch.Tensor
    estimated_slope_B2: torch.Tensor | None = None
    source_inverse_BSHW: torch.Tensor | None = None
    fast: bool = False
    facts: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def target_B3HW(self) -> torch.Tensor:
        """The target image."""
        return self.batch["images"][:, self.target]

    @property
    def sources_BS3HW(self) -> torch.Tensor:
        """The source images."""
        return self.batch["images"][:, self.sources]


class Term(ABC):
    """A term of the loss: `weight` times what it returns for a context, a scalar.

    Attributes:
        name: in the log (`train/<name>`), and of its weight in `loss.extra` unless `weight` reads
            another parameter.
        order: terms are added in this order, because sums of floating-point numbers depend on it.
        fields: fields of the batch that the term brings with it, and how they follow the image.
        needs_source_depth: whether the network predicts the depth of the sources too.
    """

    name: ClassVar[str]
    order: ClassVar[int] = 100
    fields: ClassVar[dict[str, Field]] = {}
    needs_source_depth: ClassVar[bool] = False

    def weight(self, settings: TrainSettings, step: int) -> float:
        """The weight at a step; 0 turns the term off, and it is not computed."""
        return settings.loss.extra.get(self.name, 0.0)

    def used(self, settings: TrainSettings) -> bool:
        """Whether the term has a weight at any step."""
        return self.weight(settings, 0) != 0

    def data(
        self, triplets: Sequence[Triplet], scale: SceneScale, settings: TrainSettings
    ) -> dict[str, torch.Tensor]:
        """The values of `fields` for all training triplets, one row a triplet.

        Raises:
            UserError: where the triplets lack what the term needs.
        """
        return {}

    def applies(self, context: Context) -> bool:
        """Whether the context has what the term needs."""
        return all(name in context.batch for name in self.fields)

    @abstractmethod
    def __call__(self, context: Context) -> torch.Tensor:
        """The term, a scalar, unweighted."""
