"""From the features of two images to the numbers that describe the camera's motion between them."""

import torch
from torch import nn


class PoseDecoder(nn.Module):
    """Six numbers for a pair of images: three for the rotation, three for the translation. Starts
    at zero: no motion, or no correction.

    The features of both images are concatenated, as in Zhou et al., CVPR 2017, and Godard et al.,
    ICCV 2019.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2 * channels, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 6, 1),
        )
        nn.init.zeros_(self.body[-1].bias)
        nn.init.normal_(self.body[-1].weight, std=1e-3)

    def forward(self, target_BCHW: torch.Tensor, source_BCHW: torch.Tensor) -> torch.Tensor:
        """Six numbers [B, 6], float32, unscaled, from the deepest features of target and source."""
        return self.body(torch.cat([target_BCHW, source_BCHW], 1)).float().mean((2, 3))
