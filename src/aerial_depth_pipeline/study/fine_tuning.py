"""From a base model onto a domain that it has not seen, without labels: how fast it recovers, and
what it forgets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.study.planning import Planner, last_rows
from aerial_depth_pipeline.study.run import Replay, Run
from aerial_depth_pipeline.study.run_study import Outcome

COLUMNS = ["method", "replay", "seed", "samples", "seconds", "domain", "role", "metric", "value"]
ONLINE_COLUMNS = [
    "method",
    "replay",
    "seed",
    "position",
    "scene",
    "frame",
    "abs_rel",
    "base_abs_rel",
]
BASE, CEILING = "base", "in_domain"
SHARES = (0.5, 0.8, 0.95)
_LEAST_GAP = 0.01  # of the base model's error; a share of less than that would be a share of noise


@dataclass(frozen=True)
class FineTuningPlan:
    """The runs: the base and the in-domain model by seed, methods and online runs by method,
    replay and seed."""

    new_domain: str
    bases: dict[int, Run]
    ceilings: dict[int, Run]
    methods: dict[tuple[str, bool, int], Run]
    online: dict[tuple[str, bool, int], Run]

    def runs(self) -> list[Run]:
        """All of them."""
        return [
            *self.bases.values(),
            *self.ceilings.values(),
            *self.methods.values(),
            *self.online.values(),
        ]


def plan(planner: Planner) -> FineTuningPlan:
    """The runs of the fine-tuning.

    Raises:
        UserError: if the new domain is not among the study's, or there is no other.
    """
    settings = planner.settings.fine_tuning
    new = settings.new_domain or planner.domains[-1]
    old = [domain for domain in planner.domains if domain != new]
    if new not in planner.domains:
        raise UserError(
            f"study.fine_tuning.new_domain is '{new}', which is not among the study's domains"
            f" {planner.domains}."
        )
    if not old:
        raise UserError(
            f"Fine-tuning needs a domain besides '{new}' for its base model. List another one in"
            " globals.yml, or run study_ablation alone."
        )
    result = FineTuningPlan(new, {}, {}, {}, {})
    replay = Replay(tuple(old), settings.replay_triplets, settings.replay_share)
    for seed in planner.settings.seeds:
        base = result.bases[seed] = planner.run(f"train on {' and '.join(old)}", old, seed)
        result.ceilings[seed] = planner.run(f"train on {new}", [new], seed)
        for name in settings.methods:
            for replayed in settings.replay:
                options: dict[str, Any] = {"start": base, "replay": replay if replayed else None}
                what = f"{name.replace('_', ' ')}{' with replay' if replayed else ''}"
                key, training = (
                    (name, replayed, seed),
                    (settings.train, planner.settings.methods[name]),
                )
                result.methods[key] = planner.run(
                    f"{what} on {new}",
                    [new],
                    seed,
                    *training,
                    samples=settings.samples,
                    points=tuple(sorted(settings.points)),
                    **options,
                )
                if name in settings.online:
                    online = {"schedule": "constant"}
                    result.online[key] = planner.run(
                        f"{what} online on {new}",
                        [new],
                        seed,
                        *training,
                        online,
                        online_repeats=settings.online_repeats,
                        **options,
                    )
    return result


def table(runs: FineTuningPlan, outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    """`fine_tuning.csv`: under the study's first alignment. The base model has 0 samples; online
    runs are methods `online_…`."""
    rows = []

    def add(
        method: str, replay: bool, seed: int, found: list[dict], untouched: bool = False
    ) -> None:
        first = found[0]["alignment"] if found else ""
        for row in found:
            if row["alignment"] == first:
                spent = (0, 0.0) if untouched else (row["samples"], row["seconds"])
                role = "new" if row["domain"] == runs.new_domain else "old"
                rows.append(
                    (method, replay, seed, *spent, row["domain"], role, row["metric"], row["value"])
                )

    for seed, run in runs.bases.items():
        add(BASE, False, seed, last_rows(outcomes[run.fingerprint]), untouched=True)
    for seed, run in runs.ceilings.items():
        add(CEILING, False, seed, last_rows(outcomes[run.fingerprint]))
    for (method, replay, seed), run in runs.methods.items():
        add(method, replay, seed, (outcomes[run.fingerprint].result or {}).get("rows", []))
    for (method, replay, seed), run in runs.online.items():
        add(f"online_{method}", replay, seed, last_rows(outcomes[run.fingerprint]))
    return pd.DataFrame(rows, columns=COLUMNS)


def online_table(runs: FineTuningPlan, outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    """Each frame's error before it was learned from, in the order of the flights, beside the
    untouched base model's."""
    rows = []
    for (method, replay, seed), run in runs.online.items():
        for position, row in enumerate((outcomes[run.fingerprint].result or {}).get("frames", [])):
            rows.append(
                (
                    method,
                    replay,
                    seed,
                    position,
                    row["scene"],
                    row["frame"],
                    row["abs_rel"],
                    row["base_abs_rel"],
                )
            )
    return pd.DataFrame(rows, columns=ONLINE_COLUMNS)


