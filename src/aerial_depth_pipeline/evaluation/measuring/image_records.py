"""One scene under measurement: predictions frame by frame, measured in threads, records that stay
small."""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.evaluation.measuring.breakdowns import looked_at, pixel_groups, sums_of
from aerial_depth_pipeline.evaluation.measuring.depth_alignment import (
    aligned_depth,
    fit_inverse_depth,
    median,
)
from aerial_depth_pipeline.evaluation.measuring.metrics import image_metrics
from aerial_depth_pipeline.evaluation.measuring.predictions import Prediction, _attempt, _inverse
from aerial_depth_pipeline.evaluation.measuring.reference_pixels import KnownPixels
from aerial_depth_pipeline.evaluation.method_table import DENSE_CONVENTIONAL, METHOD
from aerial_depth_pipeline.evaluation.methods.baselines import tilted_plane
from aerial_depth_pipeline.evaluation.methods.method import (
    Frame,
    Method,
    PredictionError,
)
from aerial_depth_pipeline.evaluation.poses.scene_geometry import SceneGeometry
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import NO_CAP, EvaluationSettings
from aerial_depth_pipeline.files import bounded_map

Key = tuple[str, str]
"""A method's name and a cap's."""

_RANGE = 1000.0
_PER_SCENE = "median_per_scene"
_PLANE = "tilted_plane"


