"""Depth by matching as teacher: dense depth that other views of the training footage confirm."""

import logging
from collections.abc import Sequence

import cv2
import numpy as np
import torch

from aerial_depth_pipeline.formats.depth_maps import read_depth
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
from aerial_depth_pipeline.training.batch import InverseDepth
from aerial_depth_pipeline.training.kernels.masks import masked_mean
from aerial_depth_pipeline.training.samples import Triplet, decode
from aerial_depth_pipeline.training.scene_scale import SceneScale
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.terms.term import Context, Term

log = logging.getLogger(__name__)

_STEPS = (1, 2, 4, 8)  # pixels between which gradients are compared


class MatchedDepth(Term):
    """Distance from depth by matching."""

    name = "matching"
    order = 5
    fields = {"matched": InverseDepth()}

    def weight(self, settings: TrainSettings, step: int) -> float:
        return settings.loss.matching

    def data(
        self, triplets: Sequence[Triplet], scale: SceneScale, settings: TrainSettings
    ) -> dict[str, torch.Tensor]:
        width, height = decode(triplets[0].image, triplets[0].frames).shape[2:0:-1]
        maps = torch.zeros(len(triplets), 1, height, width, dtype=torch.float16)
        for row, triplet in zip(maps, triplets, strict=True):
            path = TripletFolder(triplet.image.parent).matched_file(int(triplet.image.stem))
            if path.is_file():
                depth_HW = cv2.resize(
                    read_depth(path), (width, height), interpolation=cv2.INTER_NEAREST
                )
                known = depth_HW > 0
                # Relative to its median, which half precision holds in any unit.
                median = float(np.median(depth_HW[known])) if known.any() else 1.0
                inverse_HW = np.divide(median, depth_HW, out=np.zeros_like(depth_HW), where=known)
                row[0] = torch.from_numpy(inverse_HW)
        if not maps.any():
            log.warning(
                "No target has depth by matching (train.loss.matching): the photometric error"
                " teaches alone. The pipelines ground_truth and triplets bring it."
            )
            return {}
        return {"matched": maps}

    def __call__(self, context: Context) -> torch.Tensor:
        return matched_depth_error(context.inverse_depths[0], context.batch["matched"].float())


def matched_depth_error(inverse_B1HW: torch.Tensor, matched_B1HW: torch.Tensor) -> torch.Tensor:
    """Mean absolute logarithm (a scalar) of the ratio of inverse depth to that by matching, freed
    of its median in each image, plus the mean absolute difference of that logarithm between pixels
    1, 2, 4 and 8 apart.

    Scale-free and by gradients as in Ranftl et al., Towards Robust Monocular Depth Estimation,
    TPAMI 2020, over logarithms.

    Args:
        inverse_B1HW: inverse depth of the target.
        matched_B1HW: the same by matching in any unit, 0 where unknown.
    """
    known = matched_B1HW > 0
    ratio = torch.log(
        inverse_B1HW / torch.where(known, matched_B1HW, torch.ones_like(inverse_B1HW))
    )
    median = torch.where(known, ratio, torch.nan).flatten(1).nanmedian(1).values.detach()
    log = ratio - median.nan_to_num()[:, None, None, None]
    total = masked_mean(log.abs(), known)
    for step in _STEPS:
        for axis in (2, 3):
            length = log.shape[axis] - step
            first, second = (each.narrow(axis, 0, length) for each in (log, known))
            other, too = (each.narrow(axis, step, length) for each in (log, known))
            total = total + masked_mean((other - first).abs(), second & too) / (2 * len(_STEPS))
    return total
