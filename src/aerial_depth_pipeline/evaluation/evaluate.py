"""Measuring contestants on test frames: one streaming pass over images, one table."""

import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.evaluation.alignment import correlation_of_inverse_depth, fit_inverse_depth, median_ratio
from aerial_depth_pipeline.evaluation.baselines import training_depth
from aerial_depth_pipeline.evaluation.contestants import (
    Contestant,
    Frame,
    PredictionError,
    baseline_contestants,
    check_names,
    inverse_prediction,
    model_contestant,
)
from aerial_depth_pipeline.evaluation.metrics import image_metrics, metric_names
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.evaluation.statistics import Bootstrap, mean_of_numbers, scale_drift
from aerial_depth_pipeline.progress import progress_bar

log = logging.getLogger(__name__)

COLUMNS = ["contestant", "domain", "scene", "alignment", "cap", "metric", "value", "low", "high", "images", "coverage"]
NO_CAP = "none"
_DENSE_SHARE = 0.95


@dataclass(frozen=True)
class Measurements:
    """All that was measured in one domain.

    Attributes:
        table: the contract's long table (COLUMNS): one row per contestant, scene (and `all`), alignment, cap and metric. `value` is the
            mean over images, every image weighing the same; `low` and `high` bound the 95 % bootstrap interval over images; `images`
            counts the images behind it; `coverage` is the mean share of an image's pixels that entered the measure. Rows whose metric
            begins with `images_` count predictions with a problem; their `images` is the number of test frames.
        per_image: one row per contestant, frame, alignment and cap, metrics in columns.
        problems: contestant, domain, scene, frame, problem, detail: every prediction that could not be measured or has holes.
    """

    table: pd.DataFrame
    per_image: pd.DataFrame
    problems: pd.DataFrame


def evaluate(
    predict: Callable[[np.ndarray], np.ndarray],
    test: Mapping[str, Sequence[Reference]],
    train: Mapping[str, Sequence[Reference]],
    domain: str,
    settings: EvaluationSettings,
    contestants: Sequence[Contestant] = (),
) -> pd.DataFrame:
    """The table of `measure`, for those who need nothing else."""
    return measure(predict, test, train, domain, settings, contestants).table


def measure(
    predict: Callable[[np.ndarray], np.ndarray] | None,
    test: Mapping[str, Sequence[Reference]],
    train: Mapping[str, Sequence[Reference]],
    domain: str,
    settings: EvaluationSettings,
    contestants: Sequence[Contestant] = (),
) -> Measurements:
    """Measure a model, the baselines and other contestants on the test scenes of one domain.

    Memory does not grow with the number of images: one image's arrays are alive at a time, and a record of a few hundred bytes
    remains of it. The predictions of one scene wait on disk for the scene's common scale.

    Args:
        predict: the model: from an image [H, W, 3] uint8 RGB to z-depth [H, W] of any size with the same proportions. None measures the
            others alone.
        test: references of the test scenes, by scene.
        train: references of the training scenes, for the baselines that know them.
        domain: the name that stands in the table.
        settings: what is measured.
        contestants: further contestants.

    Raises:
        UserError: if no test scene has a reference, or no contestant could be measured on any image.
        ValueError: if two contestants share a name.
    """
    scenes = {scene: list(references) for scene, references in test.items() if len(references)}
    empty = sorted(set(test) - set(scenes))
    if empty:
        log.warning("%s: without reference depth, and therefore not measured: %s.", domain, ", ".join(empty))
    if not scenes:
        raise UserError(
            f"Domain '{domain}' has no test frame with reference depth ({len(test)} test scenes); "
            "run `kedro run --pipelines=ground_truth`, or put known depth beside the video in `depth/`."
        )
    everyone = [*([model_contestant(predict)] if predict is not None else []), *contestants]
    everyone += baseline_contestants(training_depth(train, settings.size))
    check_names([contestant.name for contestant in everyone])
    records, problems = [], []
    frames = sum(map(len, scenes.values()))
    with progress_bar(None, f"Evaluating {domain}", total=frames, unit="frame") as bar:
        for scene, references in scenes.items():
            with tempfile.TemporaryDirectory(prefix="aerial-depth-") as folder:
                look = _Scene(domain, scene, references, everyone, settings, Path(folder), problems)
                for rows in look.measure():
                    records.extend(rows)
                    bar.update()
    if not records:
        raise UserError(
            f"Nothing could be measured in domain '{domain}': all {frames} frames failed, the first with: "
            f"{problems[0]['detail'] if problems else 'no pixels with reference depth'}."
        )
    per_image = pd.DataFrame.from_records(records)
    problem_table = pd.DataFrame.from_records(problems, columns=["contestant", "domain", "scene", "frame", "problem", "detail"])
    _report(problem_table, domain, frames)
    table = summarize(per_image, problem_table, {scene: len(references) for scene, references in scenes.items()}, settings)
    return Measurements(table, per_image, problem_table)


