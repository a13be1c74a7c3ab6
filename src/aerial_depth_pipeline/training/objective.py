"""The loss of a batch: the sum of the weighted terms."""

import torch

from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.terms import TERMS, Context


def objective(context: Context) -> dict[str, torch.Tensor]:
    """`total`, each term that is on by its name, and figures for the watchdog, all scalars."""
    values: dict[str, torch.Tensor] = {}
    total = torch.zeros((), device=context.T_BS44.device)
    for term in TERMS:
        weight = term.weight(context.settings, context.step)
        if weight != 0 and term.applies(context):
            values[term.name] = term(context)
            total = total + weight * values[term.name]
    with torch.no_grad():
        finest = context.inverse_depths[0].detach()
        figures = {
            "inverse_depth": finest.mean(),
            "relief": (finest.std((2, 3)) / finest.mean((2, 3))).mean(),
            "at_an_end": _share_at_an_end(finest, context.settings.network),
            "motion": context.T_BS44[..., :3, 3].norm(dim=-1).mean() * finest.mean(),
        }
    return {"total": total, **values, **context.facts, **figures}


def source_depth_needed(settings: TrainSettings) -> bool:
    """Whether a term that is on needs the depth of the sources."""
    return any(term.needs_source_depth and term.used(settings) for term in TERMS)


def _share_at_an_end(inverse: torch.Tensor, network: NetworkSettings) -> torch.Tensor:
    low, high = 1 / network.max_depth, 1 / network.min_depth
    margin = 0.01 * (high - low)
    # Far away is a small inverse depth in any case; only the very end of the far side counts.
    near = (inverse > high - margin).float().mean()
    return torch.maximum(near, (inverse < low + 0.1 * low).float().mean())
