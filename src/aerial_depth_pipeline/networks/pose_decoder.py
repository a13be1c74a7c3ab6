"""From the features of two images to the camera's motion between them."""

import torch
from torch import nn


class PoseDecoder(nn.Module):
    """Six numbers for a pair of images, three for the rotation and three for the translation. They
    start at zero: no motion, or no correction.

    The features of both images are concatenated, as in Zhou et al., CVPR 2017, and Godard et al.,
    ICCV 2019.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        first = nn.Conv2d(2 * channels, hidden, 3, padding=1)
        second = nn.Conv2d(hidden, hidden, 3, padding=1)
        last = nn.Conv2d(hidden, 6, 1)
        self.body = nn.Sequential(first, nn.ReLU(True), second, nn.ReLU(True), last)
        nn.init.zeros_(last.get_parameter("bias"))
        nn.init.normal_(last.weight, std=1e-3)

    def forward(self, target_BCHW: torch.Tensor, source_BCHW: torch.Tensor) -> torch.Tensor:
        """Six numbers [B, 6], float32, unscaled, from the deepest features of target and source."""
        return self.body(torch.cat([target_BCHW, source_BCHW], 1)).float().mean((2, 3))
