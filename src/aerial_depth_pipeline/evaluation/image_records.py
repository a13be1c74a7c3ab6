"""One scene under measurement: predictions frame by frame, measured in threads, one record each."""

import os
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.alignment import correlation_of_inverse_depth, fit_inverse_depth, median_ratio
from aerial_depth_pipeline.evaluation.breakdowns import pixel_groups, sums_of
from aerial_depth_pipeline.evaluation.contestants import Contestant, Frame, PredictionError, inverse_prediction
from aerial_depth_pipeline.evaluation.metrics import image_metrics
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.scene_geometry import SceneGeometry
from aerial_depth_pipeline.evaluation.settings import NO_CAP, EvaluationSettings

Item = TypeVar("Item")
Result = TypeVar("Result")
Prediction = np.ndarray | PredictionError

_RANGE = 1000.0
_MATCHING = ("patch_match", "plane_sweep", "sgbm")


@dataclass
class FrameResult:
    """What remains of one frame: records, problems and the sums of its breakdowns by (contestant, breakdown)."""

    records: list[dict] = field(default_factory=list)
    problems: list[dict] = field(default_factory=list)
    sums: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class SceneMeasurement:
    """One scene, its contestants and how they are measured.

    Expensive contestants predict one frame after another in the calling thread; everything else happens in threads, at most a few frames
    ahead. Where an alignment needs the scene's common scale, predictions wait on disk for a second look.
    """

    domain: str
    scene: str
    references: Sequence[Reference]
    contestants: Sequence[Contestant]
    settings: EvaluationSettings
    geometry: SceneGeometry

    def measure(self) -> Iterator[FrameResult]:
        """The frames' results in the order of the references; two looks count as one, so there is one result a frame."""
        workers = self.settings.workers or min(os.cpu_count() or 1, 8)
        with ThreadPoolExecutor(workers, "evaluation") as executor, tempfile.TemporaryDirectory(prefix="aerial-depth-") as folder:
            if "median_per_scene" not in self.settings.alignments:
                yield from _map(executor, lambda item: self._measure_frame(*item, {}), self._predicted(), 2 * workers)
                return
            store = Path(folder)
            ratios = defaultdict(list)
            for of_frame in _map(executor, lambda item: self._look(*item, store), self._predicted(), 2 * workers):
                for key, ratio in of_frame.items():
                    ratios[key].append(ratio)
            scales = {key: float(np.median(values)) for key, values in ratios.items()}
            yield from _map(executor, lambda reference: self._measure_again(reference, store, scales), self.references, 2 * workers)

    def _predicted(self) -> Iterator[tuple[Frame, dict[str, Prediction]]]:
        for reference in self.references:
            frame = Frame(self.scene, reference)
            predictions = {}
            if self._fault(frame) is None:
                predictions = {c.name: _predict(c, frame) for c in self.contestants if c.expensive}
            yield frame, predictions

    def _look(self, frame: Frame, predictions: Mapping[str, Prediction], store: Path) -> dict[tuple[str, str], float]:
        """First look: keep predictions on disk; median ratios by contestant and cap."""
        if self._fault(frame) is not None:
            return {}
        ratios = {}
        for place, contestant in enumerate(self.contestants):
            if contestant.expensive:
                inverse_HW = predictions[contestant.name]
                _store(store / f"{frame.reference.frame}_{place}", inverse_HW)
            elif contestant.oracle or contestant.output == "affine_inverse_depth":
                continue
            else:
                inverse_HW = _predict(contestant, frame)
            if isinstance(inverse_HW, PredictionError) or contestant.oracle or contestant.output == "affine_inverse_depth":
                continue
            for cap, common in self._common(frame, inverse_HW):
                if len(common.reference_N) >= self.settings.minimum_pixels:
                    ratios[contestant.name, cap] = median_ratio(common.reference_N, np.reciprocal(common.inverse_N))
        return ratios

    def _measure_again(self, reference: Reference, store: Path, scales: Mapping[tuple[str, str], float]) -> FrameResult:
        """Second look: the predictions come from disk."""
        frame = Frame(self.scene, reference)
        kept = {}
        if self._fault(frame) is None:
            kept = {c.name: _stored(store / f"{reference.frame}_{place}") for place, c in enumerate(self.contestants) if c.expensive}
        return self._measure_frame(frame, kept, scales)

    def _measure_frame(self, frame: Frame, predictions: Mapping[str, Prediction], scales: Mapping[tuple[str, str], float]) -> FrameResult:
        result = FrameResult()
        fault = self._fault(frame)
        if fault is not None:
            result.problems.append(self._problem("reference", frame, *fault))
            return result
        inverses = {c.name: predictions[c.name] if c.expensive else _predict(c, frame) for c in self.contestants}
        groups = self._groups(frame, inverses, result)
        for contestant in self.contestants:
            inverse_HW = inverses[contestant.name]
            if isinstance(inverse_HW, PredictionError):
                result.problems.append(self._problem(contestant.name, frame, inverse_HW.problem, str(inverse_HW)))
            else:
                self._measure_contestant(contestant, frame, inverse_HW, scales, groups, result)
        return result

    def _groups(self, frame: Frame, inverses: Mapping[str, Prediction], result: FrameResult) -> dict[str, np.ndarray]:
        camera, pose = self.geometry.camera, self.geometry.poses.get(frame.reference.frame)
        K = None
        if camera is not None and (camera.height, camera.width) == frame.depth.shape:
            K = camera.K
        conventional = next((inverses[name] for name in _MATCHING if isinstance(inverses.get(name), np.ndarray)), None)
        try:
            return pixel_groups(frame, K, pose, None if conventional is None else np.isfinite(conventional))
        except SceneError as error:
            result.problems.append(self._problem("image", frame, "damaged", str(error)))
            return {}

    def _measure_contestant(
        self,
        contestant: Contestant,
        frame: Frame,
        inverse_HW: np.ndarray,
        scales: Mapping[tuple[str, str], float],
        groups: Mapping[str, np.ndarray],
        result: FrameResult,
    ) -> None:
        settings = self.settings
        for cap, common in self._common(frame, inverse_HW):
            present, wanted = len(common.reference_N), common.reference_pixels
            if present < settings.minimum_pixels:
                if wanted >= settings.minimum_pixels:
                    detail = f"{present} of {wanted} reference pixels have a prediction (cap {cap})"
                    result.problems.append(self._problem(contestant.name, frame, "empty", detail))
                continue
            if cap == NO_CAP and contestant.dense and present < wanted:
                detail = f"{wanted - present} of {wanted} reference pixels have no finite, positive prediction"
                result.problems.append(self._problem(contestant.name, frame, "holes", detail))
            correlation = correlation_of_inverse_depth(common.reference_N, common.inverse_N)
            metrics: dict[str, float] = {}
            for alignment in settings.alignments:
                aligned = _aligned(contestant, common, alignment, scales.get((contestant.name, cap)))
                if aligned is None:
                    continue
                depth_N, scale = aligned
                if not (contestant.oracle and metrics):  # an oracle is the same under every alignment
                    np.clip(depth_N, common.minimum, common.maximum, out=depth_N)
                    metrics = image_metrics(common.reference_N, depth_N, wanted, settings.thresholds, frame.reference.metric)
                result.records.append(
                    {
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
                        **metrics,
                        "correlation": correlation,
                        "prediction_coverage": present / wanted,
                    }
                )
                if cap == NO_CAP and alignment == settings.main_alignment and groups:
                    depth_HW = np.full(inverse_HW.shape, np.nan, np.float32)
                    depth_HW[common.where_HW] = depth_N
                    for name, sums in sums_of(groups, frame.depth, depth_HW, frame.reference.metric).items():
                        result.sums[contestant.name, name] = sums

    def _fault(self, frame: Frame) -> tuple[str, str] | None:
        """What is wrong with a frame's reference, if anything; such a frame counts for nobody."""
        try:
            pixels = np.count_nonzero(frame.depth > self._limits(frame)[0])
        except SceneError as error:
            return "damaged", str(error)
        if pixels < self.settings.minimum_pixels:
            return "empty", f"{frame.reference.depth} has {pixels} pixels with depth"
        return None

    def _limits(self, frame: Frame) -> tuple[float, float]:
        """Least and largest depth that counts. Scene units can be of any size, so there the limits follow the image's median."""
        if frame.reference.metric:
            return self.settings.minimum_depth, self.settings.maximum_depth
        known_N = frame.depth[frame.depth > 0]
        median = float(np.median(known_N)) if len(known_N) else 1.0
        return median / _RANGE, median * _RANGE

    def _common(self, frame: Frame, inverse_HW: np.ndarray) -> Iterator[tuple[str, "_Common"]]:
        reference_HW = frame.depth
        minimum, maximum = self._limits(frame)
        for name, cap in caps_of(self.settings).items():
            if name != NO_CAP and not frame.reference.metric:
                continue  # a cap is a length
            where_HW = reference_HW > minimum
            if np.isfinite(cap):
                where_HW &= reference_HW <= cap
            pixels = int(np.count_nonzero(where_HW))
            where_HW &= np.isfinite(inverse_HW)
            yield name, _Common(reference_HW[where_HW], inverse_HW[where_HW], where_HW, pixels, minimum, min(cap, maximum))

    def _problem(self, contestant: str, frame: Frame, problem: str, detail: str) -> dict:
        return {
            "contestant": contestant,
            "domain": self.domain,
            "scene": self.scene,
            "frame": frame.reference.frame,
            "problem": problem,
            "detail": detail,
        }


