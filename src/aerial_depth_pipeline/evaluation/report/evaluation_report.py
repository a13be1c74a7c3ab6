"""Everything the evaluation leaves in `08_reporting/`: tables, images, videos, point clouds, one
page."""

import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL.Image import Image
from PIL.Image import open as open_image

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.measuring.aggregate import spread_table
from aerial_depth_pipeline.evaluation.methods.conventional import conventional_methods
from aerial_depth_pipeline.evaluation.methods.external import external_methods
from aerial_depth_pipeline.evaluation.methods.method import Frame, Method, model_method, other_uses
from aerial_depth_pipeline.evaluation.poses.pose_errors import measure_poses, pose_metrics
from aerial_depth_pipeline.evaluation.poses.scene_geometry import find_scene_geometry
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.report.depth_point_clouds import write_point_cloud
from aerial_depth_pipeline.evaluation.report.depth_videos import fly_around, side_by_side
from aerial_depth_pipeline.evaluation.report.domain_report import DomainReport
from aerial_depth_pipeline.evaluation.report.model_card import results_of_evaluation
from aerial_depth_pipeline.evaluation.report.panels import draw_panels, panel_frames
from aerial_depth_pipeline.evaluation.report.sections import domain_section, overview_section
from aerial_depth_pipeline.evaluation.report.tables import (
    format_console,
    format_latex,
    format_markdown,
    mlflow_metrics,
)
from aerial_depth_pipeline.evaluation.report.verdict import how_split, verdict, warnings
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.split_record import SplitRecord
from aerial_depth_pipeline.formats.videos import write_video
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.reporting.colours import depth_range
from aerial_depth_pipeline.reporting.page import render_page

log = logging.getLogger(__name__)

Model = Callable[[np.ndarray], np.ndarray]
References = Mapping[str, Sequence[Reference]]
_LEAD = (
    "Depth predicted from single images, measured against reference depth; brackets hold 95 %"
    " intervals from resampling flights and blocks of neighbouring images. constant and"
    " mean_depth_map know nothing of the image;"
    " tilted_plane is an oracle, the plane that fits the reference best. A model is worth something"
    " where it beats the plane: skill over plane is one minus the ratio of their abs rel on the"
    " same pixels. Scale drift is how far the factor between prediction and reference moves along a"
    " flight (0.05 is five per cent). Metres are those of the reference; without alignment only"
    " models that predict metres are measured."
)
_FLY_FPS = 16


@dataclass(frozen=True)
class EvaluationReport:
    """What was measured, and everything that shows it.

    Attributes:
        metrics: by the names under which MLflow shows them (`rural/median_per_image/abs_rel`).
        files: file name → table, text, image, or path of a finished video or point cloud.
        results: Markdown for the model card.
    """

    metrics: dict[str, float]
    files: dict[str, pd.DataFrame | str | Image | Path]
    results: list[str]


