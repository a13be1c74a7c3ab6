"""The study's figures, drawn from its tables alone."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aerial_depth_pipeline.evaluation.measuring.metrics import better_when_high
from aerial_depth_pipeline.evaluation.report.tables import cell, label
from aerial_depth_pipeline.reporting.figures import finish, new_figure, png
from aerial_depth_pipeline.study import fine_tuning as tuning
from aerial_depth_pipeline.study.generalization import drops

_COLOURS = ("#7e03a8", "#f89540", "#2a788e", "#d62728", "#2ca02c", "#1f77b4", "#8c564b", "#e377c2")
_GREY = "#77747f"


def matrix_chart(generalization: pd.DataFrame, alignment: str, metrics: Sequence[str]) -> bytes:
    """Heat maps (PNG), one for each metric: what was trained on against what was tested on, means
    over seeds ± their spread."""
    figure, axes = _figure(len(metrics), 5.4, 0.6 * generalization["train_domain"].nunique() + 1.6)
    for place, metric in zip(axes, metrics, strict=True):
        found = drops(generalization, alignment, metric)
        rows, columns = found["train_domain"].unique(), found["test_domain"].unique()
        wide = found.pivot(index="train_domain", columns="test_domain")
        mean, std = (wide[what].reindex(index=rows, columns=columns) for what in ("mean", "std"))
        better_when_large = better_when_high(metric)
        place.imshow(mean, cmap="plasma" if better_when_large else "plasma_r", aspect="auto")
        low, high = np.nanmin(mean.to_numpy()), np.nanmax(mean.to_numpy())
        for (y, x), value in np.ndenumerate(mean.to_numpy()):
            share = (value - low) / (high - low) if high > low else 0.0
            bright = share > 0.6 if better_when_large else share < 0.4
            spread = f"\n± {std.iat[y, x]:.3f}" if found["seeds"].max() > 1 else ""
            text = f"{cell(metric, value)}{spread}" if np.isfinite(value) else "–"
            colour = "#1d1d24" if bright else "white"
            place.text(x, y, text, ha="center", va="center", fontsize=9, color=colour)
        place.set_xticks(range(len(columns)), columns, fontsize=9)
        place.set_yticks(range(len(rows)), rows, fontsize=9)
        place.set_xlabel("tested on", fontsize=9)
        place.set_ylabel("trained on", fontsize=9)
        place.set_title(label(metric), fontsize=10)
    return png(figure)


def fine_tuning_chart(fine_tuning: pd.DataFrame, metric: str) -> bytes:
    """Two charts (PNG) against samples: the error on the new domain between base and in-domain
    model, and the error on the old ones."""
    figure, axes = _figure(2, 6.0, 4.6)
    roles = (("new", "on the new domain"), ("old", "on the old domains"))
    for place, (role, title) in zip(axes, roles, strict=True):
        found = tuning.curves(fine_tuning, role, metric)
        tuned = found[~found["method"].isin([tuning.BASE, tuning.CEILING])]
        colours = dict(zip(tuned["method"].unique(), cycle(_COLOURS), strict=False))
        by_samples = tuned.sort_values("samples")
        dots: dict[str, Any] = {"marker": "o", "markersize": 4, "capsize": 2}
        for (method, replay), curve in by_samples.groupby(["method", "replay"], sort=False):
            place.errorbar(
                *(curve[name] for name in ("samples", "mean", "std")),
                label=tuning.method_name(method, replay, ", "),
                color=colours[method],
                linestyle="-" if replay else "--",
                **dots,
            )
        levels = ((tuning.BASE, "base, untouched", ":"), (tuning.CEILING, "in-domain model", "-."))
        for method, name, line in levels:
            value = found.loc[found["method"] == method, "mean"].mean()
            if np.isfinite(value) and (role == "new" or method == tuning.BASE):
                place.axhline(value, color=_GREY, linestyle=line, linewidth=1.4, label=name)
        if len(tuned):
            measured = sorted(set(tuned["samples"]))
            first = max(1, *measured[:2])
            place.set_xscale("symlog", linthresh=first, linscale=0.5)
            place.set_xticks(measured, [f"{count:,}" for count in measured], rotation=30)
            place.minorticks_off()
            place.set_xlim(-0.1 * first, 1.15 * max(1, measured[-1]))
        place.set_title(title, fontsize=10)
        finish(place, "samples learned from", label(metric))
    handles, labels = axes[0].get_legend_handles_labels()
    plain: dict[str, Any] = {"ncols": min(4, len(labels)), "frameon": False, "fontsize": 8}
    figure.legend(handles, labels, loc="outside lower center", **plain)
    return png(figure)


def online_chart(online: pd.DataFrame) -> bytes:
    """Each frame's error (PNG) before it was learned from, in the order of the flights, beside the
    untouched base model's; one seed."""
    figure, (place,) = _figure(1, 11.0, 3.8)
    first = online[online["seed"] == online["seed"].iloc[0]]
    by_method = first.groupby(["method", "replay"], sort=False)
    window = max(1, by_method["position"].max().max() // 25)

    def smooth(errors: pd.Series) -> pd.Series:
        return errors.rolling(window, min_periods=1).mean()

    for ((method, replay), rows), colour in zip(by_method, cycle(_COLOURS), strict=False):
        name = tuning.method_name(method, replay, ", ")
        x, errors = rows["position"], rows["abs_rel"]
        place.plot(x, errors, ".", markersize=3, alpha=0.35, color=colour)
        place.plot(x, smooth(errors), color=colour, label=name)
    _, base = next(iter(by_method))
    untouched = smooth(base["base_abs_rel"])
    place.plot(base["position"], untouched, color=_GREY, linestyle=":", label="base, untouched")
    for start in base.loc[base["scene"] != base["scene"].shift(), "position"].iloc[1:]:
        place.axvline(start - 0.5, color="#ddd", linewidth=0.8)
    place.legend(frameon=False, fontsize=8, ncols=4)
    x_label = f"measured frames in the order of the flights (lines: mean of {window})"
    finish(place, x_label, label("abs_rel"))
    return png(figure)


def axis_chart(ablation: pd.DataFrame, axis: str, alignment: str, metric: str) -> bytes:
    """One axis of the ablation (PNG): each setting's mean over seeds for every test domain, and the
    single seeds."""
    rows = ablation.query("axis == @axis and alignment == @alignment and metric == @metric")
    settings, domains = list(rows["setting"].unique()), list(rows["domain"].unique())
    figure, (place,) = _figure(1, max(4.5, 1.1 * len(settings) + 2.5), 3.4)
    for i, (domain, colour) in enumerate(zip(domains, cycle(_COLOURS), strict=False)):
        values = rows[rows["domain"] == domain]
        shift = (i - (len(domains) - 1) / 2) * 0.12
        x = values["setting"].map(settings.index) + shift
        place.plot(x, values["value"], ".", markersize=4, alpha=0.5, color=colour)
        mean = values.groupby("setting", sort=False)["value"].mean().reindex(settings)
        style: dict[str, Any] = {"marker": "_", "markersize": 14, "linewidth": 0.6}
        x, name = np.arange(len(settings)) + shift, f"tested on {domain}"
        place.plot(x, mean, label=name, color=colour, **style)
    place.set_xticks(range(len(settings)), settings)
    place.legend(frameon=False, fontsize=8)
    finish(place, axis.replace("_", " "), label(metric))
    return png(figure)


def _figure(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = new_figure(width * count, height)
    return figure, list(np.atleast_1d(figure.subplots(1, count)))
