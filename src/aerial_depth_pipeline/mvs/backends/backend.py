"""The contract of a backend of dense depth."""

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from aerial_depth_pipeline.files import atomic_path, fingerprint_of, remove
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.mvs.backends.raw_depth import RawDepth
from aerial_depth_pipeline.mvs.settings import DenseSettings
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.sfm.scene_model import SceneModel


@dataclass(frozen=True)
class DenseScene:
    """What backends work on.

    Attributes:
        model: the reconstructed scene.
        images: frame → grey uint8 image of all registered views.
        sources: view → its source views.
        settings: of dense depth.
        work: folder that survives a restart.
        frames: the scene's frames, for backends that read them themselves.
        sfm: folder of the COLMAP model, likewise.
    """

    model: SceneModel
    images: Mapping[int, np.ndarray]
    sources: Mapping[int, list[int]]
    settings: DenseSettings
    work: Path
    frames: Path
    sfm: Path


class Backend(ABC):
    """Depth of views from their sources, before other views are asked to confirm it. A backend
    implements `depth_of_view`, or `depths` where it works on the whole scene.

    Attributes:
        name: in configuration, reports and `ground_truth.json`.
    """

    name: ClassVar[str]

    def why_not_here(self) -> str:
        """Why the backend cannot run on this machine and what to do, as the end of a sentence;
        empty where it can."""
        return ""

    def depth_of_view(self, scene: DenseScene, view: int) -> RawDepth:
        """Depth of one view; the same inputs give the same depth."""
        raise NotImplementedError

    def depths(self, scene: DenseScene, views: Sequence[int]) -> dict[int, RawDepth]:
        """Depth of some views; those of an interrupted run are read again.

        Raises:
            SceneError: if the backend fails on this scene.
        """
        store, raw = self._store(scene), {}
        for view in progress(sorted(views), "depth", unit="view"):
            path = store / numbered(view, ".npz")
            if path.exists():
                with np.load(path) as content:
                    raw[view] = RawDepth(content["depth"], content["score"])
                continue
            raw[view] = self.depth_of_view(scene, view)
            with atomic_path(path) as partial:
                np.savez(partial, depth=raw[view].depth_HW, score=raw[view].score_HW)
        return raw

    def _store(self, scene: DenseScene) -> Path:
        """The folder for unfiltered depth of exactly this model and these settings; those of others
        are removed."""
        model = scene.model
        poses = {frame: model.poses[frame].round(9).tolist() for frame in model.frames}
        inputs = scene.settings.model_dump(), poses, model.camera.params, scene.sources
        made_from = fingerprint_of(self.name, *inputs, torch.__version__)
        store = scene.work / f"dense-{made_from}"
        for other in scene.work.glob("dense-*"):
            if other != store:
                remove(other)
        store.mkdir(parents=True, exist_ok=True)
        return store
