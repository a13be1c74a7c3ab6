"""The study on one page: what it says in figures first, then matrix, curves, axes, and what became
of every run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from aerial_depth_pipeline.evaluation.report.tables import cell, label
from aerial_depth_pipeline.reporting.page import (
    Block,
    Figure,
    Heading,
    Section,
    Table,
    Text,
    render_page,
)
from aerial_depth_pipeline.study import charts
from aerial_depth_pipeline.study import fine_tuning as tuning
from aerial_depth_pipeline.study.generalization import drops

_NOTABLE = 0.01  # relative changes below it are not spoken of


@dataclass(frozen=True)
class StudyTables:
    """The study's tables; one that has not been made is empty."""

    generalization: pd.DataFrame = field(default_factory=pd.DataFrame)
    fine_tuning: pd.DataFrame = field(default_factory=pd.DataFrame)
    online: pd.DataFrame = field(default_factory=pd.DataFrame)
    ablation: pd.DataFrame = field(default_factory=pd.DataFrame)
    runs: pd.DataFrame = field(default_factory=pd.DataFrame)


def study_page(tables: StudyTables, alignment: str, metrics: list[str]) -> str:
    """The report as one HTML file that loads nothing from anywhere.

    Args:
        alignment: under which figures are shown.
        metrics: which are shown; the first, an error, decides.
    """
    metric = metrics[0]
    sentences = conclusions(tables, alignment, metric) or [
        "Nothing could be measured; see the runs below."
    ]
    sections = [Section("Conclusions", [Text(sentence) for sentence in sentences])]
    if len(tables.generalization):
        sections.append(_generalization(tables.generalization, alignment, metrics))
    if len(tables.fine_tuning):
        sections.append(_fine_tuning(tables.fine_tuning, tables.online, metric))
    if len(tables.ablation):
        sections.append(_ablation(tables.ablation, alignment, metrics))
    sections.append(_runs(tables.runs))
    lead = (
        f"Alignment {alignment.replace('_', ' ')}; means over images, then over seeds. The CSV"
        " files beside this page redraw every figure."
    )
    return render_page("Study: generalization, fine-tuning, ablation", lead, sections)


def conclusions(tables: StudyTables, alignment: str, metric: str) -> list[str]:
    """What the tables say, a sentence each."""
    sentences = []
    if len(tables.generalization):
        found = drops(tables.generalization, alignment, metric)
        own = found[found["train_domain"] == found["test_domain"]].set_index("test_domain")["mean"]
        single = found[
            found["train_domain"].isin(own.index) & (found["train_domain"] != found["test_domain"])
        ].dropna(subset="drop")
        if len(single):
            worst = single.loc[single["drop"].idxmax()]
            if worst["drop"] < _NOTABLE:
                sentences.append(
                    "No model does worse on another domain than that domain's own model."
                )
            else:
                sentences.append(
                    f"The largest drop: a model of {worst['train_domain']} has"
                    f" {_change(worst['drop'])} {label(metric)} on {worst['test_domain']} than the"
                    f" model of {worst['test_domain']} itself ({cell(metric, worst['mean'])}"
                    f" against {cell(metric, own[worst['test_domain']])})."
                )
        joint = found[found["train_domain"] == "all"].dropna(subset="drop")
        if len(joint):
            each = ", ".join(
                f"{_change(row.drop)} on {row.test_domain}" for row in joint.itertuples()
            )
            sentences.append(
                f"Trained on all domains together, {label(metric)} is, against the in-domain"
                f" models: {each}."
            )
    if len(tables.fine_tuning):
        found = tuning.recovery(tables.fine_tuning, metric)
        best = found.dropna(subset="recovered").sort_values("recovered")
        if len(best):
            row, mildest = best.iloc[-1], best.loc[best["forgotten"].fillna(math.inf).idxmin()]
            sentences.append(
                f"Fine-tuning without labels ({_name(row)}) recovers"
                f" {_percent(row['recovered'], sign=False)} of the gap between the untouched base"
                f" and the in-domain model; {label(metric)} on the old domains is"
                f" {_change(row['forgotten'])}."
            )
            if _name(mildest) != _name(row):
                sentences.append(
                    f"It forgets least with {_name(mildest)}:"
                    f" {_percent(mildest['recovered'], sign=False)} recovered, {label(metric)} on"
                    f" the old domains {_change(mildest['forgotten'])}."
                )
        elif len(found):
            sentences.append(
                "The untouched base model is no worse on the new domain than the in-domain model:"
                " there is no gap to recover."
            )
    for axis, rows in (
        _of(tables.ablation, alignment, metric).groupby("axis", sort=False)
        if len(tables.ablation)
        else ()
    ):
        means = rows.groupby("setting", sort=False)["value"].mean()
        if len(means) > 1:
            best, worst = means.idxmin(), means.idxmax()
            sentences.append(
                f"{axis.replace('_', ' ').capitalize()}: {best} is best with {label(metric)}"
                f" {cell(metric, means[best])}, {worst} worst with {cell(metric, means[worst])}"
                " (means over domains and seeds)."
            )
    return sentences


def _generalization(table: pd.DataFrame, alignment: str, metrics: list[str]) -> Section:
    metric = metrics[0]
    rows = [
        [
            f"{row.train_domain} → {row.test_domain}",
            cell(metric, row.mean),
            cell(metric, row.std) if row.seeds > 1 else "–",
            str(row.seeds),
            _percent(row.drop),
        ]
        for row in drops(table, alignment, metric).itertuples(index=False)
    ]
    header = [
        "trained on → tested on",
        label(metric),
        "spread over seeds",
        "seeds",
        "against in-domain",
    ]
    caption = "Rows: what was trained on. Columns: what was tested on. Bright is good."
    image = Figure(caption, charts.matrix_chart(table, alignment, metrics))
    return Section(
        "Generalization",
        [
            image,
            Table(
                f"{label(metric)}, and its change against the test domain's own model", header, rows
            ),
        ],
    )


