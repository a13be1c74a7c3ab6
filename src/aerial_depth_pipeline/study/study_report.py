"""The study on one page: what it says in figures first, then matrix, curves, axes, and what became
of every run."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from aerial_depth_pipeline.evaluation.report.tables import cell, label
from aerial_depth_pipeline.reporting import page
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
    sentences = conclusions(tables, alignment, metrics[0]) or [
        "Nothing could be measured; see the runs below."
    ]
    sections = [page.Section("Conclusions", [page.Text(sentence) for sentence in sentences])]
    if len(tables.generalization):
        sections.append(_generalization(tables.generalization, alignment, metrics))
    if len(tables.fine_tuning):
        sections.append(_fine_tuning(tables.fine_tuning, tables.online, metrics[0]))
    if len(tables.ablation):
        sections.append(_ablation(tables.ablation, alignment, metrics))
    sections.append(_runs(tables.runs))
    lead = (
        f"Alignment {_spoken(alignment)}; means over images, then over seeds. The CSV files beside"
        " this page redraw every figure."
    )
    return page.render_page("Study: generalization, fine-tuning, ablation", lead, sections)


def conclusions(tables: StudyTables, alignment: str, metric: str) -> list[str]:
    """What the tables say, a sentence each."""
    sentences: list[str] = []
    if len(tables.generalization):
        sentences += _of_generalization(drops(tables.generalization, alignment, metric), metric)
    if len(tables.fine_tuning):
        sentences += _of_fine_tuning(tuning.recovery(tables.fine_tuning, metric), metric)
    if len(tables.ablation):
        shown = tables.ablation.query("alignment == @alignment and metric == @metric")
        for axis, rows in shown.groupby("axis", sort=False):
            means = rows.groupby("setting", sort=False)["value"].mean()
            if len(means) > 1:
                best, worst = means.idxmin(), means.idxmax()
                sentences.append(
                    f"{_spoken(axis).capitalize()}: {best} is best with {label(metric)}"
                    f" {cell(metric, means[best])}, {worst} worst with"
                    f" {cell(metric, means[worst])} (means over domains and seeds)."
                )
    return sentences


def _of_generalization(found: pd.DataFrame, metric: str) -> Iterator[str]:
    at_home = found["train_domain"] == found["test_domain"]
    own = found[at_home].set_index("test_domain")["mean"]
    single = found[found["train_domain"].isin(own.index) & ~at_home].dropna(subset="drop")
    if len(single):
        worst = single.loc[single["drop"].idxmax()]
        if worst["drop"] < _NOTABLE:
            yield "No model does worse on another domain than that domain's own model."
        else:
            yield (
                f"The largest drop: a model of {worst['train_domain']} has"
                f" {_change(worst['drop'])} {label(metric)} on {worst['test_domain']} than the"
                f" model of {worst['test_domain']} itself ({cell(metric, worst['mean'])}"
                f" against {cell(metric, own[worst['test_domain']])})."
            )
    joint = found[found["train_domain"] == "all"].dropna(subset="drop")
    if len(joint):
        each = ", ".join(f"{_change(row.drop)} on {row.test_domain}" for row in joint.itertuples())
        yield (
            f"Trained on all domains together, {label(metric)} is, against the in-domain models:"
            f" {each}."
        )


def _of_fine_tuning(found: pd.DataFrame, metric: str) -> Iterator[str]:
    best = found.dropna(subset="recovered").sort_values("recovered")
    if len(best):
        row, mildest = best.iloc[-1], best.loc[best["forgotten"].fillna(math.inf).idxmin()]
        yield (
            f"Fine-tuning without labels ({_name(row)}) recovers"
            f" {_percent(row['recovered'], sign=False)} of the gap between the untouched base"
            f" and the in-domain model; {label(metric)} on the old domains is"
            f" {_change(row['forgotten'])}."
        )
        if _name(mildest) != _name(row):
            yield (
                f"It forgets least with {_name(mildest)}:"
                f" {_percent(mildest['recovered'], sign=False)} recovered, {label(metric)} on"
                f" the old domains {_change(mildest['forgotten'])}."
            )
    elif len(found):
        yield (
            "The untouched base model is no worse on the new domain than the in-domain model:"
            " there is no gap to recover."
        )


def _generalization(table: pd.DataFrame, alignment: str, metrics: list[str]) -> page.Section:
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
    shown = ["spread over seeds", "seeds", "against in-domain"]
    header = ["trained on → tested on", label(metric), *shown]
    caption = "Rows: what was trained on. Columns: what was tested on. Bright is good."
    image = page.Figure(caption, charts.matrix_chart(table, alignment, metrics))
    caption = f"{label(metric)}, and its change against the test domain's own model"
    return page.Section("Generalization", [image, page.Table(caption, header, rows)])


def _fine_tuning(table: pd.DataFrame, online: pd.DataFrame, metric: str) -> page.Section:
    new, old = (
        ", ".join(table.loc[table["role"] == role, "domain"].unique()) for role in ("new", "old")
    )
    levels = tuning.curves(table, "new", metric).set_index("method")["mean"]
    base, ceiling = (float(levels.get(name, math.nan)) for name in (tuning.BASE, tuning.CEILING))
    spent = [f"{what} to {100 * share:.0f} %" for what, share in tuning.SPENT.values()]
    header = ["method", "recovered", f"old domains' {label(metric)}", *spent]
    rows = [
        [
            _name(row),
            _percent(row["recovered"], sign=False),
            _percent(row["forgotten"]),
            *(_count(row[column]) for column in tuning.SPENT),
        ]
        for _, row in tuning.recovery(table, metric).iterrows()
    ]
    text = (
        f"A model of {old} goes on learning on {new}, without labels. {label(metric).capitalize()}"
        f" on {new}: {cell(metric, base)} untouched, {cell(metric, ceiling)} for a model trained on"
        f" {new} from the start; the difference is the gap. Seconds are those of training."
    )
    caption = "Error on the new domain and on the old ones while fine-tuning."
    blocks: list[page.Block] = [
        page.Text(text),
        page.Figure(caption, charts.fine_tuning_chart(table, metric)),
        page.Table("What each method recovers of the gap, and what it forgets", header, rows),
    ]
    if len(online):
        caption = "Online: each frame's error before it was learned from."
        blocks += [page.Figure(caption, charts.online_chart(online)), _online_table(online)]
    return page.Section("Fine-tuning", blocks)


def _online_table(online: pd.DataFrame) -> page.Table:
    table = []
    for (method, replay), rows in online.groupby(["method", "replay"], sort=False):
        half = rows[rows["position"] > rows["position"].max() / 2]
        means = [part[name].mean() for part in (rows, half) for name in ("abs_rel", "base_abs_rel")]
        figures = [cell("abs_rel", mean) for mean in means]
        table.append([tuning.method_name(method, replay), *figures])
    header = ["method"]
    for part in ("whole flight", "second half"):
        header += [f"abs rel, {part}", "untouched base"]
    return page.Table("Online: mean error of frames before they were learned from", header, table)


def _ablation(table: pd.DataFrame, alignment: str, metrics: list[str]) -> page.Section:
    blocks: list[page.Block] = []
    for axis in table["axis"].unique():
        part = table.query("axis == @axis and alignment == @alignment")
        columns = list(itertools.product(part["domain"].unique(), metrics))
        seeds = dict(iter(part.groupby(["setting", "domain", "metric"])["value"]))
        rows = []
        for setting in part["setting"].unique():
            means = [_mean(metric, seeds.get((setting, d, metric))) for d, metric in columns]
            rows.append([str(setting), *means])
        name = _spoken(axis)
        header = [name, *(f"{domain}: {label(metric)}" for domain, metric in columns)]
        chart = charts.axis_chart(table, axis, alignment, metrics[0])
        blocks += [
            page.Heading(name.capitalize()),
            page.Figure("Dots are seeds, bars their means.", chart),
            page.Table("Means over seeds, and their spread", header, rows),
        ]
    return page.Section("Ablation", blocks)


def _runs(runs: pd.DataFrame) -> page.Section:
    failed = (runs["status"] == "failed").sum() if len(runs) else 0
    rows = [
        [
            f"{_spoken(row.part)}: {row.cell}",
            row.status,
            *(_count(number) for number in (row.samples, row.seconds, row.triplets)),
            str(row.reason),
        ]
        for row in runs.fillna({"reason": ""}).itertuples()
    ]
    header = ["run", "status", "samples", "seconds of training", "different triplets", "why"]
    text = "All runs are there."
    if failed:
        text = f"{failed} of {len(runs)} runs failed; the same study tries them again."
    table = page.Table("Every training of the study", header, rows, folded=not failed, words=True)
    return page.Section("Runs", [page.Text(text), table])


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _name(row: Mapping) -> str:
    return tuning.method_name(row["method"], row["replay"])


def _mean(metric: str, values: pd.Series | None) -> str:
    """The mean over seeds, with their spread where there are several."""
    if values is None:
        return "–"
    spread = f" ± {values.std(ddof=0):.3f}" if len(values) > 1 else ""
    return f"{cell(metric, values.mean())}{spread}"


def _percent(value: float, sign: bool = True) -> str:
    if not math.isfinite(value):
        return "–"
    whole = round(100 * value)
    return f"{whole:{'+' if sign and whole else ''}d} %".replace("-", "−")


def _change(value: float) -> str:
    """A relative change in words."""
    if not math.isfinite(value):
        return "unknown"
    return f"{100 * abs(value):.0f} % {'more' if value >= 0 else 'less'}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value is not None and math.isfinite(value) else "–"
