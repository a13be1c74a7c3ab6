"""The joint depth-pose model that training works on."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from aerial_depth_pipeline.geometry.ground import relative_inverse_depth
from aerial_depth_pipeline.networks.depth_decoder import DepthDecoder
from aerial_depth_pipeline.networks.encoder import Encoder
from aerial_depth_pipeline.networks.pose_decoder import PoseDecoder
from aerial_depth_pipeline.networks.settings import NetworkSettings


class DepthNetwork(nn.Module):
    """Encoder and depth decoder: what remains of the joint model after training."""

    def __init__(self, settings: NetworkSettings, load_weights: bool = True) -> None:
        super().__init__()
        self.encoder = Encoder(settings, load_weights)
        self.decoder = DepthDecoder(self.encoder.channels, self.encoder.reductions, settings)

    def forward(
        self,
        image_B3HW: torch.Tensor,
        slope_B2: torch.Tensor | None = None,
        start_B2HW: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Inverse depth [B, 1, H, W] at full size of RGB images in 0..1; `slope_B2` and
        `start_B2HW` as in `DepthDecoder`."""
        features = self.encoder(image_B3HW, self.seen_start(image_B3HW, slope_B2, start_B2HW))
        return self.decoder(features, image_B3HW.shape[-2:], True, slope_B2, start_B2HW)[0]

    def seen_start(
        self,
        image_B3HW: torch.Tensor,
        slope_B2: torch.Tensor | None,
        start_B2HW: torch.Tensor | None,
    ) -> torch.Tensor | None:
        """The start as the encoder sees it: level ground of known slope where there are no points,
        so that frames with and without them look alike. None where it sees the picture alone."""
        if not self.encoder.takes_start:
            return None
        start = torch.zeros_like(image_B3HW[:, :2]) if start_B2HW is None else start_B2HW
        if slope_B2 is None:
            return start
        inverse, nearness = start.split(1, 1)
        is_known = slope_B2.isfinite().all(1)[:, None, None, None]
        ground = relative_inverse_depth(slope_B2.nan_to_num(), *image_B3HW.shape[-2:])
        ground = torch.where(is_known, ground, torch.zeros_like(ground))
        return torch.cat([torch.where(inverse > 0, inverse, ground), nearness], 1)


class JointModel(nn.Module):
    """Depth of the target and the camera's motion to each source.

    Attributes:
        depth: encoder and depth decoder.
        pose_encoder: a second encoder, or None where features are shared.
        pose_decoder: six numbers a pair, or None where poses are given and not refined.
    """

    def __init__(self, settings: NetworkSettings, with_pose: bool = True) -> None:
        super().__init__()
        self.settings = settings
        self.depth = DepthNetwork(settings)
        self.pose_encoder: Encoder | None = None
        self.pose_decoder: PoseDecoder | None = None
        if with_pose and settings.pose_encoder == "separate":
            self.pose_encoder = Encoder(settings)
        if with_pose:
            channels = self.depth.encoder.channels[-1]
            self.pose_decoder = PoseDecoder(channels, settings.pose_channels)

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; frozen normalisation keeps its statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm) and module.affine and not module.weight.requires_grad:
                module.eval()
        return self

    def forward(
        self,
        images_BL3HW: torch.Tensor,
        sources: Sequence[int],
        target: int,
        slope_B2: torch.Tensor | None = None,
        start_B2HW: torch.Tensor | None = None,
    ) -> tuple[list[torch.Tensor], torch.Tensor | None, torch.Tensor | None]:
        """Inverse depth of the target at all scales, finest first, the pose decoder's numbers [B,
        S, 6] for the sources, and the slope [B, 2] of level ground estimated from the target.

        Args:
            images_BL3HW: the frames of a triplet (or longer sequence), RGB in 0..1.
            sources: positions of the sources along L.
            target: position of the target along L.
            slope_B2: slope of level ground in the target, NaN where it is unknown.
            start_B2HW: start of the target, as in `DepthDecoder`.
        """
        batch, size = len(images_BL3HW), images_BL3HW.shape[-2:]
        of_target, of_sources = images_BL3HW[:, target], [images_BL3HW[:, s] for s in sources]
        shares = self.pose_encoder is None and self.settings.pose_trains_encoder
        one_pass = self.pose_decoder is not None and shares
        # One pass over all frames: a large batch uses the machine better than several small ones.
        seen = self.depth.seen_start(of_target, slope_B2, start_B2HW)
        if one_pass:
            seen = None if seen is None else _for_target_alone(seen, len(of_sources))
            encoded = self.depth.encoder(torch.cat([of_target, *of_sources]), seen)
        else:
            encoded = self.depth.encoder(of_target, seen)
        features = [feature[:batch] for feature in encoded] if one_pass else encoded
        maps = self.depth.decoder(features, size, slope_B2=slope_B2, start_B2HW=start_B2HW)
        slope = self.depth.decoder.estimated_slope(features)
        if self.pose_decoder is None:
            return maps, None, slope
        if one_pass:
            deepest = encoded[-1]
        elif self.pose_encoder is not None:
            deepest = self.pose_encoder(torch.cat([of_target, *of_sources]))[-1]
        else:
            with torch.no_grad():
                deepest = self.depth.encoder(torch.cat(of_sources))[-1]
            deepest = torch.cat([features[-1].detach(), deepest])
        first, *rest = deepest.split(batch)
        return maps, torch.stack([self.pose_decoder(first, each) for each in rest], 1), slope


def _for_target_alone(start_B2HW: torch.Tensor, sources: int) -> torch.Tensor:
    return torch.cat([start_B2HW, *[torch.zeros_like(start_B2HW)] * sources])
