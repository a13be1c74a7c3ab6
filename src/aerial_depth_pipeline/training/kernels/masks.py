"""Means over masks."""

import torch


def as_numbers(mask: torch.Tensor) -> torch.Tensor:
    """A mask's memory as 0 and 1: torch multiplies bytes many times as fast as booleans."""
    return mask.view(torch.uint8)


def masked_mean(value_BHW: torch.Tensor, mask_BHW: torch.Tensor) -> torch.Tensor:
    """Mean (a scalar) of the values where the mask is true; 0 where it is true nowhere."""
    # Counting is many times as fast as the sum of a mask, which becomes 64-bit integers first.
    return (value_BHW * as_numbers(mask_BHW)).sum() / mask_BHW.count_nonzero().clamp_min(1)