def curves(fine_tuning: pd.DataFrame, role: str, metric: str) -> pd.DataFrame:
    """Mean and spread over seeds (and old domains) by method, replay and samples: columns mean,
    std, seconds."""
    chosen = fine_tuning[(fine_tuning["role"] == role) & (fine_tuning["metric"] == metric)]
    of_seed = (
        chosen.groupby(["method", "replay", "seed", "samples"], sort=False)[["value", "seconds"]]
        .mean()
        .reset_index()
    )
    grouped = of_seed.groupby(["method", "replay", "samples"], sort=False)
    return pd.DataFrame(
        {
            "mean": grouped["value"].mean(),
            "std": grouped["value"].std(ddof=0),
            "seconds": grouped["seconds"].mean(),
        }
    ).reset_index()


def recovery(fine_tuning: pd.DataFrame, metric: str) -> pd.DataFrame:
    """How much of the gap between the base and the in-domain model each method closes, and what it
    forgets.

    Returns:
        By method and replay: `recovered` (share of the gap at the end; NaN where there is no gap),
            `forgotten` (by how much the error on
        the old domains is larger at the end than the base model's, as a share of it), and for each
        of SHARES `samples_<share>` and `seconds_<share>` until so much is recovered, NaN if it
        never is. Curves are means over seeds, straight between measured points.
    """
    new, old = curves(fine_tuning, "new", metric), curves(fine_tuning, "old", metric)
    base, ceiling, kept = _mean_of(new, BASE), _mean_of(new, CEILING), _mean_of(old, BASE)
    gap = base - ceiling
    rows = []
    tuned = new[~new["method"].isin([BASE, CEILING])].sort_values("samples", kind="stable")
    for (method, replay), curve in tuned.groupby(["method", "replay"], sort=False):
        closed = (
            (base - curve["mean"].to_numpy()) / gap
            if gap > _LEAST_GAP * base
            else np.full(len(curve), np.nan)
        )
        after = old[(old["method"] == method) & (old["replay"] == replay)].sort_values("samples")[
            "mean"
        ]
        row = {
            "method": method,
            "replay": replay,
            "recovered": closed[-1],
            "forgotten": after.iloc[-1] / kept - 1 if len(after) else np.nan,
        }
        for share in SHARES:
            # An online run is measured at its end alone: when it reached a share is not known.
            for what in ("samples", "seconds"):
                row[f"{what}_{share:g}"] = (
                    _crossing(curve[what].to_numpy(float), closed, share)
                    if len(curve) > 1
                    else np.nan
                )
        rows.append(row)
    columns = [
        "method",
        "replay",
        "recovered",
        "forgotten",
        *(f"{what}_{share:g}" for share in SHARES for what in ("samples", "seconds")),
    ]
    return pd.DataFrame(rows, columns=columns)


def _mean_of(curve: pd.DataFrame, method: str) -> float:
    return float(curve.loc[curve["method"] == method, "mean"].mean())


def _crossing(x: np.ndarray, y: np.ndarray, level: float) -> float:
    """Where a curve of straight pieces first reaches a level; NaN if it never does."""
    reached = np.flatnonzero(y >= level)
    if not len(reached):
        return float("nan")
    i = reached[0]
    if i == 0:
        return float(x[0])
    return float(x[i - 1] + (x[i] - x[i - 1]) * (level - y[i - 1]) / (y[i] - y[i - 1]))
