"""What the report's page says of each domain: the answer first, then what one looks at, then all
the numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.measuring.metrics import shown
from aerial_depth_pipeline.evaluation.method_table import (
    BASELINES,
    DENSE_CONVENTIONAL,
    METHOD,
    MODEL,
)
from aerial_depth_pipeline.evaluation.poses.trajectories import draw_trajectories
from aerial_depth_pipeline.evaluation.report.domain_report import DomainReport
from aerial_depth_pipeline.evaluation.report.error_charts import error_charts
from aerial_depth_pipeline.evaluation.report.number_tables import (
    _all_tables,
    _percent,
    _pose_table,
    _sweep_table,
    _table,
)
from aerial_depth_pipeline.evaluation.report.panels import draw_panels
from aerial_depth_pipeline.evaluation.report.tables import (
    TAKEN_FROM_REFERENCE,
    caption_of,
    cell,
    pivot,
    problem_notes,
)
from aerial_depth_pipeline.evaluation.report.verdict import how_split, verdict, warnings
from aerial_depth_pipeline.evaluation.settings import NO_CAP, EvaluationSettings
from aerial_depth_pipeline.reporting.page import Block, Figure, Heading, Section, Table, Text

_LARGEST_VIDEO = 12_000_000  # of a video inside the page; a larger one stays beside it
_WORTH_SAYING = 1.25  # times the mean error
_ENOUGH_PIXELS = 0.01
_PLACES = {
    "distance": "at a distance of",
    "height_above_ground": "at a height above ground of",
    "surface": "at",
    "texture": "where the image is",
}


def overview_section(domains: Sequence[DomainReport], alignment: str) -> Section:
    """One line a domain: the model beside the baselines that it has to beat."""
    columns = {
        "abs rel": ("model", "abs_rel"),
        "δ<1.25": ("model", "delta_1.25"),
        "mean depth map": ("mean_depth_map", "abs_rel"),
        "tilted plane": ("tilted_plane", "abs_rel"),
        "skill over plane": ("model", "skill_over_plane"),
        "scale drift": ("model", "scale_drift"),
        "coverage": ("model", "coverage"),
        "images": ("model", "images"),
    }
    rows = []
    for domain in domains:
        wide = pivot(
            domain.measured.table, domain.name, alignment, metrics=(*shown(), "scale_drift")
        )
        cells = [
            cell(metric, wide[metric].get(method, np.nan) if metric in wide else np.nan)
            for method, metric in columns.values()
        ]
        rows.append([domain.name, *cells])
    text = Text(
        "The columns of the baselines are their abs rel. Each domain has a section of its own"
        " below."
    )
    caption = caption_of("All domains", alignment, "none")
    return Section("Overview", [text, Table(caption, ["domain", *columns], rows)])


def domain_section(domain: DomainReport, settings: EvaluationSettings) -> Section:
    """Everything about one domain."""
    main = settings.main_alignment
    blocks: list[Block] = [Text(sentence, strong=True) for sentence in answers(domain, main)]
    blocks.append(_table(domain, main, folded=False))
    notes = " ".join(problem_notes(domain.measured.table, domain.name))
    blocks += [Text(notes)] if notes else []
    if domain.columns:
        caption = (
            "Best, median and worst test frame by abs rel. Inverse depth in plasma colours: near is"
            " bright."
        )
        blocks.append(Figure(caption, draw_panels(domain.columns)))
    for caption, path in domain.videos:
        if path.stat().st_size <= _LARGEST_VIDEO:
            blocks.append(Figure(caption, path.read_bytes()))
    blocks.append(Heading("Where the errors are"))
    matching = _matching_table(domain.measured.breakdowns)
    blocks += [] if matching is None else [matching]
    caption = f"{caption_of(domain.name, main, 'none', domain.basis)}; pixels pooled over images."
    blocks.append(
        Figure(caption, error_charts(domain.measured.breakdowns, domain.measured.per_image, main))
    )
    if len(domain.sweeps):
        blocks += [Heading("What the prediction is worth to matching"), _sweep_table(domain.sweeps)]
    if domain.poses.rows:
        caption = (
            "Camera paths from above, aligned to the true ones by a similarity, and how far they"
            " are off."
        )
        blocks += [
            Heading("Poses"),
            _pose_table(domain.poses),
            Figure(caption, draw_trajectories(domain.poses.trajectories)),
        ]
    return Section(domain.name, [*blocks, Heading("All numbers"), *_all_tables(domain, settings)])


def answers(domain: DomainReport, alignment: str) -> list[str]:
    """How good the model is, compared with the plane and with conventional methods, and where it
    fails, in sentences."""
    table, name = domain.measured.table, domain.name
    wide, low, high = (
        pivot(table, name, alignment, what=what) for what in ("value", "low", "high")
    )
    sentences = [verdict(domain, alignment), *warnings(domain), *how_split(domain)]
    if MODEL not in wide.index:
        return sentences
    ends = [side.loc[MODEL, "abs_rel"] for side in (low, high)]
    interval = f" ({_percent(ends[0])} to {_percent(ends[1])})" if np.isfinite(ends).all() else ""
    sentences.append(
        f"Shape, {TAKEN_FROM_REFERENCE[alignment]}: the model's depth is off by"
        f" {_percent(wide.loc[MODEL, 'abs_rel'])} on average{interval};"
        f" {_percent(wide.loc[MODEL, 'delta_1.25'])} of it is within a factor"
        f" of 1.25 of the reference ({domain.images} test frames of {', '.join(domain.scenes)},"
        f" {domain.basis})."
    )
    sentences.append(_metric_answer(domain))
    if "tilted_plane" in wide.index and "skill_over_plane" in wide:
        skill, bounds = (
            wide.loc["model", "skill_over_plane"],
            [side.loc["model", "skill_over_plane"] for side in (low, high)],
        )
        word = "about as good" if bounds[0] < 0 < bounds[1] else "better" if skill > 0 else "worse"
        plane = _percent(wide.loc["tilted_plane", "abs_rel"])
        sentences.append(
            "The best tilted plane, which no method without the reference can know, is off by"
            f" {plane}: the model is {word} (skill {cell('', skill)}: one minus the ratio of their"
            " errors on the same pixels)."
        )
    others = []
    for one in ("colmap_sparse", *DENSE_CONVENTIONAL):
        if one in wide.index:
            row = wide.loc[one]
            coverage = (
                f"{cell('coverage', row['coverage'])} of the image in {int(row['images'])} frames"
            )
            others.append(f"{one} {_percent(row['abs_rel'])} on {coverage}")
    if others:
        sentences.append(f"Conventional methods from several images: {'; '.join(others)}.")
    sentences += _beyond_matching(domain.measured.breakdowns)
    failing = _failures(domain.measured.breakdowns)
    if failing:
        sentences.append(f"The model is worst {', '.join(failing)}.")
    return sentences


def _metric_answer(domain: DomainReport) -> str:
    """The headline in metres: what a user gets who has no reference."""
    wide = pivot(domain.measured.table, domain.name, "none", metrics=("abs_rel", "l1_abs"))
    if MODEL not in wide.index:
        return "Metres: not measured, since the model or the reference has none."
    records = domain.measured.per_image
    own = records[(records[METHOD] == MODEL) & (records["alignment"] == "none")]
    distance = own.loc[own["cap"] == NO_CAP, "distance"].mean()
    return (
        "Metres, without alignment: the model's depth is off by"
        f" {_percent(wide.loc[MODEL, 'abs_rel'])} on average, {wide.loc[MODEL, 'l1_abs']:.2g} m at"
        f" a median distance of {distance:.0f} m."
    )


def _failures(breakdowns: pd.DataFrame) -> list[str]:
    """For each breakdown the bin in which the model's error is largest, where that is worth
    saying."""
    found = []
    model = breakdowns[breakdowns[METHOD] == "model"]
    for name, words in _PLACES.items():
        part = model[model["breakdown"] == name]
        if part.empty:
            continue
        mean = np.average(part["abs_rel"], weights=part["pixels"])
        part = part[part["pixels"] >= _ENOUGH_PIXELS * part["pixels"].sum()]
        worst = part.loc[part["abs_rel"].idxmax()]
        if worst["abs_rel"] > _WORTH_SAYING * mean:
            what = {"depth edge": "depth edges"}.get(worst["bin"], worst["bin"])
            found.append(f"{words} {what} ({_percent(worst['abs_rel'])})")
    return found


def _beyond_matching(breakdowns: pd.DataFrame) -> list[str]:
    """The paper's question: what the model gives where the best conventional method there is gives
    nothing."""
    for method in DENSE_CONVENTIONAL:
        part = breakdowns[breakdowns["breakdown"] == f"matching_{method}"].set_index(
            [METHOD, "bin"]
        )
        none = [("model", f"{method} has none"), ("tilted_plane", f"{method} has none")]
        if set(none) <= set(part.index):
            share = part.loc[none[1], "pixels"] / part.loc["tilted_plane", "pixels"].sum()
            errors = [_percent(part.loc[key, "abs_rel"]) for key in none]
            where = f"Where {method} has no depth, on {_percent(share)} of the pixels"
            return [f"{where}, the model is off by {errors[0]} and the plane by {errors[1]}."]
    return []


def _matching_table(breakdowns: pd.DataFrame) -> Table | None:
    """The error of everyone where conventional matching has depth, and where it has none."""
    everyone = [name for name in dict.fromkeys(breakdowns[METHOD]) if name != "colmap_sparse"]
    order = [
        "model",
        *[name for name in everyone if name not in ("model", *BASELINES)],
        *[name for name in BASELINES if name in everyone],
    ]
    rows = []
    for method in DENSE_CONVENTIONAL:
        part = breakdowns[breakdowns["breakdown"] == f"matching_{method}"]
        whole = part[part[METHOD] == "tilted_plane"].set_index("bin")["pixels"]
        for name in (f"{method} has depth", f"{method} has none"):
            if name in whole:
                errors = part[part["bin"] == name].set_index(METHOD)["abs_rel"]
                rows.append(
                    [
                        name,
                        f"{100 * whole[name] / whole.sum():.0f} %",
                        *[cell("abs_rel", errors.get(one, np.nan)) for one in order],
                    ]
                )
    caption = (
        "Where conventional matching works, and where it fails: abs rel on the pixels of the frames"
        " it was computed for"
    )
    return Table(caption, ["pixels", "share", *order], rows) if rows else None