def caps_of(settings: EvaluationSettings) -> dict[str, float]:
    """Names and depths of the caps, the first being none (infinite)."""
    return {NO_CAP: float("inf"), **{f"{cap:g}": float(cap) for cap in settings.caps}}


@dataclass
class _Scene:
    """One scene under measurement."""

    domain: str
    scene: str
    references: list[Reference]
    contestants: list[Contestant]
    settings: EvaluationSettings
    folder: Path
    problems: list[dict]

    def measure(self) -> Iterator[list[dict]]:
        """Records of each frame in turn."""
        self.failed: dict[tuple[str, int], bool] = {}
        self.spooled: set[tuple[str, int]] = set()
        scales = self._scene_scales() if "median_per_scene" in self.settings.alignments else {}
        for reference in self.references:
            frame = Frame(self.scene, reference)
            if not self._usable(frame):
                yield []
                continue
            rows = []
            for contestant in self.contestants:
                inverse_HW = self._inverse(contestant, frame)
                if inverse_HW is not None:
                    rows.extend(self._measure_frame(contestant, frame, inverse_HW, scales))
            yield rows

    def _usable(self, frame: Frame) -> bool:
        """Whether the frame's reference can be read and has enough pixels; a frame that is not counts for nobody."""
        key = ("reference", frame.reference.frame)
        if self.failed.get(key):
            return False
        try:
            pixels = np.count_nonzero(frame.depth > self.settings.minimum_depth)
        except SceneError as error:
            self._problem("reference", frame, "damaged", str(error), fails=True)
            return False
        if pixels < self.settings.minimum_pixels:
            self._problem("reference", frame, "empty", f"{frame.reference.depth} has {pixels} pixels with depth", fails=True)
            return False
        return True

    def _inverse(self, contestant: Contestant, frame: Frame) -> np.ndarray | None:
        """Predicted inverse depth, from disk if it was kept there; None, named once, where there is none."""
        key = (contestant.name, frame.reference.frame)
        if self.failed.get(key):
            return None
        path = self.folder / f"{self.contestants.index(contestant)}_{frame.reference.frame}.npy"
        if key in self.spooled:
            return np.load(path)
        try:
            inverse_HW = inverse_prediction(contestant, frame)
        except PredictionError as error:
            self._problem(contestant.name, frame, error.problem, str(error), fails=True)
            return None
        except SceneError as error:
            self._problem(contestant.name, frame, "damaged", str(error), fails=True)
            return None
        if contestant.expensive and "median_per_scene" in self.settings.alignments:
            np.save(path, inverse_HW)
            self.spooled.add(key)
        return inverse_HW

    def _scene_scales(self) -> dict[tuple[str, str], float]:
        """First look: the median of the images' median ratios, by contestant and cap."""
        ratios = defaultdict(list)
        for reference in self.references:
            frame = Frame(self.scene, reference)
            if not self._usable(frame):
                continue
            for contestant in self.contestants:
                inverse_HW = self._inverse(contestant, frame)
                if inverse_HW is None or contestant.oracle or contestant.output == "affine_inverse_depth":
                    continue
                for cap, common in self._common(frame.depth, inverse_HW):
                    if len(common.reference_N) >= self.settings.minimum_pixels:
                        ratios[contestant.name, cap].append(median_ratio(common.reference_N, np.reciprocal(common.inverse_N)))
        return {key: float(np.median(values)) for key, values in ratios.items()}

    def _common(self, reference_HW: np.ndarray, inverse_HW: np.ndarray) -> Iterator[tuple[str, "_Common"]]:
        for name, cap in caps_of(self.settings).items():
            wanted = reference_HW > self.settings.minimum_depth
            if np.isfinite(cap):
                wanted &= reference_HW <= cap
            pixels = int(np.count_nonzero(wanted))
            wanted &= np.isfinite(inverse_HW)
            yield name, _Common(reference_HW[wanted], inverse_HW[wanted], pixels, min(cap, self.settings.maximum_depth))

    def _measure_frame(
        self, contestant: Contestant, frame: Frame, inverse_HW: np.ndarray, scales: Mapping[tuple[str, str], float]
    ) -> Iterator[dict]:
        settings = self.settings
        for cap, common in self._common(frame.depth, inverse_HW):
            present = len(common.reference_N)
            if present < settings.minimum_pixels:
                if common.reference_pixels >= settings.minimum_pixels:
                    detail = f"{present} of {common.reference_pixels} reference pixels have a prediction (cap {cap})"
                    self._problem(contestant.name, frame, "empty", detail)
                continue
            if cap == NO_CAP and contestant.dense and present < common.reference_pixels:
                missing = common.reference_pixels - present
                detail = f"{missing} of {common.reference_pixels} reference pixels have no finite, positive prediction"
                self._problem(contestant.name, frame, "holes", detail)
            correlation = correlation_of_inverse_depth(common.reference_N, common.inverse_N)
            for alignment in settings.alignments:
                aligned = _aligned(contestant, common, alignment, scales.get((contestant.name, cap)))
                if aligned is None:
                    continue
                depth_N, scale = aligned
                np.clip(depth_N, settings.minimum_depth, common.maximum, out=depth_N)
                yield {
                    "contestant": contestant.name,
                    "domain": self.domain,
                    "scene": self.scene,
                    "frame": frame.reference.frame,
                    "reference": frame.reference.kind,
                    "alignment": alignment,
                    "cap": cap,
                    "scale": scale,
                    "pixels": present,
                    "coverage": present / inverse_HW.size,
                    **image_metrics(common.reference_N, depth_N, common.reference_pixels, settings.thresholds, frame.reference.metric),
                    "correlation": correlation,
                    "prediction_coverage": present / common.reference_pixels,
                }

    def _problem(self, contestant: str, frame: Frame, problem: str, detail: str, fails: bool = False) -> None:
        if fails:
            self.failed[contestant, frame.reference.frame] = True
        self.problems.append(
            {
                "contestant": contestant,
                "domain": self.domain,
                "scene": self.scene,
                "frame": frame.reference.frame,
                "problem": problem,
                "detail": detail,
            }
        )


