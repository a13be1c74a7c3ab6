"""Measuring methods on test frames: streaming over images, one table."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.measuring.aggregate import summarize
from aerial_depth_pipeline.evaluation.measuring.breakdowns import Sums, add_sums, breakdown_table
from aerial_depth_pipeline.evaluation.measuring.image_records import SceneMeasurement
from aerial_depth_pipeline.evaluation.method_table import METHOD
from aerial_depth_pipeline.evaluation.methods.baselines import training_depth
from aerial_depth_pipeline.evaluation.methods.method import (
    Method,
    check_names,
    level_ground,
    model_method,
    trivial_baselines,
)
from aerial_depth_pipeline.evaluation.methods.own_points import own_point_methods
from aerial_depth_pipeline.evaluation.poses.scene_geometry import find_scene_geometry
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.progress import progress_bar

log = logging.getLogger(__name__)

_RECORDS = 2000  # so many become a table, which takes a tenth of their memory


@dataclass(frozen=True)
class Measurements:
    """All that was measured in one domain.

    Attributes:
        table: the long table (`summary.COLUMNS`): one row per method, scene (and `all`),
            alignment, cap and metric. `value` is the mean over images, every image weighing the
            same; `low` and `high` bound the 95 % bootstrap interval over images; `images` counts
            the images behind it; `coverage` is the mean share of an image's pixels that entered the
            measure. Rows whose metric begins with `images_` count predictions with a problem; their
            `images` is the number of test frames.
        per_image: one row per method, frame, alignment and cap, metrics in columns.
        problems: method, domain, scene, frame, problem, detail: every prediction that could not
            be measured or has holes.
        breakdowns: errors by distance, row, height and so on, under the main alignment and without
            a cap (`breakdowns.COLUMNS`).
    """

    table: pd.DataFrame
    per_image: pd.DataFrame
    problems: pd.DataFrame
    breakdowns: pd.DataFrame


def measure(
    predict: Callable[[np.ndarray], np.ndarray] | None,
    test: Mapping[str, Sequence[Reference]],
    train: Mapping[str, Sequence[Reference]],
    domain: str,
    settings: EvaluationSettings,
    methods: Sequence[Method] = (),
) -> Measurements:
    """Measure a model, the baselines and other methods on the test scenes of one domain.

    Memory does not grow with the number of images: the arrays of a few images are alive at a time,
    and a few kilobytes of records remain of each. What one scene's common scale needs waits on
    disk.

    Args:
        predict: the model: from an image [H, W, 3] uint8 RGB to z-depth [H, W] of any size with the
            same proportions. None measures the others alone.
        test: references of the test scenes, by scene.
        train: references of the training scenes, for the baselines that know them.
        domain: the name that stands in the table.
        settings: what is measured.
        methods: further methods.

    Raises:
        UserError: if no test scene has a reference, or no method could be measured on any
            image.
        ValueError: if two methods share a name.
    """
    scenes = {scene: list(references) for scene, references in test.items() if len(references)}
    empty = sorted(set(test) - set(scenes))
    if empty:
        log.warning(
            "%s: without reference depth, and therefore not measured: %s.", domain, ", ".join(empty)
        )
    if not scenes:
        raise UserError(
            f"Domain '{domain}' has no test frame with reference depth ({len(test)} test scenes);"
            " run `kedro run --pipelines=ground_truth`, or put known depth beside the video in"
            " `depth/`."
        )
    tested = [reference for references in scenes.values() for reference in references]
    ours = [] if predict is None else [model_method(predict, tested=tested)]
    everyone = [*ours, *methods]
    everyone += [*level_ground(tested), *own_point_methods(tested)]
    everyone += trivial_baselines(training_depth(train, settings.size))
    check_names([method.name for method in everyone])
    records, problems, tables = [], [], []
    sums: Sums = {}
    frames = sum(map(len, scenes.values()))
    bar: tqdm[Any]
    with progress_bar(None, f"Evaluating {domain}", total=frames, unit="frame") as bar:
        for scene, references in scenes.items():
            geometry = find_scene_geometry(references[0])
            for result in SceneMeasurement(
                domain, scene, references, everyone, settings, geometry
            ).measure():
                records.extend(result.records)
                if len(records) >= _RECORDS:
                    tables.append(pd.DataFrame.from_records(records))
                    records = []
                problems.extend(result.problems)
                add_sums(sums, result.sums)
                bar.update(result.frames)
    if records:
        tables.append(pd.DataFrame.from_records(records))
    if not tables:
        raise UserError(
            f"Nothing could be measured in domain '{domain}': all {frames} frames failed, the first"
            f" with: {problems[0]['detail'] if problems else 'no pixels with reference depth'}."
        )
    per_image = pd.concat(tables).sort_values(["scene", "frame"], kind="stable", ignore_index=True)
    problem_table = pd.DataFrame.from_records(
        problems, columns=[METHOD, "domain", "scene", "frame", "problem", "detail"]
    )
    _report(problem_table, domain, frames)
    counts = {scene: len(references) for scene, references in scenes.items()}
    table = summarize(per_image, problem_table, counts, settings)
    by_pixel = breakdown_table(sums, domain, settings.main_alignment)
    return Measurements(table, per_image, problem_table, by_pixel)


def _report(problems: pd.DataFrame, domain: str, frames: int) -> None:
    for (method, problem), group in problems.groupby([METHOD, "problem"], sort=False):
        count = len(group.drop_duplicates(["scene", "frame"]))
        first = group.iloc[0]
        pixels = {"reference": "depth", "image": "pixels"}.get(method, "predictions")
        where = f"{first['scene']}/{numbered(first['frame'])}"
        sentence = "%s: %s has %s %s for %d of %d frames, first %s: %s."
        detail = first["detail"]
        log.warning(sentence, domain, method, problem, pixels, count, frames, where, detail)
