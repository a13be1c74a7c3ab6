"""One choice is changed at a time, everything else stays at the default."""

from typing import Any

import pandas as pd

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.study.planning import Planner, end_table
from aerial_depth_pipeline.study.run import Run, changed
from aerial_depth_pipeline.study.run_study import Outcomes

Runs = dict[tuple[str, str, int], Run]


def plan(planner: Planner) -> Runs:
    """The runs by axis, setting and seed. Settings that come to the same share a run.

    Raises:
        UserError: if a domain to train on is not among the study's.
    """
    settings = planner.settings.ablation
    train_on = settings.train_on or planner.domains
    if unknown := sorted(set(train_on) - set(planner.domains)):
        raise UserError(
            f"study.ablation.train_on names {unknown}, which are not among the study's domains"
            f" {planner.domains}."
        )
    runs = {}
    for axis in settings.axes:
        for setting, change in planner.settings.axes[axis].items():
            triplets = changed(planner.triplets, change.triplets)
            if triplets == dict(planner.triplets):
                triplets = {}  # those that are there will do
            options: dict[str, Any] = {"triplets": triplets, "samples": settings.samples}
            options["training_triplets"] = change.training_triplets
            for seed in planner.settings.seeds:
                given = f"{axis} {setting}", train_on, seed, change.train
                runs[axis, str(setting), seed] = planner.run(*given, **options)
    return runs


def table(runs: Runs, outcomes: Outcomes) -> pd.DataFrame:
    """`ablation.csv`."""
    return end_table(runs, outcomes, "axis", "setting", "seed")
