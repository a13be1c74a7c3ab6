"""A depth model for fast inference: bfloat16 where it does not matter."""

import copy
import logging
from typing import Any

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from aerial_depth_pipeline.networks.depth_model import DepthModel

logger = logging.getLogger(__name__)


def has_bfloat16(device: str) -> bool:
    """Whether a device ("cpu" or "cuda") has instructions for bfloat16."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def in_bfloat16(model: DepthModel) -> DepthModel:
    """A copy of the model that computes in bfloat16, about twice as fast on processors and GPUs
    that have instructions for it.

    Normalisation of the image and the last layer, whose eight bits of mantissa would show as steps
    in the depth, stay in float32.
    """
    network = _Bfloat16Network(model.network)
    return DepthModel(network, model.settings, model.width, model.height, model.metadata)


class _Bfloat16Network(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        network = copy.deepcopy(network).eval()
        half: Any = {"dtype": torch.bfloat16, "memory_format": torch.channels_last}
        self.encoder = network.encoder
        self.encoder.body = _without_batch_norm(network.encoder.body).to(**half)
        decoder = network.decoder
        for blocks in (decoder.before, decoder.after):
            for level, block in blocks.items():
                blocks[level] = _without_batch_norm(block)
        self.decoder = decoder.to(**half)
        decoder.heads["0"] = _InFloat32(decoder.heads["0"])

    def forward(
        self,
        image_B3HW: torch.Tensor,
        slope_B2: torch.Tensor | None = None,
        start_B2HW: torch.Tensor | None = None,
    ) -> torch.Tensor:
        x = self.encoder.normalised(image_B3HW, start_B2HW)
        features = self.encoder.body(x.to(torch.bfloat16, memory_format=torch.channels_last))
        return self.decoder(features, image_B3HW.shape[-2:], True, slope_B2, start_B2HW)[0]


class _InFloat32(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer.float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.float())


def _without_batch_norm(part: Any) -> Any:
    """The part with batch normalisation folded into the convolutions before it; unchanged where its
    code cannot be traced."""
    try:
        return fuse(part)
    except Exception as error:  # tracing fails in as many ways as there are encoders
        logger.debug("batch normalisation of %s is not folded: %s", type(part).__name__, error)
        return part
