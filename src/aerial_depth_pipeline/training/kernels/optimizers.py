"""Adam and AdamW for weights in channels-last order."""

from typing import Any

import torch


class _AsStored:
    """Shows the optimizer 4-D weights, their gradients and averages in the order in which they lie
    in memory.

    torch's fused CPU kernel copies each tensor that is not contiguous, which takes half of its
    time. Views of the same memory change nothing else; weights and state keep their shapes.
    """

    def _init_group(
        self, group: dict[str, Any], weights: list[torch.Tensor], *others: list[torch.Tensor]
    ) -> Any:
        result = super()._init_group(group, weights, *others)  # type: ignore[misc]
        swapped = [
            w.ndim == 4
            and not w.is_contiguous()
            and w.is_contiguous(memory_format=torch.channels_last)
            for w in weights
        ]
        for tensors in (weights, *others):
            if len(tensors) == len(swapped):
                tensors[:] = [
                    t.permute(0, 2, 3, 1) if swap and t.ndim == 4 else t
                    for t, swap in zip(tensors, swapped, strict=True)
                ]
        return result


class Adam(_AsStored, torch.optim.Adam):
    """torch's Adam, fused."""


class AdamW(_AsStored, torch.optim.AdamW):
    """torch's AdamW, fused."""