@dataclass
class FrameResult:
    """What remains of a frame, counted once: records, problems, the sums of its breakdowns by
    (method, breakdown), median ratios."""

    frames: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    ratios: dict[Key, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SceneMeasurement:
    """One scene, its methods and how they are measured.

    Methods that work alone predict one frame after another in the calling thread; everything
    else happens in threads, at most a few frames ahead. Every file is decoded once and every
    alignment measured at once, but for the scene's common scale: it is known when all frames were
    seen, and until then predictions wait on disk, as plain arrays.
    """

    domain: str
    scene: str
    references: Sequence[Reference]
    methods: Sequence[Method]
    settings: EvaluationSettings
    geometry: SceneGeometry

    def measure(self) -> Iterator[FrameResult]:
        """One result for each reference, in their order; then, where the scene's common scale is
        asked for, what it adds to each."""
        workers = self.settings.workers or min(os.cpu_count() or 1, 8)
        with (
            ThreadPoolExecutor(workers, "evaluation") as executor,
            tempfile.TemporaryDirectory(prefix="aerial-depth-") as folder,
        ):
            store = Path(folder) if _PER_SCENE in self.settings.alignments else None
            ratios = defaultdict(list)
            for result in bounded_map(
                executor,
                lambda item: self._measure_frame(*item, store),
                self._predicted(),
                2 * workers,
            ):
                for key, ratio in result.ratios.items():
                    ratios[key].append(ratio)
                yield result
            if store is not None:
                scales = {key: median(np.array(values)) for key, values in ratios.items()}
                yield from bounded_map(
                    executor,
                    lambda one: self._measure_again(one, store, scales),
                    self.references,
                    2 * workers,
                )

    def _predicted(self) -> Iterator[tuple[Frame, dict[str, Prediction]]]:
        for reference in self.references:
            frame = Frame(self.scene, reference)
            yield frame, {c.name: _attempt(c.predict, frame) for c in self.methods if c.alone}

    def _measure_frame(
        self, frame: Frame, predictions: Mapping[str, Prediction], store: Path | None
    ) -> FrameResult:
        """Everything but the scene's common scale."""
        result = FrameResult(frames=1)
        fault = self._fault(frame)
        if fault is not None:
            result.problems.append(self._problem("reference", frame, *fault))
            return result
        inverses = {}
        for method in self.methods:
            inverse_HW = _inverse(method, predictions.get(method.name), frame)
            if isinstance(inverse_HW, PredictionError):
                result.problems.append(
                    self._problem(method.name, frame, inverse_HW.problem, str(inverse_HW))
                )
            else:
                inverses[method.name] = inverse_HW
        if store is not None:
            self._keep(frame, inverses, store)
        self._measure_inverses(frame, inverses, None, result)
        return result

    def _keep(self, frame: Frame, inverses: Mapping[str, np.ndarray], store: Path) -> None:
        try:
            np.save(store / f"{frame.reference.frame}.npy", frame.depth)
            for method in self.methods:
                if method.name in inverses and not (method.cheap or method.oracle):
                    np.save(
                        store / f"{frame.reference.frame}-{method.name}.npy", inverses[method.name]
                    )
        except OSError as error:
            raise UserError(
                f"Predictions of {self.domain}/{self.scene} cannot be kept in {store} ({error});"
                " free some space, point TMPDIR to a larger disk, or leave median_per_scene out of"
                " evaluation.alignments."
            ) from error

    def _measure_again(
        self, reference: Reference, store: Path, scales: Mapping[Key, float]
    ) -> FrameResult:
        """What the scene's common scale adds, from what was kept."""
        result = FrameResult()
        path = store / f"{reference.frame}.npy"
        if path.is_file():
            frame = Frame(self.scene, reference, np.load(path))
            inverses = {}
            for method in self.methods:
                kept = store / f"{reference.frame}-{method.name}.npy"
                if kept.is_file():
                    inverses[method.name] = np.load(kept)
                elif method.cheap:
                    inverse_HW = _inverse(method, None, frame)
                    # What could not be measured the first time was noted then.
                    if not isinstance(inverse_HW, PredictionError):
                        inverses[method.name] = inverse_HW
            self._measure_inverses(frame, inverses, scales, result)
        return result

    def _measure_inverses(
        self,
        frame: Frame,
        inverses: Mapping[str, np.ndarray],
        scales: Mapping[Key, float] | None,
        result: FrameResult,
    ) -> None:
        """Measure predictions under all alignments but the scene's common scale or, where `scales`
        are given, under it alone."""
        groups = {}
        if (self.settings.main_alignment == _PER_SCENE) == (scales is not None):
            groups = self._groups(frame, inverses, result)
        for cap, known in self._known(frame, inverses.get(_PLANE)).items():
            for method in self.methods:
                if method.name in inverses and not (method.oracle and scales is not None):
                    inverse_HW = inverses[method.name]
                    if method.name == _PLANE and known.plane_HW is not None:
                        inverse_HW = known.plane_HW
                    self._measure_method(
                        method, frame, inverse_HW, cap, known, scales, groups, result
                    )

    def _groups(
        self, frame: Frame, inverses: Mapping[str, np.ndarray], result: FrameResult
    ) -> dict[str, np.ndarray]:
        pose = self.geometry.poses.get(frame.reference.frame)
        K = self.geometry.intrinsics(frame.depth.shape)
        matched = {
            name: np.isfinite(inverses[name]) for name in DENSE_CONVENTIONAL if name in inverses
        }
        try:
            return pixel_groups(frame, K, pose, matched)
        except SceneError as error:
            result.problems.append(self._problem("image", frame, "damaged", str(error)))
            return {}

    def _measure_method(
        self,
        method: Method,
        frame: Frame,
        inverse_HW: np.ndarray,
        cap: str,
        known: "KnownPixels",
        scales: Mapping[Key, float] | None,
        groups: Mapping[str, np.ndarray],
        result: FrameResult,
    ) -> None:
        settings, wanted = self.settings, known.count
        common, inverse_N = known.common(inverse_HW)
        present = common.count
        if scales is None and not self._is_measurable(method, frame, present, wanted, cap, result):
            return
        if present < settings.minimum_pixels:
            return
        fit = fit_inverse_depth(common.depth_N, inverse_N)
        alignments: dict[str, tuple[float, float]] = {}
        if method.oracle:
            alignments = {name: (1.0, 0.0) for name in settings.alignments}
        elif scales is not None:
            alignments = (
                {_PER_SCENE: (1 / scales[method.name, cap], 0.0)}
                if (method.name, cap) in scales
                else {}
            )
        else:
            alignments = {"none": (1.0, 0.0), "lstsq_inverse_depth": (fit.scale, fit.shift)}
            if method.output != "affine_inverse_depth":
                ratio = common.median / median(np.reciprocal(inverse_N))
                result.ratios[method.name, cap] = ratio
                alignments["median_per_image"] = (1 / ratio, 0.0)
        if not (method.metric and frame.reference.metric):
            alignments.pop("none", None)
        metrics: dict[str, float] = {}
        for alignment in settings.alignments:
            if alignment not in alignments:
                continue
            scale, shift = alignments[alignment]
            if not (method.oracle and metrics):  # an oracle is the same under every alignment
                depth_N = aligned_depth(inverse_N, scale, shift, known.nearest, known.farthest)
                metrics = image_metrics(
                    common.depth_N, depth_N, wanted, settings.thresholds, frame.reference.metric
                )
            result.records.append(
                {
                    METHOD: method.name,
                    "domain": self.domain,
                    "scene": self.scene,
                    "frame": frame.reference.frame,
                    "reference": frame.reference.kind,
                    "alignment": alignment,
                    "cap": cap,
                    "scale": 1 / scale if scale else float("nan"),
                    "shift": shift,
                    "pixels": present,
                    "coverage": present / inverse_HW.size,
                    "distance": common.median,
                    **metrics,
                    "correlation": fit.correlation,
                    "prediction_coverage": present / wanted,
                    "plane_abs_rel": common.plane_abs_rel,
                }
            )
            if cap == NO_CAP and alignment == settings.main_alignment and groups:
                depth_hw = aligned_depth(
                    looked_at(inverse_HW), scale, shift, known.nearest, known.farthest
                )
                for name, sums in sums_of(
                    groups, looked_at(frame.depth), depth_hw, frame.reference.metric
                ).items():
                    result.sums[method.name, name] = sums

    def _is_measurable(
        self, method: Method, frame: Frame, present: int, wanted: int, cap: str, result: FrameResult
    ) -> bool:
        """Whether a prediction has enough pixels; problems with its holes are noted."""
        if wanted < self.settings.minimum_pixels:
            return False
        if present < self.settings.minimum_pixels:
            detail = f"{present} of {wanted} reference pixels have a prediction (cap {cap})"
            result.problems.append(self._problem(method.name, frame, "empty", detail))
            return False
        if cap == NO_CAP and method.dense and present < wanted:
            detail = (
                f"{wanted - present} of {wanted} reference pixels have no finite, positive"
                " prediction"
            )
            result.problems.append(self._problem(method.name, frame, "holes", detail))
        return True

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
        """Least and largest depth that counts. Scene units can be of any size, so there the limits
        follow the image's median."""
        if frame.reference.metric:
            return self.settings.minimum_depth, self.settings.maximum_depth
        known_N = frame.depth[frame.depth > 0]
        middle = median(known_N) if len(known_N) else 1.0
        return middle / _RANGE, middle * _RANGE

    def _known(self, frame: Frame, plane_HW: np.ndarray | None) -> dict[str, "KnownPixels"]:
        """The reference's pixels by cap. A cap is a length: scenes that are not metric have
        none."""
        nearest, farthest = self._limits(frame)
        known = {}
        for name, cap in (
            caps_of(self.settings).items() if frame.reference.metric else [(NO_CAP, float("inf"))]
        ):
            where_HW = frame.depth > nearest
            if np.isfinite(cap):
                where_HW &= frame.depth <= cap
            # The plane is fitted to what is measured.
            capped = np.isfinite(cap) and plane_HW is not None
            plane = tilted_plane(frame.depth * where_HW) if capped else None
            fitted_HW = plane_HW if plane is None else np.reciprocal(plane)
            known[name] = KnownPixels(frame.depth, where_HW, fitted_HW, nearest, min(cap, farthest))
        return known

    def _problem(self, method: str, frame: Frame, problem: str, detail: str) -> dict[str, Any]:
        return {
            METHOD: method,
            "domain": self.domain,
            "scene": self.scene,
            "frame": frame.reference.frame,
            "problem": problem,
            "detail": detail,
        }


def caps_of(settings: EvaluationSettings) -> dict[str, float]:
    """Names and depths of the caps, the first being none (infinite)."""
    return {NO_CAP: float("inf"), **{f"{cap:g}": float(cap) for cap in settings.caps}}
