"""One scale along a flight: the target's depth agrees with its sources'."""

import torch

from aerial_depth_pipeline.geometry.warping import reproject, sample
from aerial_depth_pipeline.training.kernels.masks import masked_mean
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.terms.term import Context, Term


class Consistency(Term):
    """Mean disagreement between the target's depth and that of its sources, over the pixels that a
    trusted source sees."""

    name = "consistency"
    order = 6
    needs_source_depth = True

    def weight(self, settings: TrainSettings, step: int) -> float:
        return settings.loss.consistency

    def __call__(self, context: Context) -> torch.Tensor:
        K, usable = context.batch["K"], context.batch["usable"]
        inverse, source_inverse = context.inverse_depths[0], context.source_inverse_BSHW
        assert source_inverse is not None
        errors, masks = [], []
        for s in range(usable.shape[1]):
            T = context.T_BS44[:, s]
            depths = 1 / inverse, 1 / source_inverse[:, s, None]
            error, inside = depth_inconsistency(*depths, K, T)
            errors.append(error)
            masks.append(inside & usable[:, s, None, None])
        return masked_mean(torch.cat(errors), torch.cat(masks))


def depth_inconsistency(
    depth_B1HW: torch.Tensor,
    source_depth_B1HW: torch.Tensor,
    K_B33: torch.Tensor,
    T_source_from_target_B44: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """How much two frames disagree about the same points: difference over sum of their depths [B,
    H, W] in 0..1, 0 where they agree; and the mask [B, H, W] of the target's pixels that the source
    sees. The pose is in the unit of depth.

    Source: Bian et al., Unsupervised Scale-consistent Depth and Ego-motion Learning from Monocular
        Video, NeurIPS 2019, equation 3.
    """
    pixels, z_B1HW, inside = reproject(depth_B1HW, K_B33, T_source_from_target_B44)
    source_z_B1HW = sample(source_depth_B1HW, pixels)
    disagreement = (z_B1HW - source_z_B1HW).abs() / (z_B1HW.abs() + source_z_B1HW)
    return disagreement[:, 0], inside[:, 0]
