"""Alternatives to batch normalisation, for batches too small to have statistics."""

import math

from timm.layers import BatchNormAct2d, GroupNormAct
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

_GROUPS = 32


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation of as many groups as fit, 32 at most (Wu and He, Group Normalization,
    ECCV 2018)."""
    return nn.GroupNorm(math.gcd(channels, _GROUPS), channels)


def replace_batch_norm(module: nn.Module) -> None:
    """Replace batch by group normalisation, in place, with the scales and shifts."""
    for name, child in module.named_children():
        if not isinstance(child, nn.BatchNorm2d):
            replace_batch_norm(child)
            continue
        layer = group_norm(child.num_features)
        if isinstance(child, BatchNormAct2d):
            layer = GroupNormAct(child.num_features, layer.num_groups)
            layer.drop, layer.act = child.drop, child.act
        if child.affine:
            layer.weight, layer.bias = child.weight, child.bias
        setattr(module, name, layer)


def freeze_batch_norm(module: nn.Module) -> None:
    """Freeze scales and shifts of batch normalisation; JointModel then keeps its statistics."""
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and layer.affine:
            layer.requires_grad_(False)
