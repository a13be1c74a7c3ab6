"""The joint depth-pose model that training works on."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from aerial_depth_pipeline.networks.depth_decoder import DepthDecoder
from aerial_depth_pipeline.networks.encoder import Encoder
from aerial_depth_pipeline.networks.pose_decoder import PoseDecoder
from aerial_depth_pipeline.networks.settings import NetworkSettings


class DepthNetwork(nn.Module):
    """Encoder and depth decoder: all that is left of the joint model when training is over."""

    def __init__(self, settings: NetworkSettings, load_weights: bool = True) -> None:
        super().__init__()
        self.encoder = Encoder(settings, load_weights)
        self.decoder = DepthDecoder(self.encoder.channels, self.encoder.reductions, settings)

    def forward(
        self, image_B3HW: torch.Tensor, slope_B2: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Inverse depth [B, 1, H, W] at full size of RGB images in 0..1; `slope_B2` as in
        `DepthDecoder`."""
        return self.decoder(
            self.encoder(image_B3HW), image_B3HW.shape[-2:], only_finest=True, slope_B2=slope_B2
        )[0]


class JointModel(nn.Module):
    """Depth of the target and the camera's motion to each source.

    Attributes:
        depth: encoder and depth decoder.
        pose_encoder: a second encoder, or None where the depth encoder's features are shared.
        pose_decoder: six numbers a pair, or None where poses are given and not refined.
    """

    def __init__(self, settings: NetworkSettings, with_pose: bool = True) -> None:
        super().__init__()
        self.settings = settings
        self.depth = DepthNetwork(settings)
        self.pose_encoder = (
            Encoder(settings) if with_pose and settings.pose_encoder == "separate" else None
        )
        self.pose_decoder = (
            PoseDecoder(self.depth.encoder.channels[-1], settings.pose_channels)
            if with_pose
            else None
        )

    def train(self, mode: bool = True) -> "JointModel":
        """Switch between training and evaluation; normalisation layers whose weights are frozen
        keep their statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm) and module.affine and not module.weight.requires_grad:
                module.eval()
        return self

    def forward(
        self,
        images_BL3HW: torch.Tensor,
        sources: list[int],
        target: int,
        slope_B2: torch.Tensor | None = None,
    ) -> tuple[list[torch.Tensor], torch.Tensor | None, torch.Tensor | None]:
        """Inverse depth of the target at all scales, finest first, the pose decoder's numbers [B,
        S, 6] for the sources, and the slope [B, 2] of level ground that the target's features show.

        Args:
            images_BL3HW: the frames of a triplet (or longer sequence), RGB in 0..1.
            sources: positions of the sources along L.
            target: position of the target along L.
            slope_B2: slope of level ground in the target, NaN where it is not known; None where it
                is nowhere known.
        """
        size = images_BL3HW.shape[-2:]
        target_image = images_BL3HW[:, target]
        shared = (
            self.pose_decoder is not None
            and self.pose_encoder is None
            and self.settings.pose_trains_encoder
        )
        if shared:
            # One pass over all frames: larger batches use the machine better than several small
            # ones.
            of_all = self.depth.encoder(
                torch.cat([target_image, *(images_BL3HW[:, s] for s in sources)])
            )
            features = [f[: len(target_image)] for f in of_all]
        else:
            features = self.depth.encoder(target_image)
        maps, slope = (
            self.depth.decoder(features, size, slope_B2=slope_B2),
            self.depth.decoder.estimated_slope(features),
        )
        if self.pose_decoder is None:
            return maps, None, slope
        deepest = (
            list(of_all[-1].split(len(target_image)))
            if shared
            else self._pose_features(images_BL3HW, features[-1], sources, target)
        )
        poses = [self.pose_decoder(deepest[0], source) for source in deepest[1:]]
        return maps, torch.stack(poses, 1), slope

    def _pose_features(
        self, images: torch.Tensor, target_features: torch.Tensor, sources: list[int], target: int
    ) -> list[torch.Tensor]:
        batch = len(images)
        if self.pose_encoder is not None:
            frames = torch.cat([images[:, target], *(images[:, s] for s in sources)])
            return list(self.pose_encoder(frames)[-1].split(batch))
        with torch.no_grad():
            features = self.depth.encoder(torch.cat([images[:, s] for s in sources]))[-1]
        return [target_features.detach(), *features.split(batch)]
