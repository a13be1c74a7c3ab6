"""Settings of the network. Nothing heavy is imported here: configuration checks read this file."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class NetworkSettings:
    """The joint depth-pose network.

    Attributes:
        encoder: name of a timm feature extractor with maps at halves, quarters, … of the image:
            `resnet18`, `resnet50`, `efficientnet_b0`, `convnext_nano`, `mobilenetv4_conv_small`, …
        pretrained: start the encoder from ImageNet weights; an error, never a silent random start,
            where they cannot be had. Those of `tf_efficientnet_lite0` come as a package (the extra
            `pretrained`), others are downloaded by timm.
        weights: a file with the encoder's weights (`.safetensors` or `.pth`, timm's names) to be
            used instead of a download.
        pose_encoder: `shared` uses the depth encoder's features for the pose as well, `separate`
            gives the pose its own encoder.
        pose_trains_encoder: whether the pose's gradient reaches a shared encoder. Without it the
            sources need no backward pass, which saves about a third of a step; sensible where the
            pose starts from classical geometry.
        decoder_channels: channels of the depth decoder at full size, half, quarter, eighth, … of
            the image.
        encoder_norm: `own` keeps the encoder's normalisation; `group` puts group normalisation in
            the place of batch normalisation, which does not depend on the size of the batch, with
            the scales and shifts that are there; `frozen` keeps batch normalisation and
            trains none of it: means and variances stay those of the pretrained weights (0 and 1
                after a random start).
        decoder_norm: `batch` or `group` normalises inside the depth decoder, which shortens a
            training from scratch; `none` is the original's choice.
        pose_channels: channels inside the pose decoder.
        scales: number of inverse-depth maps, each half the size of the one before.
        min_depth, max_depth: bounds of the predicted depth, in training units.
        initial_depth: depth that the untrained decoder predicts, in training units; scenes are
            scaled so that their median depth lies there. `null` leaves the sigmoid at one half, as
            the original does.
        level_ground: predict how inverse depth differs from that of level ground. The ground's
            slope across the picture follows from the camera's attitude where that is known; where
            it is not, the network estimates it as well.
    """

    encoder: str = "resnet18"
    pretrained: bool = False
    weights: str | None = None
    pose_encoder: Literal["shared", "separate"] = "shared"
    pose_trains_encoder: bool = True
    decoder_channels: list[int] = field(default_factory=lambda: [16, 32, 64, 128, 256])
    encoder_norm: Literal["own", "group", "frozen"] = "own"
    decoder_norm: Literal["none", "batch", "group"] = "batch"
    pose_channels: int = 256
    scales: int = 4
    min_depth: float = 0.1
    max_depth: float = 100.0
    initial_depth: float | None = 1.0
    level_ground: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.min_depth < self.max_depth:
            raise ValueError("min_depth must be positive and smaller than max_depth")
        if (
            self.initial_depth is not None
            and not self.min_depth < self.initial_depth < self.max_depth
        ):
            raise ValueError("initial_depth must lie between min_depth and max_depth")
        if self.level_ground and self.initial_depth is None:
            raise ValueError("level_ground needs an initial_depth, from which the ground slopes")
        if not 1 <= self.scales <= len(self.decoder_channels):
            raise ValueError("scales must be at least 1 and at most the number of decoder_channels")
        if min(self.decoder_channels) < 1 or self.pose_channels < 1:
            raise ValueError("decoder_channels and pose_channels must be positive")
