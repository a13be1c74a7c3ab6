"""Everything the evaluation leaves in `08_reporting/`: tables, pictures, a video, point clouds, one page."""

import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.charts import error_charts
from aerial_depth_pipeline.evaluation.contestants import Contestant
from aerial_depth_pipeline.evaluation.conventional import conventional_contestants
from aerial_depth_pipeline.evaluation.evaluate import Measurements, measure
from aerial_depth_pipeline.evaluation.outside_contestants import outside_contestants
from aerial_depth_pipeline.evaluation.page import Picture, Section, Table, contestants_table, render_page
from aerial_depth_pipeline.evaluation.panels import PanelFrame, draw_panels, panel_frames
from aerial_depth_pipeline.evaluation.point_clouds import write_point_cloud
from aerial_depth_pipeline.evaluation.references import Reference, read_image
from aerial_depth_pipeline.evaluation.scene_geometry import find_scene_geometry, read_poses
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.evaluation.summary import spread_table
from aerial_depth_pipeline.evaluation.table import (
    SHOWN,
    caption_of,
    cell,
    describe_references,
    format_console,
    format_latex,
    format_markdown,
    mlflow_metrics,
    photogrammetric,
    pivot,
    problem_notes,
)
from aerial_depth_pipeline.evaluation.trajectories import COLUMNS as POSE_COLUMNS
from aerial_depth_pipeline.evaluation.trajectories import Poses, TrajectoryError, draw_trajectories, trajectory_error
from aerial_depth_pipeline.evaluation.videos import write_side_by_side
from aerial_depth_pipeline.progress import progress

log = logging.getLogger(__name__)

References = Mapping[str, Sequence[Reference]]
_LARGEST_VIDEO = 12_000_000  # of a video inside the page; a larger one stays beside it
_LEAD = (
    "Depth predicted from single images, measured against reference depth; brackets hold 95 % intervals from resampling images. "
    "Baselines know nothing of the image; the tilted plane is an oracle that was fitted to the reference itself. "
    "A model is worth something where it beats the plane: skill over plane is one minus the ratio of their abs rel."
)


@dataclass
class _Domain:
    """One domain's results on their way into the report."""

    name: str
    measured: Measurements
    columns: list[PanelFrame]
    kinds: list[str]
    trajectories: dict[str, TrajectoryError] = field(default_factory=dict)
    pose_rows: list[list] = field(default_factory=list)
    sweeps: pd.DataFrame = field(default_factory=pd.DataFrame)
    video: Path | None = None


