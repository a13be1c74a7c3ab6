"""Train on each domain, on all but one and on all; test on each."""

from collections.abc import Mapping

import pandas as pd

from aerial_depth_pipeline.study.planning import Planner, end_table
from aerial_depth_pipeline.study.run import Run
from aerial_depth_pipeline.study.run_study import Outcomes

COLUMNS = ["train_domain", "test_domain", "seed", "alignment", "metric", "value"]


def training_sets(domains: list[str]) -> dict[str, list[str]]:
    """What is trained on, by the name that stands in the table."""
    sets = {domain: [domain] for domain in domains}
    if len(domains) > 2:
        for left_out in domains:
            sets[f"all but {left_out}"] = [domain for domain in domains if domain != left_out]
    if len(domains) > 1:
        sets["all"] = list(domains)
    return sets


def plan(planner: Planner) -> dict[tuple[str, int], Run]:
    """The runs by training set and seed."""
    sets = training_sets(planner.domains)
    return {
        (name, seed): planner.run(f"train on {' and '.join(domains)}", domains, seed)
        for seed in planner.settings.seeds
        for name, domains in sets.items()
    }


def table(runs: Mapping[tuple[str, int], Run], outcomes: Outcomes) -> pd.DataFrame:
    """`generalization.csv`."""
    found = end_table(runs, outcomes, "train_domain", "seed")
    return found.rename(columns={"domain": "test_domain"})[COLUMNS]


def drops(generalization: pd.DataFrame, alignment: str, metric: str) -> pd.DataFrame:
    """Mean, spread and drop of one metric by train_domain and test_domain, in the order of the
    table.

    Columns: mean, std (over seeds, 0 for a single one), seeds, and `drop`: by how much the error is
    larger than that of the model trained on the test domain itself, as a share of it; NaN where
    that is missing.
    """
    chosen = generalization.query("alignment == @alignment and metric == @metric")
    grouped = chosen.groupby(["train_domain", "test_domain"], sort=False)["value"]
    result = pd.DataFrame(
        {"mean": grouped.mean(), "std": grouped.std(ddof=0), "seeds": grouped.size()}
    ).reset_index()
    own = result[result["train_domain"] == result["test_domain"]].set_index("test_domain")["mean"]
    result["drop"] = result["mean"] / result["test_domain"].map(own) - 1
    return result