def evaluation_report(
    model: Model,
    test: Mapping[str, References],
    train: Mapping[str, References],
    settings: EvaluationSettings,
    folder: Path,
    methods: Mapping[str, Sequence[Method]] | None = None,
    triplet_poses: Mapping[str, pd.DataFrame] | None = None,
    split_records: Mapping[str, SplitRecord | None] | None = None,
) -> EvaluationReport:
    """Measure every domain and make `evaluation.csv`, `.txt`, `.md`, `.tex`,
    `evaluation_per_image.csv`, `evaluation_spread.csv`, `evaluation_breakdowns.csv`,
    `evaluation_problems.csv`, `evaluation_poses.csv`, `evaluation_panels.png`, `evaluation.html`,
    and for every domain `evaluation_video_<domain>.mp4` and, of its median frame,
    `evaluation_points_<domain>_prediction.ply`, `…_reference.ply` and
    `evaluation_points_<domain>.mp4`, a flight around both. Where sweeps are asked for,
    `evaluation_sweep.csv`.

    Args:
        model: from an image [H, W, 3] uint8 RGB to z-depth [H, W].
        test: references of the test scenes, by domain and scene.
        train: references of the training scenes, by domain and scene, for the baselines.
        settings: what is measured.
        folder: an empty local folder for videos and point clouds.
        methods: further methods by domain.
        triplet_poses: `poses.parquet` of each domain, whose relative poses are measured as well.
        split_records: how the lists of each domain were made.

    Raises:
        UserError: if a domain has no test frame with reference depth, or a configured method
            cannot be loaded.
    """
    domains = []
    for name, scenes in test.items():
        others = [
            *(methods or {}).get(name, ()),
            *other_uses(model, settings.mirrored),
            *external_methods(settings.methods, name),
        ]
        with tempfile.TemporaryDirectory(prefix="aerial-depth-") as work:
            others += conventional_methods(scenes, settings, Path(work))
            measured = measure(model, scenes, train.get(name, {}), name, settings, others)
        trained_on = _trained_on(model, name)
        columns = panel_frames(
            model, scenes, measured.per_image, name, settings.main_alignment, trained_on or ()
        )
        poses = measure_poses(name, scenes, (triplet_poses or {}).get(name))
        domain = DomainReport(
            name,
            measured,
            columns,
            poses,
            _measure_sweeps(name, model, scenes, settings),
            trained_on=trained_on,
            split=(split_records or {}).get(name),
        )
        domain.videos = [
            *_write_points(domain, scenes, folder, settings),
            *_write_video(name, model, scenes, folder, settings),
        ]
        domains.append(domain)
    table = pd.concat([domain.measured.table for domain in domains], ignore_index=True)
    poses = pd.concat([domain.poses.table for domain in domains], ignore_index=True)
    files = _tables(domains, table, poses, settings)
    texts = [
        format_console(table, domain.name, settings.main_alignment, basis=domain.basis)
        for domain in domains
    ]
    said = [
        sentence
        for domain in domains
        for sentence in (
            verdict(domain, settings.main_alignment),
            *warnings(domain),
            *how_split(domain),
        )
    ]
    files["evaluation.txt"] = "\n\n".join([*texts, "\n".join(said)]) + "\n"
    columns = [column for domain in domains for column in domain.columns]
    if columns:
        files["evaluation_panels.png"] = open_image(BytesIO(draw_panels(columns)))
    sections = [domain_section(domain, settings) for domain in domains]
    if len(domains) > 1:
        sections.insert(0, overview_section(domains, settings.main_alignment))
    files["evaluation.html"] = render_page("Depth evaluation", _LEAD, sections)
    files |= {path.name: path for path in sorted(folder.iterdir())}
    metrics = mlflow_metrics(table, settings.main_alignment) | pose_metrics(poses)
    bases = {domain.name: domain.basis for domain in domains}
    results = [*said, "", *results_of_evaluation(table, settings.main_alignment, bases)]
    return EvaluationReport(metrics, files, results)


def _trained_on(model: Model, domain: str) -> frozenset[str] | None:
    """The domain's scenes that the model was trained on; None where it does not say."""
    scenes = getattr(model, "metadata", {}).get("scenes")
    if scenes is None:
        return None
    names = (name.partition("/") for name in scenes)
    return frozenset(scene for of, _, scene in names if of == domain)


def _tables(
    domains: Sequence[DomainReport],
    table: pd.DataFrame,
    poses: pd.DataFrame,
    settings: EvaluationSettings,
) -> dict[str, pd.DataFrame | str | Image | Path]:
    parts = {
        name: [getattr(domain.measured, name) for domain in domains]
        for name in ("per_image", "breakdowns", "problems")
    }
    parts["spread"] = [spread_table(part, settings.thresholds) for part in parts["per_image"]]
    parts["sweep"] = [domain.sweeps for domain in domains if len(domain.sweeps)]
    files: dict[str, pd.DataFrame | str | Image | Path] = {
        f"evaluation_{name}.csv": pd.concat(tables, ignore_index=True)
        for name, tables in parts.items()
        if tables
    }
    files |= {"evaluation.csv": table, "evaluation_poses.csv": poses}
    for name, form in (("evaluation.md", format_markdown), ("evaluation.tex", format_latex)):
        texts = [
            form(table, domain.name, alignment, cap, domain.basis)
            for domain in domains
            for cap in dict.fromkeys(domain.measured.per_image["cap"])
            for alignment in settings.alignments
        ]
        files[name] = "\n".join(texts)
    return files


