"""Conventional photogrammetry as a contestant: depth from image matching, on the same frames, with its own coverage."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.contestants import Contestant, Frame, PredictionError
from aerial_depth_pipeline.evaluation.references import Reference, read_depth
from aerial_depth_pipeline.evaluation.settings import CONVENTIONAL

log = logging.getLogger(__name__)


def conventional_contestants(test: Mapping[str, Sequence[Reference]]) -> list[Contestant]:
    """`colmap_sparse` and the dense methods whose depth the scenes have.

    Only scenes with an exact reference count: depth from matching is not measured against itself. Their depth lies in the scene's ground
    truth folder, in `depth/`, and `ground_truth.json` names the backend that made it.
    """
    exact = [reference for references in test.values() for reference in references if reference.kind == "exact"]
    folders = {reference.ground_truth for reference in exact if reference.ground_truth is not None}
    contestants = []
    if any((folder / "sfm").is_dir() for folder in folders):
        contestants.append(Contestant("colmap_sparse", _sparse, dense=False))
    for backend in sorted(_backends(folders)):
        contestants.append(Contestant(backend, _dense(backend), dense=False))
    return contestants


def _backends(folders: Iterable[Path]) -> set[str]:
    found = set()
    for folder in folders:
        backend = _backend_of(folder)
        if backend in CONVENTIONAL and (folder / "depth").is_dir():
            found.add(backend)
    return found


def _backend_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "ground_truth.json").read_text(encoding="utf-8")).get("backend", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _dense(backend: str):
    def predict(frame: Frame) -> np.ndarray:
        folder = _folder_of(frame)
        path = folder / "depth" / f"{frame.reference.frame:06d}.tiff"
        if _backend_of(folder) != backend or not path.is_file():
            raise PredictionError("missing", f"{backend} gave no depth for {frame.scene}/{frame.reference.frame:06d}")
        return read_depth(path)

    return predict


def _sparse(frame: Frame) -> np.ndarray:
    from aerial_depth_pipeline.sfm.sparse_depth import sparse_depth_map

    folder = _folder_of(frame)
    if not (folder / "sfm" / "images.bin").is_file():
        raise PredictionError("missing", f"{folder} has no structure from motion")
    model = _scene_model(folder, (folder / "sfm" / "images.bin").stat().st_mtime_ns)
    if frame.reference.frame not in model.poses:
        raise PredictionError("missing", f"{frame.scene}/{frame.reference.frame:06d} was not registered by structure from motion")
    return sparse_depth_map(model, frame.reference.frame)


def _folder_of(frame: Frame) -> Path:
    folder = frame.reference.ground_truth
    if folder is None or frame.reference.kind != "exact":
        raise PredictionError("missing", f"scene {frame.scene} has no reconstruction beside an exact reference")
    return folder


@lru_cache(maxsize=2)
def _scene_model(folder: Path, changed: int):
    """The model of a folder; `changed` makes the cache forget one that was built anew."""
    from aerial_depth_pipeline.sfm.scene_model import read_scene_model

    try:
        return read_scene_model(folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise SceneError(f"The model in {folder / 'sfm'} cannot be read ({error}); run ground_truth for this scene again.") from error
