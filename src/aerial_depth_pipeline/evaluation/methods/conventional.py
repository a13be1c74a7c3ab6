"""Conventional photogrammetry as methods: what the paper compared with, on the same frames,
each with its own coverage."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.methods.method import Frame, Method, PredictionError
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.formats.depth_maps import read_depth
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.mvs.backend_table import BACKENDS, why_not_here

if TYPE_CHECKING:
    from aerial_depth_pipeline.sfm.scene_model import SceneModel

log = logging.getLogger(__name__)

_SOURCES = 4


def conventional_methods(
    test: Mapping[str, Sequence[Reference]], settings: EvaluationSettings, work: Path
) -> list[Method]:
    """The methods of `settings.conventional` that can run here, in scenes with an exact reference
    and structure from motion.

    Depth from matching is not measured against itself, so scenes without an exact reference have no
    part in this.

    Args:
        test: references by scene.
        settings: which methods, and in how many frames.
        work: a folder for computed depth, which has to live as long as the methods.
    """
    scenes = {}
    for name, references in test.items():
        exact = [
            reference
            for reference in references
            if reference.kind == "exact" and reference.ground_truth is not None
        ]
        if exact and SceneFolder(_folder(exact[0])).has_sfm:
            scenes[name] = exact
    models, methods = _Models(scenes), []
    # A method has one unit in a domain.
    metric = all(_is_metric(_folder(references[0])) for references in scenes.values())
    for method in settings.conventional if scenes else []:
        if method in BACKENDS and (reason := why_not_here(method)):
            log.info("%s is left out: %s", method, reason)
            continue
        predict = (
            models.sparse_depth
            if method == "colmap_sparse"
            else _Dense(method, models, settings.conventional_frames, work).predict
        )
        # Alone: the first frame of a scene reads its model, or computes the depth of all.
        methods.append(Method(method, predict, dense=False, alone=True, metric=metric))
    return methods


class _Models:
    """The SfM model of the scene that is measured at present, for all methods."""

    def __init__(self, scenes: Mapping[str, Sequence[Reference]]) -> None:
        self.scenes = scenes
        self._latest: tuple[str, SceneModel] | None = None

    def of(self, frame: Frame) -> SceneModel:
        """The model of a frame's scene; PredictionError where it has none that holds the frame."""
        from aerial_depth_pipeline.sfm.scene_model import read_scene_model

        if frame.scene not in self.scenes:
            raise PredictionError(
                "missing",
                f"scene {frame.scene} has no structure from motion beside an exact reference",
            )
        if self._latest is None or self._latest[0] != frame.scene:
            folder = _folder(self.scenes[frame.scene][0])
            try:
                self._latest = frame.scene, read_scene_model(folder)
            except (OSError, ValueError, RuntimeError) as error:
                raise SceneError(
                    f"{folder / 'sfm'} cannot be read ({error}); run ground_truth for this scene"
                    " again."
                ) from error
        model = self._latest[1]
        if frame.reference.frame not in model.poses:
            raise PredictionError(
                "missing",
                f"{frame.scene}/{numbered(frame.reference.frame)} was not registered by structure"
                " from"
                " motion",
            )
        return model

    def sparse_depth(self, frame: Frame) -> np.ndarray:
        """COLMAP's sparse points as a depth map."""
        from aerial_depth_pipeline.sfm.sparse_depth import sparse_depth_map

        return sparse_depth_map(self.of(frame), frame.reference.frame)


class _Dense:
    """A dense method: what `ground_truth` left, where that is of this method and complete, else
    computed."""

    def __init__(self, name: str, models: _Models, frames: int, work: Path) -> None:
        self.name, self.models, self.frames, self.work = name, models, frames, work / name
        self._done: dict[str, tuple[Path, list[int]]] = {}

    def predict(self, frame: Frame) -> np.ndarray:
        """The frame's depth; the first of a scene computes that of all."""
        model = self.models.of(frame)
        if frame.scene not in self._done:
            self._done[frame.scene] = self._depth_of(frame.scene, model)
        folder, wanted = self._done[frame.scene]
        number = frame.reference.frame
        if number not in wanted:
            raise PredictionError(
                "left out",
                f"computed for {len(wanted)} frames of {frame.scene}"
                " (evaluation.conventional_frames)",
            )
        path = folder / numbered(number)
        if path.with_suffix(".npy").is_file():
            return np.load(path.with_suffix(".npy"))
        if path.with_suffix(".tiff").is_file():
            return read_depth(path.with_suffix(".tiff"))
        raise PredictionError(
            "missing", f"{self.name} gave no depth for {frame.scene}/{numbered(number)}"
        )

    def _depth_of(self, scene: str, model: SceneModel) -> tuple[Path, list[int]]:
        """A folder with depth maps and the frames that it was asked for."""
        references = self.models.scenes[scene]
        registered = [reference.frame for reference in references if reference.frame in model.poses]
        places = (
            np.linspace(0, len(registered) - 1, min(self.frames, len(registered)))
            .round()
            .astype(int)
        )
        wanted = [registered[place] for place in places]
        ready = _depth_on_disk(_folder(references[0]), self.name)
        if set(registered) <= set(ready):
            return _folder(references[0]) / "depth", registered
        folder = self.work / scene
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _compute(self.name, model, references[0], wanted, folder)
        except SceneError as error:
            log.warning("%s of %s is left out: %s", self.name, scene, error)
        return folder, wanted


def _folder(reference: Reference) -> Path:
    """The scene's folder in `03_primary/`; only scenes that have one get here."""
    assert reference.ground_truth is not None
    return reference.ground_truth


def _is_metric(ground_truth: Path) -> bool:
    try:
        return bool(SceneFolder(ground_truth).description().get("metric"))
    except SceneError:
        return False


def _depth_on_disk(ground_truth: Path, method: str) -> list[int]:
    scene = SceneFolder(ground_truth)
    try:
        backend = scene.description().get("backend")
    except SceneError:
        return []
    return list(scene.depth_files()) if backend == method else []


def _compute(
    method: str, model: SceneModel, reference: Reference, wanted: list[int], folder: Path
) -> None:
    """Depth of the wanted frames as `NNNNNN.npy`, confirmed by the nearest of their source views,
    which are computed as well."""
    from aerial_depth_pipeline.mvs.dense import dense_depth
    from aerial_depth_pipeline.mvs.settings import DenseSettings
    from aerial_depth_pipeline.mvs.source_views import choose_sources
    from aerial_depth_pipeline.sfm.reconstruction import read_gray

    frames = reference.scene_folder
    images = {frame: read_gray(frames, frame) for frame in model.frames}
    settings = DenseSettings(backend=method, sources=_SOURCES)
    views = set(wanted)
    for frame in wanted:
        views.update(
            choose_sources(model, frame, model.frames, _SOURCES, settings.best_angle)[
                : settings.min_agreeing
            ]
        )
    found, _ = dense_depth(
        model, images, sorted(views), settings, folder, frames, SceneFolder(_folder(reference)).sfm
    )
    for frame in wanted:
        if (found[frame].depth_HW > 0).any():
            np.save(folder / numbered(frame, ".npy"), found[frame].depth_HW)