@dataclass(frozen=True)
class _Common:
    """The pixels of one image that carry both a reference and a prediction, under one cap."""

    reference_N: np.ndarray
    inverse_N: np.ndarray
    where_HW: np.ndarray
    reference_pixels: int
    minimum: float
    maximum: float


def caps_of(settings: EvaluationSettings) -> dict[str, float]:
    """Names and depths of the caps, the first being none (infinite)."""
    return {NO_CAP: float("inf"), **{f"{cap:g}": float(cap) for cap in settings.caps}}


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


def _predict(contestant: Contestant, frame: Frame) -> Prediction:
    try:
        return inverse_prediction(contestant, frame)
    except PredictionError as error:
        return error
    except SceneError as error:
        return PredictionError("damaged", str(error))


def _store(path: Path, prediction: Prediction) -> None:
    if isinstance(prediction, PredictionError):
        path.with_suffix(".txt").write_text(f"{prediction.problem}\n{prediction}", encoding="utf-8")
    else:
        np.save(path.with_suffix(".npy"), prediction)


def _stored(path: Path) -> Prediction:
    if path.with_suffix(".npy").is_file():
        return np.load(path.with_suffix(".npy"))
    problem, _, detail = path.with_suffix(".txt").read_text(encoding="utf-8").partition("\n")
    return PredictionError(problem, detail)


def _map(executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """Results in order, with at most `ahead` items under work, so that neither items nor results pile up."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(executor.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
