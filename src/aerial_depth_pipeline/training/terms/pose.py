"""Teaching the pose decoder the given poses."""

import torch

from aerial_depth_pipeline.training.kernels.masks import masked_mean
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.terms.term import Context, Term


class Pose(Term):
    """Distance of predicted poses to the given ones, up to `pose.given_until`."""

    name = "pose"
    order = 3

    def weight(self, settings: TrainSettings, step: int) -> float:
        return float(step < settings.pose.given_until * settings.steps)

    def __call__(self, context: Context) -> torch.Tensor:
        depth = context.settings.network.initial_depth or 1.0
        batch = context.batch
        return pose_distance(context.predicted_T_BS44, batch["T"], batch["usable"], depth)


def pose_distance(
    T_BS44: torch.Tensor, given_BS44: torch.Tensor, usable_BS: torch.Tensor, depth: float
) -> torch.Tensor:
    """How far predicted poses are from given ones (a scalar), as a share of the given step's
    length, over the pairs that may be trusted. A wrong rotation counts by how far it moves what
    lies at `depth`, in the unit of the translations."""
    difference = T_BS44 - given_BS44
    rotation = difference[..., :3, :3].flatten(2).norm(dim=-1) / 2**0.5
    moved = difference[..., :3, 3].norm(dim=-1) + depth * rotation
    return masked_mean(moved / given_BS44[..., :3, 3].norm(dim=-1).clamp_min(1e-6), usable_BS)
