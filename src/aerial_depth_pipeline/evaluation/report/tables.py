"""The measured table in the forms that people read: console, CSV, Markdown, LaTeX, and names for
MLflow."""

import math
from collections.abc import Sequence

import pandas as pd

from aerial_depth_pipeline.evaluation.measuring.metrics import better_when_high, metric_of, shown
from aerial_depth_pipeline.evaluation.method_table import BASELINES, METHOD, MODEL
from aerial_depth_pipeline.reporting.page import Table
from aerial_depth_pipeline.reporting.text_tables import markdown_table, text_table

_WHOLE = 0.95
ALIGNMENTS = {
    "none": "without alignment",
    "median_per_image": "median per image",
    "median_per_scene": "median per scene",
    "lstsq_inverse_depth": "least squares in inverse depth per image",
}
TAKEN_FROM_REFERENCE = {
    "none": "without alignment",
    "median_per_image": "with each image's scale taken from the reference",
    "median_per_scene": "with each flight's scale taken from the reference",
    "lstsq_inverse_depth": "with each image's scale and shift taken from the reference",
}


def photogrammetric(thresholds: Sequence[float]) -> tuple[str, ...]:
    """The photogrammetric set, with what shows a model's character: its scale drift and its
    correlation with the truth."""
    shares = [
        f"{name}_{threshold:g}m"
        for name in ("accuracy", "completeness")
        for threshold in thresholds
    ]
    return ("l1_abs", "l1_rel", *shares, "correlation", "scale_drift")


def pivot(
    table: pd.DataFrame,
    domain: str,
    alignment: str,
    cap: str = "none",
    scene: str = "all",
    metrics: Sequence[str] | None = None,
    what: str = "value",
) -> pd.DataFrame:
    """Methods in rows (the model first, then the others, baselines last), metrics in columns;
    `coverage` and `images` at the end.

    `metrics` are those of the main table where it is None; `what` is the column of the long table
    that fills the cells: `value`, `low` or `high`.
    """
    metrics = shown() if metrics is None else metrics
    part = table[
        (table["domain"] == domain)
        & (table["alignment"] == alignment)
        & (table["cap"].astype(str) == cap)
        & (table["scene"] == scene)
    ]
    wide = part[part["metric"].isin(metrics)].pivot(index=METHOD, columns="metric", values=what)
    wide = wide.reindex(columns=[metric for metric in metrics if metric in wide.columns])
    side = part[part["metric"] == "abs_rel"].set_index(METHOD)
    wide["coverage"] = side["coverage"].reindex(wide.index)
    wide["images"] = side["images"].reindex(wide.index)

    def place(name: str) -> tuple[bool, int, str]:
        return name != MODEL, BASELINES.index(name) + 1 if name in BASELINES else 0, name

    return wide.loc[sorted(wide.index, key=place)]


def problem_notes(table: pd.DataFrame, domain: str, scene: str = "all") -> list[str]:
    """A sentence for each method with predictions that are missing, damaged or incomplete: no
    average hides them."""
    part = table[
        (table["domain"] == domain)
        & (table["scene"] == scene)
        & table["metric"].str.startswith("images_")
    ]
    notes = []
    for method, rows in part.groupby(METHOD, sort=False):
        counts = [
            f"{int(row.value)} {row.metric.removeprefix('images_').replace('_', '-')}"
            for row in rows.itertuples()
        ]
        words = ", ".join(
            count.replace("holes", "with holes").replace("left-out", "left out") for count in counts
        )
        notes.append(f"{method}: of {int(rows['images'].iloc[0])} predictions {words}.")
    return notes


def describe_references(kinds: Sequence[str]) -> str:
    """What references are, in words. Exact depth comes with footage only where somebody rendered
    it, and a reader has to know that."""
    words = [
        "exact depth (simulated flights)" if kind == "exact" else f"{kind.replace('_', ' ')} depth"
        for kind in kinds
    ]
    return " and ".join(words)


def caption_of(domain: str, alignment: str, cap: str, basis: str = "", scene: str = "all") -> str:
    """One line that says what a table's numbers are of (`DomainReport.basis`) and how they are
    aligned."""
    where = domain if scene == "all" else f"{domain}/{scene}"
    return (
        f"{where}{f', {basis}' if basis else ''}, {ALIGNMENTS.get(alignment, alignment)},"
        f" {'no depth cap' if cap == 'none' else f'depth up to {cap}'}"
    )


def format_console(
    table: pd.DataFrame,
    domain: str,
    alignment: str,
    cap: str = "none",
    basis: str = "",
    metrics: Sequence[str] | None = None,
) -> str:
    """A table for the terminal: caption, header, one line per method, columns aligned."""
    wide = pivot(table, domain, alignment, cap, metrics=metrics)
    header = ["", *[label(column) for column in wide.columns]]
    rows = [[str(name), *[cell(c, row[c]) for c in wide.columns]] for name, row in wide.iterrows()]
    caption, notes = caption_of(domain, alignment, cap, basis), problem_notes(table, domain)
    return "\n".join([caption, *text_table(header, rows), *notes])