def write_report(
    model: Callable[[np.ndarray], np.ndarray],
    test: Mapping[str, References],
    train: Mapping[str, References],
    settings: EvaluationSettings,
    folder: Path,
    contestants: Mapping[str, Sequence[Contestant]] | None = None,
) -> dict[str, float]:
    """Measure the model on every domain and write the report.

    Written are the table (`evaluation.csv`, `.txt`, `.md`, `.tex`), `evaluation_per_image.csv`, `evaluation_spread.csv`,
    `evaluation_breakdowns.csv`, `evaluation_problems.csv`, `evaluation_poses.csv`, `evaluation_panels.png`, `evaluation.html`, and for
    every domain `evaluation_video_<domain>.mp4` and, of its median frame, `evaluation_points_<domain>_prediction.ply` and
    `…_reference.ply`. Where sweeps are asked for, `evaluation_sweep.csv`.

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
        UserError: if a domain has no test frame with reference depth, or a configured contestant cannot be loaded.
    """
    domains = []
    for name, scenes in test.items():
        others = [*(contestants or {}).get(name, ()), *outside_contestants(settings.contestants, name)]
        with tempfile.TemporaryDirectory(prefix="aerial-depth-") as work:
            others += conventional_contestants(scenes, settings, Path(work))
            measured = measure(model, scenes, train.get(name, {}), name, settings, others)
        columns = panel_frames(model, scenes, measured.per_image, name, settings.main_alignment)
        domain = _Domain(name, measured, columns, sorted(measured.per_image["reference"].unique()))
        _measure_poses(domain, scenes)
        _measure_sweeps(domain, model, scenes, settings)
        _write_point_clouds(domain, scenes, folder, settings)
        domain.video = _write_video(name, model, scenes, folder, settings)
        domains.append(domain)
    table = pd.concat([domain.measured.table for domain in domains], ignore_index=True)
    poses = pd.DataFrame([row for domain in domains for row in domain.pose_rows], columns=POSE_COLUMNS)
    _write_tables(domains, table, poses, settings, folder)
    texts = [format_console(table, domain.name, settings.main_alignment, kinds=domain.kinds) for domain in domains]
    (folder / "evaluation.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    columns = [column for domain in domains for column in domain.columns]
    if columns:
        (folder / "evaluation_panels.png").write_bytes(draw_panels(columns))
    sections = [_section(domain, settings) for domain in domains]
    if len(domains) > 1:
        sections.insert(0, _overview(domains, settings.main_alignment))
    page = render_page("Depth evaluation", _LEAD, sections)
    (folder / "evaluation.html").write_text(page, encoding="utf-8")
    return mlflow_metrics(table) | _pose_metrics(poses)


def _write_tables(domains: Sequence[_Domain], table: pd.DataFrame, poses: pd.DataFrame, settings: EvaluationSettings, folder: Path) -> None:
    table.to_csv(folder / "evaluation.csv", index=False)
    for name in ("per_image", "breakdowns", "problems"):
        parts = [getattr(domain.measured, name) for domain in domains]
        pd.concat(parts, ignore_index=True).to_csv(folder / f"evaluation_{name}.csv", index=False)
    spread = [spread_table(domain.measured.per_image, settings.thresholds) for domain in domains]
    pd.concat(spread, ignore_index=True).to_csv(folder / "evaluation_spread.csv", index=False)
    sweeps = [domain.sweeps for domain in domains if len(domain.sweeps)]
    if sweeps:
        pd.concat(sweeps, ignore_index=True).to_csv(folder / "evaluation_sweep.csv", index=False)
    poses.to_csv(folder / "evaluation_poses.csv", index=False)
    for name, form in (("evaluation.md", format_markdown), ("evaluation.tex", format_latex)):
        parts = [
            form(table, domain.name, alignment, cap, domain.kinds)
            for domain in domains
            for cap in dict.fromkeys(domain.measured.per_image["cap"])
            for alignment in settings.alignments
        ]
        (folder / name).write_text("\n".join(parts), encoding="utf-8")


def _measure_poses(domain: _Domain, scenes: References) -> None:
    """Structure from motion against true poses, where a scene has both."""
    for scene, references in scenes.items():
        if not references or references[0].ground_truth is None:
            continue
        try:
            truth = read_poses(references[0].scene_folder / "poses.csv")
            estimate = _sfm_poses(references[0].ground_truth)
            if not truth or not estimate:
                continue
            error = trajectory_error(estimate, truth)
        except (SceneError, ValueError) as problem:
            log.warning("Poses of %s/%s are not measured: %s.", domain.name, scene, problem)
            continue
        domain.trajectories[f"{scene}: structure from motion"] = error
        domain.pose_rows.append(error.row("sfm", domain.name, scene, len(truth)))


def _measure_sweeps(domain: _Domain, model: Callable[[np.ndarray], np.ndarray], scenes: References, settings: EvaluationSettings) -> None:
    """What the prediction is worth to a plane sweep, where it is asked for and the scene has what it takes."""
    if not settings.sweep_planes:
        return
    from aerial_depth_pipeline.evaluation.sweep_initialisation import sweep_gain

    tables = []
    for scene, references in progress(scenes.items(), f"Sweeps of {domain.name}", len(scenes), "scene"):
        try:
            tables.append(sweep_gain(model, references, domain.name, scene, settings.sweep_planes, settings.sweep_frames))
        except (SceneError, OSError, RuntimeError) as problem:
            log.warning("No sweeps in %s/%s: %s", domain.name, scene, problem)
    tables = [table for table in tables if len(table)]
    if tables:
        domain.sweeps = pd.concat(tables, ignore_index=True)
    else:
        log.warning("%s: no scene has an exact reference and structure from motion, so there is nothing to sweep.", domain.name)


def _sfm_poses(ground_truth: Path) -> Poses:
    if not (ground_truth / "sfm" / "images.bin").is_file():
        return {}
    from aerial_depth_pipeline.sfm.poses import read_sfm_poses

    try:
        return read_sfm_poses(ground_truth)
    except (OSError, RuntimeError) as error:
        raise SceneError(f"The model in {ground_truth / 'sfm'} cannot be read ({error}); run ground_truth for this scene again.") from error


def _pose_metrics(poses: pd.DataFrame) -> dict[str, float]:
    """Means over scenes by MLflow's names: `town/poses/sfm/ate_rmse`."""
    metrics = {}
    for (domain, estimate), rows in poses.groupby(["domain", "estimate"]):
        for name in ("ate_rmse", "ate_share_of_path", "ate_rotation_deg", "rpe_translation_share", "rpe_rotation_deg"):
            value = float(rows[name].mean())
            if np.isfinite(value):
                metrics[f"{domain}/poses/{estimate}/{name}"] = value
    return metrics


def _write_point_clouds(domain: _Domain, scenes: References, folder: Path, settings: EvaluationSettings) -> None:
    """Prediction and reference of the domain's median frame (or its only one)."""
    if not settings.point_clouds or not domain.columns:
        return
    column = domain.columns[min(1, len(domain.columns) - 1)]
    geometry = find_scene_geometry(scenes[column.scene][0])
    if geometry.camera is None or (geometry.camera.height, geometry.camera.width) != column.reference_HW.shape:
        log.info("%s: no camera.yaml for %s, so its point clouds are left out.", domain.name, column.scene)
        return
    pose = geometry.poses.get(column.frame)
    for name, depth_HW in (("prediction", column.prediction_HW), ("reference", column.reference_HW)):
        path = folder / f"evaluation_points_{_file_name(domain.name)}_{name}.ply"
        write_point_cloud(path, column.image_HW3, depth_HW, geometry.camera.K, pose)


def _write_video(
    domain: str, model: Callable[[np.ndarray], np.ndarray], scenes: References, folder: Path, settings: EvaluationSettings
) -> Path | None:
    """The kept frames of the first test scene, from its first test frame on; None where no video came about."""
    scene, references = next((scene, references) for scene, references in scenes.items() if references)
    frames = references[0].image.parent
    first, last = references[0].frame, references[-1].frame
    paths = [path for path in sorted(frames.glob("*.jpg")) if path.stem.isdigit() and first <= int(path.stem) <= last]
    paths = paths[: settings.video_frames]

    def images() -> Iterator[np.ndarray]:
        for path in progress(paths, f"Video of {domain}/{scene}", len(paths), "frame"):
            try:
                yield read_image(path)
            except SceneError as error:
                log.warning("%s", error)

    path = folder / f"evaluation_video_{_file_name(domain)}.mp4"
    try:
        return path if write_side_by_side(images(), model, path, settings.video_fps) else None
    except (OSError, ValueError) as error:
        log.warning("No video of %s: %s.", domain, error)
        path.unlink(missing_ok=True)
        return None


def _overview(domains: Sequence[_Domain], alignment: str) -> Section:
    """One line a domain: the model beside the baselines that it has to beat."""
    header = ["domain", "abs rel", "δ<1.25", "mean depth map", "tilted plane", "skill over plane", "scale drift", "coverage", "images"]
    wanted = [("model", "abs_rel"), ("model", "delta_1.25"), ("mean_depth_map", "abs_rel"), ("tilted_plane", "abs_rel")]
    wanted += [("model", "skill_over_plane"), ("model", "scale_drift"), ("model", "coverage"), ("model", "images")]
    rows = []
    for domain in domains:
        wide = pivot(domain.measured.table, domain.name, alignment, metrics=(*SHOWN, "scale_drift"))
        values = [wide[metric].get(contestant, np.nan) if metric in wide else np.nan for contestant, metric in wanted]
        rows.append([domain.name, *[cell(metric, value) for (_, metric), value in zip(wanted, values, strict=True)]])
    caption = caption_of("All domains", alignment, "none")
    text = "The columns of the baselines are their abs rel. Each domain has a section of its own below."
    return Section("Overview", [text], [Table(caption, header, rows)])


def _section(domain: _Domain, settings: EvaluationSettings) -> Section:
    measured, name, main = domain.measured, domain.name, settings.main_alignment
    scenes = sorted(set(measured.per_image["scene"]))
    alignments = [main, *[alignment for alignment in settings.alignments if alignment != main]]
    photo = photogrammetric(settings.thresholds)

    def table(alignment: str, cap: str = "none", scene: str = "all", metrics: Sequence[str] = SHOWN, folded: bool = True) -> Table:
        caption = caption_of(name, alignment, cap, domain.kinds, scene)
        if metrics is photo:
            caption = f"Photogrammetric metrics: {caption}"
        return contestants_table(measured.table, name, alignment, caption, cap, scene, metrics, folded)

    tables = [table(main, folded=False), table(main, metrics=photo)]
    for cap in dict.fromkeys(measured.per_image["cap"]):
        tables += [table(alignment, cap) for alignment in alignments if (alignment, cap) != (main, "none")]
    if len(scenes) > 1:
        tables += [table(main, scene=scene) for scene in scenes]
    if domain.pose_rows:
        tables.append(_pose_table(domain))
    if len(domain.sweeps):
        tables.append(_sweep_table(domain.sweeps))
    if len(measured.problems):
        tables.append(_problem_table(measured.problems))
    images = measured.per_image.drop_duplicates(["scene", "frame"]).shape[0]
    paragraph = f"{images} test frames of {', '.join(scenes)}, measured against {describe_references(domain.kinds)}."
    paragraphs = [paragraph, *problem_notes(measured.table, name)]
    shown = set(measured.per_image.loc[measured.per_image["alignment"] == main, "contestant"])
    hidden = [one for one in dict.fromkeys(measured.per_image["contestant"]) if one not in shown]
    if hidden:
        paragraphs.append(f"{', '.join(hidden)}: inverse depth up to scale and shift, measured under least squares alone (see its table).")
    pictures = []
    if domain.columns:
        caption = "Best, median and worst test frame by abs rel. Inverse depth in plasma colours: near is bright."
        pictures.append(Picture(caption, draw_panels(domain.columns)))
    caption = f"Where the errors are ({caption_of(name, main, 'none', domain.kinds)}); pixels pooled over images."
    pictures.append(Picture(caption, error_charts(measured.breakdowns, measured.per_image, main)))
    if domain.trajectories:
        pictures.append(
            Picture("Estimated camera paths, aligned to the true ones by a similarity.", draw_trajectories(domain.trajectories))
        )
    if domain.video is not None and domain.video.stat().st_size <= _LARGEST_VIDEO:
        pictures.append(Picture("Input and predicted depth side by side; the colours follow the prediction.", domain.video.read_bytes()))
    return Section(name, paragraphs, tables, pictures)


def _pose_table(domain: _Domain) -> Table:
    shown = ["scene", "frames", "ate_rmse", "ate_share_of_path", "ate_rotation_deg", "rpe_translation_share", "rpe_rotation_deg"]
    header = ["poses", "scene", "frames", "ATE (m)", "ATE / path", "attitude (°)", "RPE translation / step", "RPE rotation (°)"]
    rows = []
    for values in domain.pose_rows:
        row = dict(zip(POSE_COLUMNS, values, strict=True))
        cells = [str(row["scene"]), f"{row['frames']} of {row['of_frames']}", *[cell(key, row[key]) for key in shown[2:]]]
        rows.append([str(row["estimate"]), *cells])
    return Table("Trajectories against true poses, aligned by a similarity", header, rows)


def _sweep_table(sweeps: pd.DataFrame) -> Table:
    names = {"plane": "the plane through the sparse points", "network": "the model's prediction"}
    header = ["sweep around", "planes", "abs rel", "within 1 %", "within 5 %", "coverage", "seconds"]
    columns = ["abs_rel", "within_1pct", "within_5pct", "coverage", "seconds"]
    means = sweeps.groupby(["around", "planes"], sort=False)[columns].mean()
    rows = [[names[around], str(planes), *[cell(c, row[c]) for c in columns]] for (around, planes), row in means.iterrows()]
    frames = sweeps.drop_duplicates(["scene", "frame"]).shape[0]
    caption = f"Matching helped by the model: plane sweeps with few planes, median-aligned to exact depth, {frames} frame(s)"
    return Table(caption, header, rows)


def _problem_table(problems: pd.DataFrame) -> Table:
    shown = ["contestant", "scene", "frame", "problem", "detail"]
    rows = [[str(value) for value in row] for row in problems[shown].head(200).to_numpy()]
    more = f", the first {len(rows)}" if len(rows) < len(problems) else ""
    caption = f"{len(problems)} predictions or references with a problem{more}; left out, or measured where they have a value"
    return Table(caption, shown, rows, folded=True)


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]", "_", text)