def _fine_tuning(table: pd.DataFrame, online: pd.DataFrame, metric: str) -> Section:
    new, old = (
        ", ".join(dict.fromkeys(table.loc[table["role"] == role, "domain"]))
        for role in ("new", "old")
    )
    found = tuning.recovery(table, metric)
    levels = tuning.curves(table, "new", metric).set_index("method")["mean"]
    base, ceiling = (float(levels.get(name, math.nan)) for name in (tuning.BASE, tuning.CEILING))
    header = ["method", "recovered", f"old domains' {label(metric)}"]
    header += [
        f"{what} to {100 * share:.0f} %"
        for share in tuning.SHARES
        for what in ("samples", "seconds")
    ]
    rows = []
    for _, row in found.iterrows():
        spent = [
            row[f"{what}_{share:g}"] for share in tuning.SHARES for what in ("samples", "seconds")
        ]
        rows.append(
            [
                _name(row),
                _percent(row["recovered"], sign=False),
                _percent(row["forgotten"]),
                *(_count(value) for value in spent),
            ]
        )
    text = (
        f"A model of {old} goes on learning on {new}, without labels. {label(metric).capitalize()}"
        f" on {new}: {cell(metric, base)} untouched, {cell(metric, ceiling)} for a model trained on"
        f" {new} from the start; the difference is the gap. Seconds are those of training."
    )
    image = Figure(
        "Error on the new domain and on the old ones while fine-tuning.",
        charts.fine_tuning_chart(table, metric),
    )
    blocks: list[Block] = [
        Text(text),
        image,
        Table("What each method recovers of the gap, and what it forgets", header, rows),
    ]
    if len(online):
        blocks += [
            Figure(
                "Online: each frame's error before it was learned from.",
                charts.online_chart(online),
            ),
            _online_table(online),
        ]
    return Section("Fine-tuning", blocks)


def _online_table(online: pd.DataFrame) -> Table:
    rows = []
    for (method, replay), part in online.groupby(["method", "replay"], sort=False):
        half = part["position"] > part["position"].max() / 2
        figures = [
            part["abs_rel"].mean(),
            part["base_abs_rel"].mean(),
            part.loc[half, "abs_rel"].mean(),
            part.loc[half, "base_abs_rel"].mean(),
        ]
        rows.append(
            [
                _name({"method": method, "replay": replay}),
                *(cell("abs_rel", value) for value in figures),
            ]
        )
    header = [
        "method",
        "abs rel, whole flight",
        "untouched base",
        "abs rel, second half",
        "untouched base",
    ]
    return Table("Online: mean error of frames before they were learned from", header, rows)


def _ablation(table: pd.DataFrame, alignment: str, metrics: list[str]) -> Section:
    blocks: list[Block] = []
    for axis in dict.fromkeys(table["axis"]):
        rows = []
        part = table[(table["axis"] == axis) & (table["alignment"] == alignment)]
        domains = list(dict.fromkeys(part["domain"]))
        for setting in dict.fromkeys(part["setting"]):
            row = [str(setting)]
            for domain in domains:
                for metric in metrics:
                    values = part[
                        (part["setting"] == setting)
                        & (part["domain"] == domain)
                        & (part["metric"] == metric)
                    ]["value"]
                    spread = f" ± {values.std(ddof=0):.3f}" if len(values) > 1 else ""
                    row.append(f"{cell(metric, values.mean())}{spread}" if len(values) else "–")
            rows.append(row)
        header = [
            axis.replace("_", " "),
            *(f"{domain}: {label(metric)}" for domain in domains for metric in metrics),
        ]
        name = axis.replace("_", " ")
        image = Figure(
            "Dots are seeds, bars their means.",
            charts.axis_chart(table, axis, alignment, metrics[0]),
        )
        blocks += [
            Heading(name.capitalize()),
            image,
            Table("Means over seeds, and their spread", header, rows),
        ]
    return Section("Ablation", blocks)


def _runs(runs: pd.DataFrame) -> Section:
    failed = runs[runs["status"] == "failed"] if len(runs) else runs
    rows = [
        [
            f"{row.part.replace('_', ' ')}: {row.cell}",
            row.status,
            _count(row.samples),
            _count(row.seconds),
            _count(row.triplets),
            str(row.reason),
        ]
        for row in runs.fillna({"reason": ""}).itertuples()
    ]
    header = ["run", "status", "samples", "seconds of training", "different triplets", "why"]
    text = (
        f"{len(failed)} of {len(runs)} runs failed; the same study tries them again."
        if len(failed)
        else "All runs are there."
    )
    table = Table("Every training of the study", header, rows, folded=not len(failed), words=True)
    return Section("Runs", [Text(text), table])


def _of(table: pd.DataFrame, alignment: str, metric: str) -> pd.DataFrame:
    return table[(table["alignment"] == alignment) & (table["metric"] == metric)]


def _name(row: Mapping) -> str:
    return f"{row['method'].replace('_', ' ')}{' with replay' if row['replay'] else ''}"


def _percent(value: float, sign: bool = True) -> str:
    if not math.isfinite(value):
        return "–"
    whole = round(100 * value)
    return f"{whole:+d} %".replace("-", "−") if sign and whole else f"{whole} %".replace("-", "−")


def _change(value: float) -> str:
    """A relative change in words."""
    if not math.isfinite(value):
        return "unknown"
    return f"{100 * abs(value):.0f} % {'more' if value >= 0 else 'less'}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value is not None and math.isfinite(value) else "–"
