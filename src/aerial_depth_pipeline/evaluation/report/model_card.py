"""The model card: what a model learned from, how good it is, what it is for and what it is not for,
as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.evaluation.report.card_settings import CardSettings
from aerial_depth_pipeline.evaluation.report.tables import caption_of, cell, label, pivot
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.reporting.text_tables import markdown_table

CARD = "model_card.md"
_SHOWN = ("abs_rel", "rmse", "delta_1.25", "skill_over_plane")
_NO_INTERVAL = ("coverage", "images")
_BARS = "▁▂▃▄▅▆▇█"
_NOT_MEASURED = "Not measured yet: 'kedro run --pipelines=evaluation' fills this in."


def model_card(
    model: DepthModel, results: Sequence[str] = (), fields: CardSettings | None = None
) -> str:
    """The card of a model.

    Args:
        model: its metadata names the data, the curve and the settings of its training.
        results: Markdown of what was measured (`results_of_evaluation`), or nothing.
        fields: what only people know; the model's own metadata (`card`) where it is None.
    """
    known = model.metadata
    if fields is None:
        fields = read_settings(CardSettings, known.get("card", {}), "model_card")
    parameters = sum(tensor.numel() for tensor in model.network.parameters())
    lines = [f"# {fields.name}", ""]
    lines += _table(
        {
            "owner": fields.owner,
            "contact": fields.contact,
            "licence of the weights": fields.licence,
            "licence of the footage": fields.data_licence,
            "encoder": model.settings.encoder,
            "parameters": f"{parameters:,}",
            "looks at images of": (
                f"{model.width}×{model.height} pixels; others are resized, and the depth back"
            ),
            "gives": f"z-depth along the optical axis, in {known.get('unit', 'training units')}",
        }
    )
    sections = {
        "Intended use": [fields.intended_use, "", f"Not for: {fields.out_of_scope}"],
        "Limits": [f"- {limit}" for limit in _limits(known)],
        "Data": _data(known),
        "Results": results or [_NOT_MEASURED],
        "Training": _training(known),
    }
    for title, content in sections.items():
        lines += ["", f"## {title}", "", *content]
    return "\n".join(lines) + "\n"


def results_of_evaluation(
    table: pd.DataFrame, alignment: str, bases: Mapping[str, str]
) -> list[str]:
    """What an evaluation measured, with 95 % intervals, as Markdown.

    Args:
        table: `evaluation.csv`.
        alignment: the one shown.
        bases: what the figures of each domain are of (`DomainReport.basis`).
    """
    lines = [
        "Square brackets hold 95 % intervals from resampling flights and blocks of images;"
        " baselines know nothing of the image."
    ]
    for domain in dict.fromkeys(table["domain"]):
        value, low, high = (
            pivot(table, domain, alignment, metrics=_SHOWN, what=what)
            for what in ("value", "low", "high")
        )
        caption = caption_of(domain, alignment, "none", bases.get(domain, ""))
        rows = []
        for name, row in value.iterrows():
            cells = [
                _with_interval(c, row[c], low.loc[name, c], high.loc[name, c]) for c in row.index
            ]
            rows.append([str(name).replace("_", " "), *cells])
        header = ["method", *map(label, value.columns)]
        lines += ["", caption, "", *markdown_table(header, rows)]
    return lines


def _with_interval(column: str, value: float, low: float, high: float) -> str:
    text = cell(column, value)
    if column in _NO_INTERVAL or pd.isna(low) or pd.isna(high):
        return text
    return f"{text} [{cell(column, low)}, {cell(column, high)}]"


def _limits(known: Mapping[str, Any]) -> list[str]:
    limits = [
        (
            "It learned from footage alone, without annotation: what moves, mirrors or has no"
            " texture is where it is weakest."
        ),
        (
            "Other heights, pitches, seasons and kinds of ground than those it learned from are"
            " unknown to it; measure before use."
        ),
        "It says nothing of its own certainty.",
    ]
    if known.get("unit") != "metres":
        limits.insert(0, "Depth is relative: without a scale from elsewhere it is not in metres.")
    return limits


def _data(known: Mapping[str, Any]) -> list[str]:
    lines = _table(
        {
            "domains": ", ".join(known.get("domains", [])) or None,
            "training triplets": known.get("triplets"),
            "fingerprint of the data": known.get("data_fingerprint"),
            "fine-tuned from": f"version {known['parent']}" if known.get("parent") else None,
        },
        missing=False,
    )
    scenes = known.get("scenes") or {}
    if scenes:
        rows = [[name, str(count)] for name, count in scenes.items()]
        lines += ["", *markdown_table(["scene", "training triplets"], rows)]
    return lines


def _training(known: Mapping[str, Any]) -> list[str]:
    settings = known.get("settings", {})
    pose = settings.get("pose", {}).get("source")
    lines = _table(
        {
            "steps": known.get("step"),
            "batch size": settings.get("batch_size"),
            "learning rate": settings.get("learning_rate"),
            "poses start from": pose,
            "seed": settings.get("seed"),
        },
        missing=False,
    )
    curve = known.get("curve") or {}
    if curve:
        lines += ["", "| curve | first | | last |", "|---|---:|---|---:|"]
    for name, points in curve.items():
        values = [value for _, value in points]
        lines.append(
            f"| {name} | {values[0]:.4f} (step {points[0][0]}) | {sparkline(values)} |"
            f" {values[-1]:.4f} (step {points[-1][0]}) |"
        )
    return lines


def sparkline(values: Sequence[float]) -> str:
    """A curve in one line of text, its smallest value lowest."""
    low, high = min(values), max(values)
    if not high > low:
        return _BARS[0] * len(values)
    return "".join(
        _BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in values
    )


def _table(rows: Mapping[str, Any], missing: bool = True) -> list[str]:
    shown = {
        name: "not stated" if value is None else value
        for name, value in rows.items()
        if missing or value is not None
    }
    lines = [f"| {name} | {value} |" for name, value in shown.items()]
    return ["| | |", "|---|---|", *lines] if lines else []
