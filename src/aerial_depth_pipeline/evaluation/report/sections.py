"""What the report's page says of each domain: the answer first, then what one looks at, then all
the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.evaluate import Measurements
from aerial_depth_pipeline.evaluation.method_table import BASELINES, DENSE_CONVENTIONAL
from aerial_depth_pipeline.evaluation.poses.pose_errors import PoseErrors
from aerial_depth_pipeline.evaluation.poses.trajectories import draw_trajectories
from aerial_depth_pipeline.evaluation.report.charts import error_charts
from aerial_depth_pipeline.evaluation.report.panels import PanelFrame, draw_panels
from aerial_depth_pipeline.evaluation.report.tables import (
    ALIGNMENTS,
    SHOWN,
    caption_of,
    cell,
    describe_references,
    methods_table,
    photogrammetric,
    pivot,
    problem_notes,
)
from aerial_depth_pipeline.evaluation.settings import (
    EvaluationSettings,
)
from aerial_depth_pipeline.reporting.page import (
    Heading,
    Picture,
    Section,
    Table,
    Text,
)

_LARGEST_VIDEO = 12_000_000  # of a video inside the page; a larger one stays beside it
_WORTH_SAYING = 1.25  # times the mean error
_ENOUGH_PIXELS = 0.01
_PLACES = {
    "distance": "at a distance of",
    "height_above_ground": "at a height above ground of",
    "surface": "at",
    "texture": "where the image is",
}


@dataclass
class DomainReport:
    """One domain's results on their way into the report. `films` are captions and files of MP4."""

    name: str
    measured: Measurements
    columns: list[PanelFrame]
    poses: PoseErrors
    sweeps: pd.DataFrame
    films: list[tuple[str, Path]] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """What the references are."""
        return sorted(self.measured.per_image["reference"].unique())


def overview_section(domains: Sequence[DomainReport], alignment: str) -> Section:
    """One line a domain: the model beside the baselines that it has to beat."""
    header = [
        "domain",
        "abs rel",
        "δ<1.25",
        "mean depth map",
        "tilted plane",
        "skill over plane",
        "scale drift",
        "coverage",
        "images",
    ]
    wanted = [
        ("model", "abs_rel"),
        ("model", "delta_1.25"),
        ("mean_depth_map", "abs_rel"),
        ("tilted_plane", "abs_rel"),
    ]
    wanted += [
        ("model", "skill_over_plane"),
        ("model", "scale_drift"),
        ("model", "coverage"),
        ("model", "images"),
    ]
    rows = []
    for domain in domains:
        wide = pivot(domain.measured.table, domain.name, alignment, metrics=(*SHOWN, "scale_drift"))
        values = [
            wide[metric].get(method, np.nan) if metric in wide else np.nan
            for method, metric in wanted
        ]
        rows.append(
            [
                domain.name,
                *[cell(metric, value) for (_, metric), value in zip(wanted, values, strict=True)],
            ]
        )
    text = Text(
        "The columns of the baselines are their abs rel. Each domain has a section of its own"
        " below."
    )
    return Section(
        "Overview", [text, Table(caption_of("All domains", alignment, "none"), header, rows)]
    )


def domain_section(domain: DomainReport, settings: EvaluationSettings) -> Section:
    """Everything about one domain."""
    main = settings.main_alignment
    blocks = [Text(sentence, strong=True) for sentence in answers(domain, main)]
    blocks.append(_table(domain, main, folded=False))
    notes = " ".join(problem_notes(domain.measured.table, domain.name))
    blocks += [Text(notes)] if notes else []
    if domain.columns:
        caption = (
            "Best, median and worst test frame by abs rel. Inverse depth in plasma colours: near is"
            " bright."
        )
        blocks.append(Picture(caption, draw_panels(domain.columns)))
    for caption, path in domain.films:
        if path.stat().st_size <= _LARGEST_VIDEO:
            blocks.append(Picture(caption, path.read_bytes()))
    blocks.append(Heading("Where the errors are"))
    matching = _matching_table(domain.measured.breakdowns)
    blocks += [] if matching is None else [matching]
    caption = f"{caption_of(domain.name, main, 'none', domain.kinds)}; pixels pooled over images."
    blocks.append(
        Picture(caption, error_charts(domain.measured.breakdowns, domain.measured.per_image, main))
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
            Picture(caption, draw_trajectories(domain.poses.trajectories)),
        ]
    return Section(domain.name, [*blocks, Heading("All numbers"), *_all_tables(domain, settings)])


