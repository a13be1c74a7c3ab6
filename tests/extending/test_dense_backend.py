"""docs/extending.md: a backend of dense depth from outside the package."""

import json

import numpy as np
import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.depth_maps import read_depth
from aerial_depth_pipeline.mvs.backend_table import BACKENDS, backend
from aerial_depth_pipeline.mvs.backends.backend import Backend
from aerial_depth_pipeline.mvs.backends.raw_depth import RawDepth
from aerial_depth_pipeline.mvs.ground_truth import build_ground_truth
from aerial_depth_pipeline.mvs.settings import DenseSettings, GroundTruthSettings
from aerial_depth_pipeline.sfm.settings import SfmSettings


class GroundPlane(Backend):
    """The plane through the sparse points as dense depth."""

    name = "ground_plane"

    def depth_of_view(self, scene, view):
        model, camera = scene.model, scene.model.camera
        middle = model.points_N3.mean(0)
        normal = np.linalg.svd(model.points_N3 - middle, full_matrices=False)[2][-1]
        pose = model.poses[view]
        rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
        rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(camera.K).T
        world = rays @ pose[:3, :3]
        position = -pose[:3, :3].T @ pose[:3, 3]
        depth = ((middle - position) @ normal) / (world @ normal)
        depth = np.where(depth > 0, depth, 0).astype(np.float32)
        return RawDepth(depth, np.ones_like(depth))


class Nowhere(GroundPlane):
    """A backend that needs what is not there."""

    def why_not_here(self):
        return "the moon is not full. Wait for it."


@pytest.mark.slow
def test_ground_truth_is_made_by_the_backend(tmp_path):
    BACKENDS["ground_plane"] = f"{__name__}:GroundPlane"
    images, _, _, view = block_world.rendered_flight()
    frames = block_world.write_frames(tmp_path / "frames", images, view)
    settings = GroundTruthSettings(
        sfm=SfmSettings(max_features=1500), dense=DenseSettings(backend="ground_plane")
    )
    build_ground_truth(frames, tmp_path / "truth", settings, tmp_path / "work")
    summary = json.loads((tmp_path / "truth" / "ground_truth.json").read_text())
    assert summary["backend"] == "ground_plane"
    depth = read_depth(next((tmp_path / "truth" / "depth").glob("*.tiff")))
    assert (depth > 0).mean() > 0.5


def test_what_cannot_run_here_says_why():
    BACKENDS["ground_plane"] = f"{__name__}:GroundPlane"
    BACKENDS["nowhere"] = f"{__name__}:Nowhere"
    with pytest.raises(UserError, match=r"backend is nowhere, but the moon is not full\. Wait"):
        backend("nowhere")
    with pytest.raises(ValueError, match="no backend 'ground_plan'.*Did you mean 'ground_plane'"):
        DenseSettings(backend="ground_plan")