def format_markdown(
    table: pd.DataFrame,
    domain: str,
    alignment: str,
    cap: str = "none",
    basis: str = "",
    metrics: Sequence[str] | None = None,
) -> str:
    """The same as a Markdown table, the best method of each metric in bold (the oracle plane
    does not compete)."""
    wide = pivot(table, domain, alignment, cap, metrics=metrics)
    best = best_of(wide)

    def text(name: str, column: str, value: float) -> str:
        return f"**{cell(column, value)}**" if name in best.get(column, ()) else cell(column, value)

    rows = [
        [f"`{name}`", *[text(str(name), c, row[c]) for c in wide.columns]]
        for name, row in wide.iterrows()
    ]
    lines = markdown_table(["method", *map(label, wide.columns)], rows)
    notes = "".join(f"\n{note}\n" for note in problem_notes(table, domain))
    return f"{caption_of(domain, alignment, cap, basis)}\n\n" + "\n".join(lines) + f"\n{notes}"


def format_latex(
    table: pd.DataFrame,
    domain: str,
    alignment: str,
    cap: str = "none",
    basis: str = "",
    metrics: Sequence[str] | None = None,
) -> str:
    """The same as a LaTeX table with booktabs rules, ready to be included."""
    wide = pivot(table, domain, alignment, cap, metrics=metrics)
    best = best_of(wide)
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape_latex(caption_of(domain, alignment, cap, basis))}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(wide.columns)}}}",
        r"    \toprule",
        "    method & " + " & ".join(_latex_label(c) for c in wide.columns) + r" \\",
        r"    \midrule",
    ]
    for name, row in wide.iterrows():
        cells = [escape_latex(cell(c, row[c])) for c in wide.columns]
        cells = [
            rf"\textbf{{{cell}}}" if name in best.get(c, ()) else cell
            for c, cell in zip(wide.columns, cells, strict=True)
        ]
        lines.append(f"    {escape_latex(str(name))} & " + " & ".join(cells) + r" \\")
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}", ""])


def mlflow_metrics(table: pd.DataFrame, main_alignment: str) -> dict[str, float]:
    """Metrics by the names under which MLflow shows them: `rural/median_per_image/abs_rel`.

    Only whole domains and finite values; a cap follows the alignment
    (`rural/median_per_image_cap_80/abs_rel`). Of the methods beside the model the two best
    known metrics under the main alignment are logged, with the name behind the domain
    (`rural/tilted_plane/median_per_image/abs_rel`), so that plots of many metrics stay readable.
    """
    metrics = {}
    whole = table[(table["scene"] == "all") & table["value"].map(math.isfinite)]
    beside = (
        (whole["alignment"] == main_alignment)
        & (whole["cap"].astype(str) == "none")
        & whole["metric"].isin(["abs_rel", "delta_1.25"])
    )
    for row in whole[(whole[METHOD] == MODEL) | beside].itertuples():
        name = getattr(row, METHOD)
        who = "" if name == MODEL else f"{name}/"
        cap = "" if str(row.cap) == "none" else f"_cap_{row.cap}"
        metrics[f"{row.domain}/{who}{row.alignment}{cap}/{row.metric}"] = float(row.value)
    return metrics


def label(column: str) -> str:
    """A column's name for readers."""
    metric = metric_of(column)
    return metric.label if metric is not None else column.replace("_", " ")


def _latex_label(column: str) -> str:
    metric = metric_of(column)
    return metric.latex if metric is not None and metric.latex else escape_latex(label(column))


def escape_latex(text: str) -> str:
    """Text with LaTeX's special characters made harmless."""
    special: dict[str, str | int | None] = {character: "\\" + character for character in "&%$#_{}"}
    special |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {"–": "--", "−": "$-$"}
    return text.translate(str.maketrans(special))


def cell(column: str, value: float) -> str:
    """A number as text, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if column == "images":
        return f"{int(value)}"
    if column == "coverage":
        return f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.1f} %"
    text = f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"
    return text.replace("-", "−") if value < 0 else text


def best_of(wide: pd.DataFrame) -> dict[str, set[str]]:
    """Metric → best methods of a table of `pivot`, several where they read the same.

    The plane sees the reference, and sparse methods answer where it is easy: neither competes.
    """
    rivals = wide.drop(index="tilted_plane", errors="ignore")
    rivals = rivals[rivals["coverage"] >= _WHOLE * rivals["coverage"].max()]
    best = {}
    for column in wide.columns:
        values = rivals[column].dropna()
        if column not in ("coverage", "images") and len(values) > 1:
            text = cell(column, values.max() if better_when_high(column) else values.min())
            best[column] = {
                str(name) for name, value in values.items() if cell(column, value) == text
            }
    return best


def methods_table(
    table: pd.DataFrame,
    domain: str,
    alignment: str,
    caption: str,
    cap: str = "none",
    scene: str = "all",
    metrics: Sequence[str] | None = None,
    folded: bool = False,
) -> Table:
    """The evaluation's table for the page, with the best of each metric marked."""
    wide = pivot(table, domain, alignment, cap, scene, metrics)
    best = best_of(wide)
    names = list(wide.index)
    marks = {
        (names.index(name), list(wide.columns).index(column) + 1)
        for column, found in best.items()
        for name in found
    }
    rows = [
        [str(name), *[cell(column, row[column]) for column in wide.columns]]
        for name, row in wide.iterrows()
    ]
    low, high = (
        pivot(table, domain, alignment, cap, scene, metrics, what) for what in ("low", "high")
    )
    intervals = [
        ["", *[_interval(c, low.loc[name, c], high.loc[name, c]) for c in wide.columns]]
        for name in names
    ]
    header = ["method", *[label(column) for column in wide.columns]]
    return Table(caption, header, rows, intervals, marks, folded)


def _interval(column: str, low: float, high: float) -> str:
    if column in ("coverage", "images") or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{cell(column, low)}, {cell(column, high)}]"