@dataclass(frozen=True)
class _Common:
    """The pixels of one image that carry both a reference and a prediction, under one cap."""

    reference_N: np.ndarray
    inverse_N: np.ndarray
    reference_pixels: int
    maximum: float


def _aligned(contestant: Contestant, common: _Common, alignment: str, scene_scale: float | None) -> tuple[np.ndarray, float] | None:
    """Aligned depth and the factor on depth; None where this alignment means nothing for this contestant."""
    if contestant.oracle:
        return np.reciprocal(common.inverse_N), 1.0
    if alignment == "lstsq_inverse_depth":
        scale, shift = fit_inverse_depth(common.reference_N, common.inverse_N)
        inverse_N = np.float32(scale) * common.inverse_N + np.float32(shift)
        return np.reciprocal(np.maximum(inverse_N, np.float32(1 / common.maximum))), (1 / scale if scale else float("nan"))
    if contestant.output == "affine_inverse_depth":
        return None
    depth_N = np.reciprocal(common.inverse_N)
    if alignment == "none":
        return depth_N, 1.0
    if alignment == "median_per_image":
        factor = median_ratio(common.reference_N, depth_N)
    elif scene_scale is not None:
        factor = scene_scale
    else:
        return None
    return depth_N * np.float32(factor), factor


def summarize(per_image: pd.DataFrame, problems: pd.DataFrame, frames: Mapping[str, int], settings: EvaluationSettings) -> pd.DataFrame:
    """The long table from the records per image: means over images, intervals, scale drift, skill over the plane, counts of problems.

    Args:
        per_image: `Measurements.per_image` of one domain.
        problems: `Measurements.problems` of the same domain.
        frames: number of test frames by scene.
        settings: number and seed of the resamplings, thresholds.
    """
    names = [*metric_names(settings.thresholds), "correlation", "prediction_coverage"]
    bootstrap = Bootstrap(settings.bootstrap_samples, settings.seed)
    domain = per_image["domain"].iloc[0]
    rows = []

    def add(key: Sequence[str], metric: str, value: float, low: float, high: float, images: int, coverage: float) -> None:
        contestant, scene, alignment, cap = key
        rows.append((contestant, domain, scene, alignment, cap, metric, value, low, high, images, coverage))

    for scene in ["all", *sorted(frames)]:
        part = per_image if scene == "all" else per_image[per_image["scene"] == scene]
        groups = {key: group.set_index(["scene", "frame"]) for key, group in part.groupby(["contestant", "alignment", "cap"], sort=False)}
        for (contestant, alignment, cap), group in groups.items():
            key = (contestant, scene, alignment, cap)
            coverage = float(group["coverage"].mean())
            values_NM = group[names].to_numpy(float)
            low, high = bootstrap.interval(bootstrap.means(values_NM))
            present = np.isfinite(values_NM).sum(0)
            for column, (metric, value) in enumerate(zip(names, mean_of_numbers(values_NM), strict=True)):
                if present[column]:
                    add(key, metric, value, low[column], high[column], int(present[column]), coverage)
            if alignment == "median_per_image" and contestant != "tilted_plane":
                add(key, "scale_drift", *_drift(group, bootstrap), len(group), coverage)
            plane = groups.get(("tilted_plane", alignment, cap))
            if plane is not None and contestant != "tilted_plane" and group["prediction_coverage"].mean() >= _DENSE_SHARE:
                # Sparse methods answer only where it is easy; comparing them with a plane that answers everywhere would flatter them.
                add(key, "skill_over_plane", *_skill(group["abs_rel"], plane["abs_rel"], bootstrap), coverage)
    rows += _counts(per_image, problems, domain, frames)
    return pd.DataFrame(rows, columns=COLUMNS).astype({"value": float, "low": float, "high": float, "images": int, "coverage": float})


