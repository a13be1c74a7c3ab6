"""Everything the evaluation leaves in `08_reporting/`: tables, pictures, one page."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.charts import error_charts
from aerial_depth_pipeline.evaluation.contestants import Contestant
from aerial_depth_pipeline.evaluation.conventional import conventional_contestants
from aerial_depth_pipeline.evaluation.evaluate import Measurements, measure
from aerial_depth_pipeline.evaluation.outside_contestants import outside_contestants
from aerial_depth_pipeline.evaluation.page import Picture, Section, Table, contestants_table, render_page
from aerial_depth_pipeline.evaluation.panels import PanelFrame, draw_panels, panel_frames, write_panels
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.evaluation.table import caption_of, format_console, format_latex, format_markdown, mlflow_metrics

log = logging.getLogger(__name__)

References = Mapping[str, Sequence[Reference]]


def write_report(
    model: Callable[[np.ndarray], np.ndarray],
    test: Mapping[str, References],
    train: Mapping[str, References],
    settings: EvaluationSettings,
    folder: Path,
    contestants: Mapping[str, Sequence[Contestant]] | None = None,
) -> dict[str, float]:
    """Measure the model on every domain and write the report.

    Written are `evaluation.csv` (the table), `evaluation_per_image.csv`, `evaluation_breakdowns.csv`,
    `evaluation_problems.csv`, `evaluation.md`, `evaluation.tex`,
    `evaluation_panels.png` and `evaluation.html`.

    Args:
        model: from an image [H, W, 3] uint8 RGB to z-depth [H, W].
        test: references of the test scenes, by domain and scene.
        train: references of the training scenes, by domain and scene, for the baselines.
        settings: what is measured.
        folder: an empty local folder.
        contestants: further contestants by domain.

    Returns:
        Metrics by the names under which MLflow shows them (`rural/median_per_image/abs_rel`).

    Raises:
        UserError: if a domain has no test frame with reference depth.
    """
    measured: dict[str, Measurements] = {}
    columns: dict[str, list[PanelFrame]] = {}
    for domain, scenes in test.items():
        others = [*(contestants or {}).get(domain, ()), *outside_contestants(settings.contestants, domain)]
        others += conventional_contestants(scenes) if settings.conventional else []
        measured[domain] = measure(model, scenes, train.get(domain, {}), domain, settings, others)
        columns[domain] = panel_frames(model, scenes, measured[domain].per_image, domain, settings.main_alignment)
    table = pd.concat([m.table for m in measured.values()], ignore_index=True)
    table.to_csv(folder / "evaluation.csv", index=False)
    pd.concat([m.per_image for m in measured.values()]).to_csv(folder / "evaluation_per_image.csv", index=False)
    pd.concat([m.breakdowns for m in measured.values()]).to_csv(folder / "evaluation_breakdowns.csv", index=False)
    pd.concat([m.problems for m in measured.values()]).to_csv(folder / "evaluation_problems.csv", index=False)
    kinds = {domain: sorted(m.per_image["reference"].unique()) for domain, m in measured.items()}
    for name, form in (("evaluation.md", format_markdown), ("evaluation.tex", format_latex)):
        parts = [form(table, domain, alignment, kinds=kinds[domain]) for domain in measured for alignment in settings.alignments]
        (folder / name).write_text("\n".join(parts), encoding="utf-8")
    for domain in measured:
        log.info("%s", format_console(table, domain, settings.main_alignment, kinds=kinds[domain]))
    if any(columns.values()):
        write_panels([column for of_domain in columns.values() for column in of_domain], folder / "evaluation_panels.png")
    sections = [_domain_section(domain, m, kinds[domain], columns[domain], settings) for domain, m in measured.items()]
    lead = (
        "Depth predicted from single images, measured against reference depth. Baselines know nothing of the image; the tilted plane is an "
        "oracle that was fitted to the reference itself. A model is worth something where it beats the plane."
    )
    (folder / "evaluation.html").write_text(render_page("Depth evaluation", lead, sections), encoding="utf-8")
    return mlflow_metrics(table)


def _domain_section(
    domain: str, measured: Measurements, kinds: Sequence[str], columns: Sequence[PanelFrame], settings: EvaluationSettings
) -> Section:
    table = measured.table
    alignments = [settings.main_alignment, *[name for name in settings.alignments if name != settings.main_alignment]]
    caps = list(dict.fromkeys(measured.per_image["cap"]))
    tables = [
        contestants_table(
            table, domain, alignment, caption_of(domain, alignment, cap, kinds), cap, folded=(alignment, cap) != (alignments[0], caps[0])
        )
        for cap in caps
        for alignment in alignments
    ]
    scenes = sorted(set(measured.per_image["scene"]))
    if len(scenes) > 1:
        tables += [
            contestants_table(
                table, domain, alignments[0], caption_of(domain, alignments[0], "none", kinds, scene), scene=scene, folded=True
            )
            for scene in scenes
        ]
    problems = measured.problems
    if len(problems):
        rows = [
            [str(value) for value in row] for row in problems[["contestant", "scene", "frame", "problem", "detail"]].head(200).to_numpy()
        ]
        caption = (
            f"Predictions and references with a problem ({len(problems)}), kept out of the averages or measured where they have a value"
        )
        tables.append(Table(caption, ["contestant", "scene", "frame", "problem", "detail"], rows, folded=True))
    images = measured.per_image.drop_duplicates(["scene", "frame"]).shape[0]
    paragraph = f"{images} test frames of {', '.join(scenes)}, measured against {' and '.join(kinds)} depth."
    pictures = []
    if columns:
        caption = "Best, median and worst test frame by abs rel. Inverse depth in plasma colours: near is bright."
        pictures.append(Picture(caption, draw_panels(columns)))
    caption = f"Where the errors are ({caption_of(domain, settings.main_alignment, 'none', kinds)}); pixels pooled over images."
    pictures.append(Picture(caption, error_charts(measured.breakdowns, measured.per_image, settings.main_alignment)))
    return Section(domain, [paragraph], tables, pictures)
