"""Training a part of a network only: its decoder, its normalisation, or a low-rank change of its
convolutions."""

import math
from typing import Literal, cast

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from aerial_depth_pipeline.networks.joint_model import JointModel

Trainable = Literal["all", "decoder", "norm", "low_rank"]


class LowRank(nn.Module):
    """Adds a matrix of low rank to a convolution's weight [O, I, h, w], seen as [O, I h w]; it
    starts at zero.

    Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
    """

    def __init__(self, weight: torch.Tensor, rank: int) -> None:
        super().__init__()
        outgoing, incoming = len(weight), weight[0].numel()
        rank = min(rank, outgoing, incoming)
        self.up = nn.Parameter(weight.new_zeros(outgoing, rank))
        self.down = nn.Parameter(
            torch.randn(rank, incoming, dtype=weight.dtype) / math.sqrt(incoming)
        )

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The changed weight [O, I, h, w]."""
        return weight + (self.up @ self.down).view_as(weight)


def restrict(model: JointModel, trainable: Trainable, rank: int) -> None:
    """Freeze the parameters of the depth network that are not to be trained; a pose network is
    always trained.

    Args:
        trainable: `all`; `decoder`; `norm`: scale, shift and statistics of the normalisation
            layers; `low_rank`: a matrix of rank `rank` that is added to the weight of every
            convolution.
    """
    if trainable == "all":
        return
    network = model.depth
    network.requires_grad_(False)
    if trainable == "decoder":
        network.decoder.requires_grad_(True)
    for module in list(network.modules()):
        if trainable == "norm" and isinstance(module, _BatchNorm | nn.GroupNorm | nn.LayerNorm):
            module.requires_grad_(True)
        if trainable == "low_rank" and isinstance(module, nn.Conv2d):
            # "Unsafe" only means that torch does not try it out: the shape stays.
            parametrize.register_parametrization(
                module, "weight", LowRank(module.weight, rank), unsafe=True
            )
    model.train()  # which leaves frozen normalisation layers in evaluation mode


def merge(network: nn.Module) -> nn.Module:
    """Put low-rank changes into the plain weights of a network, in place; returns the network."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, "weight"):
            weight = cast(torch.Tensor, module.weight).detach()
            # torch's own removal changes the class of the layer, which a copy shares with the layer
            # that it was copied from.
            del module.parametrizations
            module.__class__ = type(module).__bases__[0]
            module.weight = nn.Parameter(weight)
    return network
