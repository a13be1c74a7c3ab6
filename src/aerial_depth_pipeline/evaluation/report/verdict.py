"""What a reader wants to know first: whether the model is worth more than what costs nothing, and
whether that can be told at all."""

import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.measuring.aggregate import FEWEST_IMAGES
from aerial_depth_pipeline.evaluation.method_table import (
    METHODS,
    MODEL,
    OWN_POINTS,
    WITHOUT_POINTS,
)
from aerial_depth_pipeline.evaluation.report.domain_report import DomainReport
from aerial_depth_pipeline.evaluation.report.tables import cell, pivot

_BLIND = [row.name for row in METHODS if row.kind == "blind"]


def verdict(domain: DomainReport, alignment: str) -> str:
    """One sentence: the model beside the baselines that do not look at the image, by abs rel; the
    better baseline first."""
    wide = pivot(domain.measured.table, domain.name, alignment)
    if MODEL not in wide.index:
        return f"{domain.name}: the model gave nothing that could be measured."
    own, rivals = wide.loc[MODEL, "abs_rel"], wide["abs_rel"].reindex(_BLIND).dropna()
    named = {
        name: f"{name.replace('_', ' ')} ({cell('abs_rel', rivals[name])})" for name in rivals.index
    }
    better = [name for name in rivals.sort_values().index if rivals[name] <= own]
    model, points = f"the model (abs rel {cell('abs_rel', own)})", _points(wide)
    if better:
        return (
            f"{domain.name}: {named[better[0]]} is better than {model}, which is worth nothing"
            f" here. Train it on flights like these, or longer, or fine-tune it.{points}"
        )
    beaten = _listed(list(named.values()))
    return f"{domain.name}: {model} is better than {beaten}{_skill(wide)}.{points}"


def warnings(domain: DomainReport) -> list[str]:
    """Sentences on what the figures do not say."""
    found = []
    if domain.seen:
        found.append(
            f"{_listed(domain.seen)}: the model was trained on other moments of"
            f" {'this flight' if len(domain.seen) == 1 else 'these flights'}. The figures say how"
            " well it knows them, not what it does elsewhere; hold whole flights out"
            " (triplets.split.test_scenes)."
        )
    if domain.split is not None and domain.split.is_leaky:
        found.append(
            f"{domain.name}: {domain.split.share_seen}, so the figures are of ground that the model"
            " knows."
        )
    if len(domain.scenes) == 1 or domain.images < FEWEST_IMAGES:
        flights = "one flight" if len(domain.scenes) == 1 else f"{len(domain.scenes)} flights"
        found.append(
            f"{domain.images} test frames of {flights} are not enough to tell how the model does on"
            " others."
        )
    return found


def how_split(domain: DomainReport) -> list[str]:
    """How the test frames were held out, where it is known."""
    return [] if domain.split is None else [f"{domain.name}: {domain.split.sentence}"]


def _points(wide: pd.DataFrame) -> str:
    """What the model adds to the surface through the flight's own points, its start; of a model
    that does not start from it a sentence where the surface is better."""
    found, own = wide["abs_rel"].get(OWN_POINTS, np.nan), wide.loc[MODEL, "abs_rel"]
    if not np.isfinite(found):
        return ""
    surface = "the surface through the flight's own points, nothing learned"
    if WITHOUT_POINTS in wide.index:
        alone = f" From one picture it has {cell('abs_rel', wide.loc[WITHOUT_POINTS, 'abs_rel'])}."
        gain = round(100 * (1 - own / found))
        if gain <= 0:
            return f" Its start, {surface}, is as good or better: {cell('abs_rel', found)}.{alone}"
        return (
            f" It takes {gain} % off the error of its start, {surface}"
            f" ({cell('abs_rel', found)}).{alone}"
        )
    if not found < own:
        return ""
    return (
        f" {surface.capitalize()}, is better: {cell('abs_rel', found)}; it needs the frames before"
        " and after."
    )


def _skill(wide: pd.DataFrame) -> str:
    skill = wide.loc[MODEL].get("skill_over_plane", np.nan)
    if not np.isfinite(skill):
        return ""
    word = "worse" if skill < 0 else "better"
    return f" and {word} than the plane that fits the reference best (skill {cell('', skill)})"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
