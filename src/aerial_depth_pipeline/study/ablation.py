"""One choice is changed at a time, everything else stays at the default."""

from collections.abc import Mapping

import pandas as pd

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.study.planning import Planner, last_rows
from aerial_depth_pipeline.study.run import Run, changed
from aerial_depth_pipeline.study.run_study import Outcome

COLUMNS = ["axis", "setting", "seed", "domain", "alignment", "metric", "value"]


def plan(planner: Planner) -> dict[tuple[str, str, int], Run]:
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
            for seed in planner.settings.seeds:
                runs[axis, str(setting), seed] = planner.run(
                    f"{axis} {setting}",
                    train_on,
                    seed,
                    change.train,
                    samples=settings.samples,
                    # A change to what is the default anyway is none: the triplets that are there
                    # will do.
                    triplets=triplets if triplets != dict(planner.triplets) else {},
                    training_triplets=change.training_triplets,
                )
    return runs


def table(
    runs: Mapping[tuple[str, str, int], Run], outcomes: Mapping[str, Outcome]
) -> pd.DataFrame:
    """`ablation.csv`."""
    rows = [
        (*key, row["domain"], row["alignment"], row["metric"], row["value"])
        for key, run in runs.items()
        for row in last_rows(outcomes[run.fingerprint])
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
