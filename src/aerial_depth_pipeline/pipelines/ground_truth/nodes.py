"""Ground truth of every scene of a domain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_folders import FinishedScene, SceneFolder, SceneFolders
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.mvs.settings import GroundTruthSettings
from aerial_depth_pipeline.pipelines.scenes import process_scenes


def build_scene_ground_truth(
    frames: SceneFolders, ground_truth_on_disk: SceneFolders, parameters: dict[str, Any], work: str
) -> Iterator[tuple[dict[str, FinishedScene | None], SceneReport]]:
    """Reconstruct every scene; unchanged scenes are kept, features and matches of a killed run are used again.

    Args:
        frames: the domain's frames.
        ground_truth_on_disk: what was reconstructed before.
        parameters: `ground_truth`.
        work: local folder for unfinished work.
    """
    settings = read_settings(GroundTruthSettings, parameters, "ground_truth")

    def compute(scene: SceneFolder, folder: Path, scratch: Path) -> dict[str, Any]:
        from aerial_depth_pipeline.mvs.ground_truth import build_ground_truth

        return build_ground_truth(scene.path, folder, settings, scratch)

    yield from process_scenes(
        "ground_truth", frames, ground_truth_on_disk, work, compute, made_from=lambda scene: [scene.fingerprint, parameters]
    )