def _drift(group: pd.DataFrame, bootstrap: Bootstrap) -> tuple[float, float, float]:
    """Scale drift, the mean over scenes, with its interval from resampling the images of each scene."""
    values, samples = [], []
    for _, ratios in group["scale"].groupby(level="scene"):
        value = scale_drift(ratios)
        if np.isfinite(value):
            log_N = np.log(ratios[ratios > 0].to_numpy())
            log_N = log_N - log_N.mean()
            first, second = bootstrap.means(np.stack([log_N, log_N**2], 1)).T
            values.append(value)
            samples.append(np.sqrt(np.maximum(second - first**2, 0)))
    if not values:
        return float("nan"), float("nan"), float("nan")
    low, high = bootstrap.interval(np.mean(samples, 0)[:, None])
    return float(np.mean(values)), float(low[0]), float(high[0])


def _skill(errors: pd.Series, plane: pd.Series, bootstrap: Bootstrap) -> tuple[float, float, float, int]:
    """One minus the ratio of mean abs_rel, over the images that both have; the interval resamples images in pairs."""
    pairs_N2 = pd.concat([errors, plane], axis=1, join="inner").to_numpy(float)
    nan = float("nan")
    if not len(pairs_N2) or not pairs_N2[:, 1].mean() > 0:
        return nan, nan, nan, len(pairs_N2)
    value = 1 - pairs_N2[:, 0].mean() / pairs_N2[:, 1].mean()
    means_B2 = bootstrap.means(pairs_N2)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = bootstrap.interval(1 - means_B2[:, :1] / means_B2[:, 1:])
    return float(value), float(low[0]), float(high[0]), len(pairs_N2)


def _counts(per_image: pd.DataFrame, problems: pd.DataFrame, domain: str, frames: Mapping[str, int]) -> list[tuple]:
    """Rows that count test frames and predictions with a problem, so that no average hides them."""
    rows = []
    nan = float("nan")
    everyone = list(dict.fromkeys([*per_image["contestant"], *problems.loc[problems["contestant"] != "reference", "contestant"]]))
    for scene in ["all", *sorted(frames)]:
        total = sum(frames.values()) if scene == "all" else frames[scene]
        of_scene = problems if scene == "all" else problems[problems["scene"] == scene]
        for contestant in everyone:
            of_contestant = of_scene[of_scene["contestant"] == contestant]
            for problem, group in of_contestant.groupby("problem"):
                count = len(group.drop_duplicates(["scene", "frame"]))
                rows.append((contestant, domain, scene, "none", NO_CAP, f"images_{problem.replace('-', '_')}", count, nan, nan, total, nan))
    return rows


def _report(problems: pd.DataFrame, domain: str, frames: int) -> None:
    for (contestant, problem), group in problems.groupby(["contestant", "problem"], sort=False):
        count = len(group.drop_duplicates(["scene", "frame"]))
        first = group.iloc[0]
        log.warning(
            "%s: %s has %s %s for %d of %d frames, first %s/%06d: %s.",
            domain,
            contestant,
            problem,
            "depth" if contestant == "reference" else "predictions",
            count,
            frames,
            first["scene"],
            first["frame"],
            first["detail"],
        )
