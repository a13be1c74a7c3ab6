"""From a base model onto a domain that it has not seen, without labels: how fast it recovers, and
what it forgets."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.study.planning import Planner, last_rows
from aerial_depth_pipeline.study.run import Replay, Run
from aerial_depth_pipeline.study.run_study import Outcomes

COLUMNS = ["method", "replay", "seed", "samples", "seconds", "domain", "role", "metric", "value"]
_FRAME_COLUMNS = ["scene", "frame", "abs_rel", "base_abs_rel"]
ONLINE_COLUMNS = ["method", "replay", "seed", "position", *_FRAME_COLUMNS]
BASE, CEILING, _ONLINE = "base", "in_domain", "online_"
SHARES = (0.5, 0.8, 0.95)
# Columns of `recovery`: what was spent until a share of the gap was recovered
SPENT = {f"{what}_{share:g}": (what, share) for share in SHARES for what in ("samples", "seconds")}
_LEAST_GAP = 0.01  # of the base model's error; a share of less than that would be a share of noise

Runs = dict[tuple[str, bool, int], Run]
"""Runs by method (`base`, `in_domain`, a method, `online_<method>`), replay and seed."""


def plan(planner: Planner) -> Runs:
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
    seeds = planner.settings.seeds
    runs: Runs = {}
    for method, domains in ((BASE, old), (CEILING, [new])):
        for seed in seeds:
            label = f"train on {' and '.join(domains)}"
            runs[method, False, seed] = planner.run(label, domains, seed)
    buffer = Replay(tuple(old), settings.replay_triplets, settings.replay_share)
    curve: dict[str, Any] = {"samples": settings.samples, "points": tuple(sorted(settings.points))}
    flight: dict[str, Any] = {"online_repeats": settings.online_repeats}
    tuned: Runs = {}
    online: Runs = {}
    for seed, name, replay in itertools.product(seeds, settings.methods, settings.replay):
        what = method_name(name, replay)
        changes = [settings.train, planner.settings.methods[name]]
        base: dict[str, Any] = {"start": runs[BASE, False, seed]}
        base["replay"] = buffer if replay else None
        run = planner.run(f"{what} on {new}", [new], seed, *changes, **curve, **base)
        tuned[name, replay, seed] = run
        if name in settings.online:
            changes.append({"schedule": "constant"})
            run = planner.run(f"{what} online on {new}", [new], seed, *changes, **flight, **base)
            online[_ONLINE + name, replay, seed] = run
    return runs | tuned | online


def table(runs: Runs, outcomes: Outcomes) -> pd.DataFrame:
    """`fine_tuning.csv`: under the study's first alignment. The base model has 0 samples."""
    new = next(run.train_on for (method, _, _), run in runs.items() if method == CEILING)
    rows = []
    for (method, replay, seed), run in runs.items():
        result = outcomes[run.fingerprint].result
        is_curve = run.start is not None and not run.online_repeats
        found = result["rows"] if is_curve and result else last_rows(result)
        for row in found:
            if row["alignment"] == found[0]["alignment"]:
                spent = (0, 0.0) if method == BASE else (row["samples"], row["seconds"])
                where = row["domain"], "new" if row["domain"] in new else "old"
                rows.append((method, replay, seed, *spent, *where, row["metric"], row["value"]))
    return pd.DataFrame(rows, columns=COLUMNS)


def online_table(runs: Runs, outcomes: Outcomes) -> pd.DataFrame:
    """Each frame's error before it was learned from, in the order of the flights, beside the
    untouched base model's."""
    rows = []
    for (method, replay, seed), run in runs.items():
        if run.online_repeats:
            key = method.removeprefix(_ONLINE), replay, seed
            frames = (outcomes[run.fingerprint].result or {"frames": []})["frames"]
            for position, frame in enumerate(frames):
                rows.append((*key, position, *(frame[name] for name in _FRAME_COLUMNS)))
    return pd.DataFrame(rows, columns=ONLINE_COLUMNS)


def curves(fine_tuning: pd.DataFrame, role: str, metric: str) -> pd.DataFrame:
    """Mean and spread over seeds (and old domains) by method, replay and samples: columns mean,
    std, seconds."""
    chosen = fine_tuning[(fine_tuning["role"] == role) & (fine_tuning["metric"] == metric)]
    of_seed = chosen.groupby(["method", "replay", "seed", "samples"], sort=False)
    means = of_seed[["value", "seconds"]].mean().reset_index()
    grouped = means.groupby(["method", "replay", "samples"], sort=False)
    mean, std = grouped["value"].mean(), grouped["value"].std(ddof=0)
    columns = {"mean": mean, "std": std, "seconds": grouped["seconds"].mean()}
    return pd.DataFrame(columns).reset_index()


def recovery(fine_tuning: pd.DataFrame, metric: str) -> pd.DataFrame:
    """How much of the gap between the base and the in-domain model each method closes, and what it
    forgets.

    Returns:
        By method and replay: `recovered` (share of the gap at the end; NaN where there is no gap),
        `forgotten` (by how much the error on the old domains is larger at the end than the base
        model's, as a share of it), and for each of SHARES `samples_<share>` and `seconds_<share>`
        until so much is recovered, NaN if it never is. Curves are means over seeds, straight
        between measured points.
    """
    new, old = curves(fine_tuning, "new", metric), curves(fine_tuning, "old", metric)
    base, ceiling, kept = _mean_of(new, BASE), _mean_of(new, CEILING), _mean_of(old, BASE)
    gap = base - ceiling if base - ceiling > _LEAST_GAP * base else math.nan
    rows = []
    tuned = new[~new["method"].isin([BASE, CEILING])].sort_values("samples", kind="stable")
    for (method, replay), curve in tuned.groupby(["method", "replay"], sort=False):
        closed = (base - curve["mean"].to_numpy()) / gap
        after = old[(old["method"] == method) & (old["replay"] == replay)].sort_values("samples")
        forgotten = after["mean"].iloc[-1] / kept - 1 if len(after) else np.nan
        spent = [_crossing(curve[what], closed, share) for what, share in SPENT.values()]
        rows.append((method, replay, closed[-1], forgotten, *spent))
    return pd.DataFrame(rows, columns=["method", "replay", "recovered", "forgotten", *SPENT])


def method_name(method: str, replay: bool, joint: str = " ") -> str:
    """A method for readers."""
    return f"{method.replace('_', ' ')}{f'{joint}with replay' if replay else ''}"


def _mean_of(curve: pd.DataFrame, method: str) -> float:
    return float(curve.loc[curve["method"] == method, "mean"].mean())


def _crossing(spent: pd.Series, closed: np.ndarray, level: float) -> float:
    """Where a curve of straight pieces first reaches a level; NaN if it never does, or has one
    point alone, as that of an online run, which is measured at its end."""
    reached = np.flatnonzero(closed >= level)
    if not len(reached) or len(closed) == 1:
        return math.nan
    i, x, y = reached[0], spent.to_numpy(float), closed
    if i == 0:
        return float(x[0])
    return float(x[i - 1] + (x[i] - x[i - 1]) * (level - y[i - 1]) / (y[i] - y[i - 1]))
