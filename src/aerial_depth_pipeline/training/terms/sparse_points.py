"""Sparse points of structure from motion."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from aerial_depth_pipeline.geometry.warping import sample
from aerial_depth_pipeline.training.batch import Vectors
from aerial_depth_pipeline.training.kernels.masks import masked_mean
from aerial_depth_pipeline.training.samples import Triplet, read_points
from aerial_depth_pipeline.training.scene_scale import SceneScale
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.terms.term import Context, Term


class SparsePoints(Term):
    """Relief of the sparse points that a target shows."""

    name = "sparse"
    order = 4
    fields = {"points": Vectors()}

    def weight(self, settings: TrainSettings, step: int) -> float:
        return settings.loss.sparse

    def data(
        self, triplets: Sequence[Triplet], scale: SceneScale, settings: TrainSettings
    ) -> dict[str, torch.Tensor]:
        points = [torch.tensor(p) for p in read_points(triplets)]
        return {"points": pad_sequence(points, batch_first=True)}

    def __call__(self, context: Context) -> torch.Tensor:
        batch = context.batch
        return sparse_point_error(context.inverse_depths[0], batch["points"], batch["K"])


def sparse_point_error(
    inverse_B1HW: torch.Tensor, points_BN3: torch.Tensor, K_B33: torch.Tensor
) -> torch.Tensor:
    """Mean absolute logarithm (a scalar) of the ratio of depth to that of known points, freed of
    its median in each image: the points' unit need not be that of the given poses.

    Args:
        inverse_B1HW: inverse depth of the target.
        points_BN3: points in the target camera's axes; z of 0 where there is none. Those outside of
            the image do not count.
        K_B33: calibration in pixels at that size.
    """
    height, width = inverse_B1HW.shape[-2:]
    z = points_BN3[..., 2]
    pixels = (points_BN3 @ K_B33.transpose(1, 2))[..., :2] / z.clamp_min(1e-9)[..., None]
    inside = (z > 0) & ((pixels >= 0) & (pixels <= pixels.new_tensor([width, height]))).all(-1)
    predicted = sample(inverse_B1HW, pixels.transpose(1, 2)[:, :, None])[:, 0, 0]
    ratio = torch.log(predicted.clamp_min(1e-9) * torch.where(inside, z, torch.ones_like(z)))
    median = torch.where(inside, ratio, torch.nan).nanmedian(1, keepdim=True).values.detach()
    return masked_mean((ratio - median.nan_to_num()).abs(), inside)