def _measure_sweeps(
    domain: str, model: Model, scenes: References, settings: EvaluationSettings
) -> pd.DataFrame:
    """What the prediction is worth to a plane sweep, where it is asked for and the scene has what
    it takes."""
    if not settings.sweep_planes:
        return pd.DataFrame()
    from aerial_depth_pipeline.evaluation.measuring.sweep_initialisation import sweep_gain

    tables = []
    for scene, references in progress(scenes.items(), f"Sweeps of {domain}", len(scenes), "scene"):
        try:
            tables.append(
                sweep_gain(
                    model, references, domain, scene, settings.sweep_planes, settings.sweep_frames
                )
            )
        except (SceneError, OSError, RuntimeError) as problem:
            log.warning("No sweeps in %s/%s: %s", domain, scene, problem)
    tables = [table for table in tables if len(table)]
    if tables:
        return pd.concat(tables, ignore_index=True)
    log.info(
        "%s: no scene has an exact reference and structure from motion, so there is nothing to"
        " sweep.",
        domain,
    )
    return pd.DataFrame()


def _write_points(
    domain: DomainReport, scenes: References, folder: Path, settings: EvaluationSettings
) -> Iterator[tuple[str, Path]]:
    """Prediction and reference of the domain's median frame (or its only one) as clouds, with a
    flight around them."""
    if not settings.point_clouds or not domain.columns:
        return
    column = domain.columns[min(1, len(domain.columns) - 1)]
    geometry = find_scene_geometry(scenes[column.scene][0])
    K = geometry.intrinsics(column.reference_HW.shape)
    if K is None:
        sentence = "%s: no camera.yaml for %s, so its point clouds are left out."
        log.info(sentence, domain.name, column.scene)
        return
    stem = f"evaluation_points_{_file_name(domain.name)}"
    depths = {"prediction": column.prediction_HW, "reference": column.reference_HW}
    pose = geometry.poses.get(column.frame)
    for name, depth_HW in depths.items():
        write_point_cloud(folder / f"{stem}_{name}.ply", column.image_HW3, depth_HW, K, pose)
    # A horizon would make everything near it small.
    farthest = 1.3 * depth_range(column.reference_HW)[1]
    shown = [np.where(depth_HW < farthest, depth_HW, 0) for depth_HW in depths.values()]
    path = folder / f"{stem}.mp4"
    try:
        write_video(fly_around(column.image_HW3, shown, K), path, _FLY_FPS)
    except (OSError, ValueError) as error:
        log.warning("No flight around the points of %s: %s.", domain.name, error)
        path.unlink(missing_ok=True)
        return
    frame = f"{column.scene} {numbered(column.frame)}"
    yield f"The points of {frame} from other sides: predicted (left) and reference (right).", path


def _write_video(
    domain: str, model: Model, scenes: References, folder: Path, settings: EvaluationSettings
) -> Iterator[tuple[str, Path]]:
    """The kept frames of the first test scene, from its first test frame on; nothing where no video
    came about."""
    scene, references = next(item for item in scenes.items() if item[1])
    frames = references[0].image.parent
    first, last = references[0].frame, references[-1].frame
    paths = [
        path
        for path in sorted(frames.glob("*.jpg"))
        if path.stem.isdigit() and first <= int(path.stem) <= last
    ]
    paths = paths[: settings.video_frames]

    method = model_method(model)

    def predicted() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for path in progress(paths, f"Video of {domain}/{scene}", len(paths), "frame"):
            frame = Frame(scene, replace(references[0], frame=int(path.stem), image=path))
            try:
                yield frame.image, method.predict(frame)
            except SceneError as error:
                log.warning("%s", error)

    path = folder / f"evaluation_video_{_file_name(domain)}.mp4"
    try:
        if write_video(side_by_side(predicted()), path, settings.video_fps):
            yield "Input and predicted depth side by side; the colours follow the prediction.", path
    except (OSError, ValueError) as error:
        log.warning("No video of %s: %s.", domain, error)
        path.unlink(missing_ok=True)


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]", "_", text)
