"""Rough evidence of what is near and what is far, to notice depth that is inverted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.training.samples import Triplet, decode, spread
from aerial_depth_pipeline.training.triplet_sweep import CLEAR_SHARE, depth_hint

_IMAGES = 8


@dataclass
class Probe:
    """A few images with rough evidence of what is near.

    Attributes:
        images_B3HW: in 0..1.
        nearness_BHW: larger where nearer: inverse depth of a plane sweep, or the image row where
            there is none.
        mask_BHW: where `nearness_BHW` says something.
        slope_B2: slope of level ground in each image, NaN where unknown.
        measured: whether the evidence comes from the images; an image row says little about a
            camera that looks straight down.
    """

    images_B3HW: torch.Tensor
    nearness_BHW: torch.Tensor
    mask_BHW: torch.Tensor
    slope_B2: torch.Tensor | None = None
    measured: bool = True

    def to(self, device: torch.device) -> "Probe":
        """The probe on another device."""
        images, nearness = self.images_B3HW.to(device), self.nearness_BHW.to(device)
        slope = None if self.slope_B2 is None else self.slope_B2.to(device)
        return Probe(images, nearness, self.mask_BHW.to(device), slope, self.measured)

    def correlation(self, inverse_depth_B1HW: torch.Tensor) -> float:
        """Mean over the images of the correlation of inverse depth with nearness; 0 where either is
        flat."""
        values, inverse_BHW = [], inverse_depth_B1HW[:, 0].float()
        rows = zip(inverse_BHW, self.nearness_BHW, self.mask_BHW, strict=True)
        for predicted, nearness, mask in rows:
            if mask.sum() < 32:
                continue
            a, b = predicted[mask] - predicted[mask].mean(), nearness[mask] - nearness[mask].mean()
            scale = float(a.norm() * b.norm())
            values.append(float((a * b).sum()) / scale if scale > 1e-12 else 0.0)
        return float(np.mean(values)) if values else 0.0


def make_probe(triplets: Sequence[Triplet], depths: dict[str, float]) -> Probe:
    """A probe from a few of the triplets.

    Args:
        depths: median depth of the scenes whose poses are given, in the unit of their translations;
            the others give the image row.
    """
    rows, measured = [], False
    for triplet in spread(triplets, _IMAGES):
        target = decode(triplet.image, triplet.frames)[triplet.frames // 2]
        image = torch.from_numpy(target).permute(2, 0, 1).float() / 255
        size = image.shape[-2:]
        nearness = torch.linspace(0, 1, size[0])[:, None].expand(size)
        mask = torch.ones(size, dtype=torch.bool)
        if triplet.scene in depths:
            hint = depth_hint(triplet, depths[triplet.scene])[None, None].float()
            hint = F.interpolate(hint, size, mode="nearest")[0, 0]
            if (hint > 0).float().mean() >= CLEAR_SHARE:
                nearness, mask, measured = hint, hint > 0, True
        up, K = (torch.tensor(value[None]).float() for value in (triplet.up_3, triplet.K_33))
        rows.append((image, nearness, mask, ground_slope(up, K, *size)[0]))
    images, nearness, masks, slopes = (torch.stack(column) for column in zip(*rows, strict=True))
    return Probe(images, nearness, masks, slopes, measured)
