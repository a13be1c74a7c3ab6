"""All numbers of a domain as tables of the page."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from aerial_depth_pipeline.evaluation.method_table import METHOD
from aerial_depth_pipeline.evaluation.poses.pose_errors import OF_PAIRS, OF_TRAJECTORIES, PoseErrors
from aerial_depth_pipeline.evaluation.report.domain_report import DomainReport
from aerial_depth_pipeline.evaluation.report.tables import (
    caption_of,
    cell,
    methods_table,
    photogrammetric,
)
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.reporting.page import Table, Text


def _table(
    domain: DomainReport,
    alignment: str,
    cap: str = "none",
    scene: str = "all",
    metrics: Sequence[str] | None = None,
    folded: bool = True,
) -> Table:
    caption = caption_of(domain.name, alignment, cap, domain.basis, scene)
    return methods_table(
        domain.measured.table, domain.name, alignment, caption, cap, scene, metrics, folded
    )


def _all_tables(domain: DomainReport, settings: EvaluationSettings) -> list[Text | Table]:
    per_image, main = domain.measured.per_image, settings.main_alignment
    scenes = sorted(set(per_image["scene"]))
    alignments = [main, *[alignment for alignment in settings.alignments if alignment != main]]
    blocks: list[Text | Table] = []
    shown = set(per_image.loc[per_image["alignment"] == main, METHOD])
    hidden = [one for one in dict.fromkeys(per_image[METHOD]) if one not in shown]
    if hidden:
        note = "inverse depth up to scale and shift, measured under least squares alone"
        blocks.append(Text(f"{', '.join(hidden)}: {note} (see its table)."))
    photo = _table(domain, main, metrics=photogrammetric(settings.thresholds))
    blocks.append(replace(photo, caption=f"Photogrammetric metrics: {photo.caption}"))
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
    header = ["poses", "scene", "against", "frames", "ATE", "ATE / path", "attitude (°)"]
    header += ["RPE translation / step", "RPE rotation (°)"]
    header += ["pairs", "rotation (°)", "direction (°)", "reversed"]
    rows = [
        [
            *(row["estimate"], row["scene"], row["against"]),
            f"{row['frames']} of {row['of_frames']}",
            *[cell(name, row[name]) for name in OF_TRAJECTORIES],
            cell("images", row["pairs"]),
            *[cell(name, row[name]) for name in OF_PAIRS],
            cell("images", row["pairs_reversed"]),
        ]
        for row in poses.rows
    ]
    caption = (
        "sfm: structure from motion; two_view and colmap: the triplets' relative poses by origin,"
        " chained to a path. Last columns: medians over single pairs"
    )
    return Table(caption, header, rows)


def _sweep_table(sweeps: pd.DataFrame) -> Table:
    names = {"plane": "the plane through the sparse points", "network": "the model's prediction"}
    header = ["sweep around", "planes", "abs rel"]
    header += ["within 1 %", "within 5 %", "coverage", "seconds"]
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
        [METHOD, "scene", "problem"], sort=False
    ):
        frames = group["frame"].drop_duplicates()
        listed = ", ".join(map(str, frames[:8])) + (", …" if len(frames) > 8 else "")
        rows.append([method, scene, problem, str(len(frames)), listed, group["detail"].iloc[0]])
    caption = (
        "Predictions and references with a problem: left out, or measured where they have a value"
    )
    header = ["method", "scene", "problem", "count", "frames", "the first"]
    return Table(caption, header, rows, folded=True, words=True)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.995 else f"{100 * share:.0f} %"
