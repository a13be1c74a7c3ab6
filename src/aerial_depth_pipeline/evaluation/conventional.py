"""Conventional photogrammetry as contestants: what the paper compared with, on the same frames, each with its own coverage."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.contestants import Contestant, Frame, PredictionError
from aerial_depth_pipeline.evaluation.references import Reference, read_depth
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings

log = logging.getLogger(__name__)

_SOURCES = 4


def conventional_contestants(test: Mapping[str, Sequence[Reference]], settings: EvaluationSettings, work: Path) -> list[Contestant]:
    """The methods of `settings.conventional` that can run here, in scenes with an exact reference and structure from motion.

    Depth from matching is not measured against itself, so scenes without an exact reference have no part in this.

    Args:
        test: references by scene.
        settings: which methods, and in how many frames.
        work: a folder for computed depth, which has to live as long as the contestants.
    """
    scenes = {}
    for name, references in test.items():
        exact = [reference for reference in references if reference.kind == "exact" and reference.ground_truth is not None]
        if exact and (exact[0].ground_truth / "sfm" / "images.bin").is_file():
            scenes[name] = exact
    contestants = []
    for method in settings.conventional if scenes else []:
        if method == "patch_match" and not _patch_match_available():
            log.info("patch_match is left out: it needs CUDA and a COLMAP built for it.")
        elif method == "colmap_sparse":
            contestants.append(_Sparse(scenes).contestant())
        else:
            contestants.append(_Dense(method, scenes, settings.conventional_frames, work / method).contestant())
    return contestants


def _patch_match_available() -> bool:
    from aerial_depth_pipeline.mvs.patch_match import patch_match_available

    return patch_match_available()


class _Reconstructed:
    """What the methods share: the SfM model of the scene that is measured at present."""

    name: str

    def __init__(self, scenes: Mapping[str, Sequence[Reference]]) -> None:
        self.scenes = scenes
        self._model = None, None

    def contestant(self) -> Contestant:
        # One frame at a time: the first of a scene reads its model, or computes the depth of all.
        return Contestant(self.name, self.predict, dense=False, alone=True)

    def predict(self, frame: Frame) -> np.ndarray:
        raise NotImplementedError

    def model_of(self, scene: str):
        """The scene's SfM model; PredictionError where it has none that can be read."""
        from aerial_depth_pipeline.sfm.scene_model import read_scene_model

        if scene not in self.scenes:
            raise PredictionError("missing", f"scene {scene} has no structure from motion beside an exact reference")
        if self._model[0] != scene:
            folder = self.scenes[scene][0].ground_truth
            try:
                self._model = scene, read_scene_model(folder)
            except (OSError, ValueError, RuntimeError) as error:
                raise SceneError(
                    f"The model in {folder / 'sfm'} cannot be read ({error}); run ground_truth for this scene again."
                ) from error
        return self._model[1]


def _registered(model, frame: Frame) -> None:
    if frame.reference.frame not in model.poses:
        raise PredictionError("missing", f"{frame.scene}/{frame.reference.frame:06d} was not registered by structure from motion")


class _Sparse(_Reconstructed):
    """COLMAP's sparse points."""

    name = "colmap_sparse"

    def predict(self, frame: Frame) -> np.ndarray:
        from aerial_depth_pipeline.sfm.sparse_depth import sparse_depth_map

        model = self.model_of(frame.scene)
        _registered(model, frame)
        return sparse_depth_map(model, frame.reference.frame)


class _Dense(_Reconstructed):
    """A dense method: what `ground_truth` left, where that is of this method and complete, else computed."""

    def __init__(self, name: str, scenes: Mapping[str, Sequence[Reference]], frames: int, work: Path) -> None:
        super().__init__(scenes)
        self.name, self.frames, self.work = name, frames, work
        self._done: dict[str, tuple[Path, list[int]]] = {}

    def predict(self, frame: Frame) -> np.ndarray:
        model = self.model_of(frame.scene)
        _registered(model, frame)
        if frame.scene not in self._done:
            self._done[frame.scene] = self._depth_of(frame.scene, model)
        folder, wanted = self._done[frame.scene]
        number = frame.reference.frame
        if number not in wanted:
            raise PredictionError("left out", f"computed for {len(wanted)} frames of {frame.scene} (evaluation.conventional_frames)")
        path = folder / f"{number:06d}"
        if path.with_suffix(".npy").is_file():
            return np.load(path.with_suffix(".npy"))
        if path.with_suffix(".tiff").is_file():
            return read_depth(path.with_suffix(".tiff"))
        raise PredictionError("missing", f"{self.name} gave no depth for {frame.scene}/{number:06d}")

    def _depth_of(self, scene: str, model) -> tuple[Path, list[int]]:
        """A folder with depth maps and the frames that it was asked for."""
        references = self.scenes[scene]
        registered = [reference.frame for reference in references if reference.frame in model.poses]
        wanted = [
            registered[i] for i in np.unique(np.linspace(0, len(registered) - 1, min(self.frames, len(registered))).round().astype(int))
        ]
        ready = _depth_on_disk(references[0].ground_truth, self.name)
        if set(registered) <= set(ready):
            return references[0].ground_truth / "depth", registered
        folder = self.work / scene
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _compute(self.name, model, references[0], wanted, folder)
        except SceneError as error:
            log.warning("%s of %s is left out: %s", self.name, scene, error)
        return folder, wanted


def _depth_on_disk(ground_truth: Path, method: str) -> list[int]:
    try:
        description = json.loads((ground_truth / "ground_truth.json").read_text(encoding="utf-8"))
        backend = description.get("backend")
    except (OSError, ValueError, AttributeError):
        return []
    return [int(path.stem) for path in (ground_truth / "depth").glob("*.tiff") if path.stem.isdigit()] if backend == method else []


def _compute(method: str, model, reference: Reference, wanted: list[int], folder: Path) -> None:
    """Depth of the wanted frames as `NNNNNN.npy`, confirmed by the nearest of their source views, which are computed as well."""
    from aerial_depth_pipeline.mvs.dense import dense_depth
    from aerial_depth_pipeline.mvs.settings import DenseSettings
    from aerial_depth_pipeline.mvs.source_views import choose_sources
    from aerial_depth_pipeline.sfm.reconstruction import read_gray

    frames = reference.scene_folder
    images = {frame: read_gray(frames, frame) for frame in model.frames}
    settings = DenseSettings(backend=method, sources=_SOURCES)
    views = set(wanted)
    for frame in wanted:
        views.update(choose_sources(model, frame, model.frames, _SOURCES, settings.best_angle)[: settings.min_agreeing])
    found, _ = dense_depth(model, images, sorted(views), settings, folder, frames, reference.ground_truth / "sfm")
    for frame in wanted:
        if (found[frame].depth_HW > 0).any():
            np.save(folder / f"{frame:06d}.npy", found[frame].depth_HW)