def answers(domain: DomainReport, alignment: str) -> list[str]:
    """How good the model is, compared with the plane and with conventional methods, and where it
    fails, in sentences."""
    table, name = domain.measured.table, domain.name
    wide, low, high = (
        pivot(table, name, alignment, what=what) for what in ("value", "low", "high")
    )
    images = domain.measured.per_image.drop_duplicates(["scene", "frame"]).shape[0]
    scenes = ", ".join(sorted(set(domain.measured.per_image["scene"])))
    against = (
        f"{images} test frames of {scenes}, measured against {describe_references(domain.kinds)},"
        f" {ALIGNMENTS[alignment]}"
    )
    if "model" not in wide.index:
        return [f"{against}: the model gave nothing that could be measured."]
    ends = [side.loc["model", "abs_rel"] for side in (low, high)]
    interval = f" ({_percent(ends[0])} to {_percent(ends[1])})" if np.isfinite(ends).all() else ""
    sentences = [
        f"The model's depth is off by {_percent(wide.loc['model', 'abs_rel'])} on"
        f" average{interval}; {_percent(wide.loc['model', 'delta_1.25'])} of it is within a factor"
        f" of 1.25 of the truth ({against})."
    ]
    if "tilted_plane" in wide.index and "skill_over_plane" in wide:
        skill, bounds = (
            wide.loc["model", "skill_over_plane"],
            [side.loc["model", "skill_over_plane"] for side in (low, high)],
        )
        word = "about as good" if bounds[0] < 0 < bounds[1] else "better" if skill > 0 else "worse"
        plane = _percent(wide.loc["tilted_plane", "abs_rel"])
        sentences.append(
            f"The best tilted plane, which no method without the truth can know, is off by {plane}:"
            f" the model is {word} (skill {cell('', skill)})."
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


def _failures(breakdowns: pd.DataFrame) -> list[str]:
    """For each breakdown the bin in which the model's error is largest, where that is worth
    saying."""
    found = []
    model = breakdowns[breakdowns["contestant"] == "model"]
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
            ["contestant", "bin"]
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
    everyone = [name for name in dict.fromkeys(breakdowns["contestant"]) if name != "colmap_sparse"]
    order = [
        "model",
        *[name for name in everyone if name not in ("model", *BASELINES)],
        *[name for name in BASELINES if name in everyone],
    ]
    rows = []
    for method in DENSE_CONVENTIONAL:
        part = breakdowns[breakdowns["breakdown"] == f"matching_{method}"]
        whole = part[part["contestant"] == "tilted_plane"].set_index("bin")["pixels"]
        for name in (f"{method} has depth", f"{method} has none"):
            if name in whole:
                errors = part[part["bin"] == name].set_index("contestant")["abs_rel"]
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


def _table(
    domain: DomainReport,
    alignment: str,
    cap: str = "none",
    scene: str = "all",
    metrics: Sequence[str] = SHOWN,
    folded: bool = True,
) -> Table:
    caption = caption_of(domain.name, alignment, cap, domain.kinds, scene)
    return methods_table(
        domain.measured.table, domain.name, alignment, caption, cap, scene, metrics, folded
    )


def _all_tables(domain: DomainReport, settings: EvaluationSettings) -> list[Text | Table]:
    per_image, main = domain.measured.per_image, settings.main_alignment
    scenes = sorted(set(per_image["scene"]))
    alignments = [main, *[alignment for alignment in settings.alignments if alignment != main]]
    blocks: list[Text | Table] = []
    shown = set(per_image.loc[per_image["alignment"] == main, "contestant"])
    hidden = [one for one in dict.fromkeys(per_image["contestant"]) if one not in shown]
    if hidden:
        note = (
            "inverse depth up to scale and shift, measured under least squares alone (see its"
            " table)."
        )
        blocks.append(Text(f"{', '.join(hidden)}: {note}"))
    photo = _table(domain, main, metrics=photogrammetric(settings.thresholds))
    blocks.append(
        Table(
            f"Photogrammetric metrics: {photo.caption}",
            photo.header,
            photo.rows,
            photo.intervals,
            photo.best,
            folded=True,
        )
    )
    for cap in dict.fromkeys(per_image["cap"]):
        blocks += [
            _table(domain, alignment, cap)
            for alignment in alignments
            if (alignment, cap) != (main, "none")
        ]
    if len(scenes) > 1:
        blocks += [_table(domain, main, scene=scene) for scene in scenes]
    if len(domain.measured.problems):
        blocks.append(_problem_table(domain.measured.problems))
    return blocks


def _pose_table(poses: PoseErrors) -> Table:
    header = [
        "poses",
        "scene",
        "against",
        "frames",
        "ATE",
        "ATE / path",
        "attitude (°)",
        "RPE translation / step",
        "RPE rotation (°)",
    ]
    header += ["pairs", "rotation (°)", "direction (°)", "reversed"]
    rows = []
    for row in poses.rows:
        cells = [
            row["estimate"],
            row["scene"],
            row["against"],
            f"{row['frames']} of {row['of_frames']}",
        ]
        cells += [
            cell(name, row[name])
            for name in (
                "ate_rmse",
                "ate_share_of_path",
                "ate_rotation_deg",
                "rpe_translation_share",
                "rpe_rotation_deg",
            )
        ]
        cells += [
            cell("images", row["pairs"]),
            *[cell(name, row[name]) for name in ("pair_rotation_deg", "pair_direction_deg")],
        ]
        rows.append([*cells, cell("images", row["pairs_reversed"])])
    caption = (
        "sfm: structure from motion; two_view and colmap: the triplets' relative poses by origin,"
        " chained to a path. Last columns: medians over single pairs"
    )
    return Table(caption, header, rows)


def _sweep_table(sweeps: pd.DataFrame) -> Table:
    names = {"plane": "the plane through the sparse points", "network": "the model's prediction"}
    header = [
        "sweep around",
        "planes",
        "abs rel",
        "within 1 %",
        "within 5 %",
        "coverage",
        "seconds",
    ]
    columns = ["abs_rel", "within_1pct", "within_5pct", "coverage", "seconds"]
    means = sweeps.groupby(["around", "planes"], sort=False)[columns].mean()
    rows = [
        [names[around], str(planes), *[cell(c, row[c]) for c in columns]]
        for (around, planes), row in means.iterrows()
    ]
    frames = sweeps.drop_duplicates(["scene", "frame"]).shape[0]
    caption = (
        f"Plane sweeps around two surfaces, median-aligned to exact depth, frames: {frames}. Who"
        " needs fewer planes?"
    )
    return Table(caption, header, rows)


def _problem_table(problems: pd.DataFrame) -> Table:
    """One row for each kind of problem of a method in a scene; evaluation_problems.csv has
    every frame."""
    rows = []
    for (method, scene, problem), group in problems.groupby(
        ["contestant", "scene", "problem"], sort=False
    ):
        frames = group["frame"].drop_duplicates()
        listed = ", ".join(map(str, frames[:8])) + (", …" if len(frames) > 8 else "")
        rows.append([method, scene, problem, str(len(frames)), listed, group["detail"].iloc[0]])
    caption = (
        "Predictions and references with a problem: left out, or measured where they have a value"
    )
    return Table(
        caption,
        ["method", "scene", "problem", "count", "frames", "the first"],
        rows,
        folded=True,
        words=True,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.995 else f"{100 * share:.0f} %"
