"""A rough plane-sweep depth of each triplet that shows the way at first."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.training.batch import InverseDepth
from aerial_depth_pipeline.training.kernels.masks import masked_mean
from aerial_depth_pipeline.training.samples import Triplet
from aerial_depth_pipeline.training.scene_scale import SceneScale
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.terms.term import Context, Term
from aerial_depth_pipeline.training.triplet_sweep import depth_hint


class DepthHint(Term):
    """Distance to the depth hint, with a weight that fades to nothing."""

    name = "guide"
    order = 2
    fields = {"depth_hint": InverseDepth()}

    def weight(self, settings: TrainSettings, step: int) -> float:
        loss = settings.loss
        return loss.depth_hint * max(0.0, 1 - step / (loss.depth_hint_until * settings.steps))

    def data(
        self, triplets: Sequence[Triplet], scale: SceneScale, settings: TrainSettings
    ) -> dict[str, torch.Tensor]:
        hints = []
        for triplet in progress(triplets, "plane sweeps", len(triplets), "triplet"):
            if triplet.scene not in scale.depths:
                raise UserError(
                    "train.loss.depth_hint needs given poses; set train.pose.source to two_view or"
                    " colmap, or train.loss.depth_hint to 0."
                )
            depth = scale.depths[triplet.scene]
            # A hint of 1 is the scene's typical depth; it becomes that depth in training units.
            hints.append(depth_hint(triplet, depth) / (depth * scale.factors[triplet.scene]))
        return {"depth_hint": torch.stack(hints).half()[:, None]}

    def __call__(self, context: Context) -> torch.Tensor:
        hint = context.batch["depth_hint"]
        return torch.stack([hint_distance(d, hint) for d in context.inverse_depths]).mean()


def hint_distance(inverse_depth_B1HW: torch.Tensor, hint_B1HW: torch.Tensor) -> torch.Tensor:
    """Mean absolute logarithm (a scalar) of the ratio of inverse depth, resized, to its hint, over
    the pixels where the hint is not 0."""
    predicted = F.interpolate(
        inverse_depth_B1HW, hint_B1HW.shape[-2:], mode="bilinear", align_corners=False
    )
    mask = hint_B1HW > 0
    ratio = predicted / torch.where(mask, hint_B1HW, torch.ones_like(hint_B1HW))
    return masked_mean(ratio.log().abs(), mask)
