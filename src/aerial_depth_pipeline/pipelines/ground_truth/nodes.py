"""Ground truth of every scene of a domain."""

from collections.abc import Iterator
from pathlib import Path

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.mvs.settings import GroundTruthSettings
from aerial_depth_pipeline.pipelines.domains import configured_domains
from aerial_depth_pipeline.pipelines.node_types import (
    FinishedScenes,
    Json,
    Parameters,
    PillowImage,
    Scenes,
    Table,
)
from aerial_depth_pipeline.pipelines.scenes import process_scenes
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.tracking import runs as tracking


def build_scene_ground_truth(
    domain: str, frames: Scenes, ground_truth_on_disk: Scenes, parameters: Parameters, work: str
) -> Iterator[tuple[FinishedScenes, SceneReport]]:
    """Reconstruct every scene; unchanged scenes are kept, features and matches of a killed run are
    used again.

    Args:
        domain: its name.
        frames: the domain's frames.
        ground_truth_on_disk: what was reconstructed before.
        parameters: `ground_truth`.
        work: local folder for unfinished work.
    """
    settings = read_settings(GroundTruthSettings, parameters, "ground_truth")

    def compute(name: str, folder: Path, scratch: Path) -> Json:
        from aerial_depth_pipeline.mvs.ground_truth import build_ground_truth

        return build_ground_truth(frames[name].path, folder, settings, scratch)

    yield from process_scenes(
        "ground_truth",
        domain,
        frames,
        ground_truth_on_disk,
        work,
        compute,
        made_from=lambda name: [frames[name].fingerprint, parameters],
    )


def report_ground_truth(*domain_inputs: Scenes) -> tuple[Table, dict[str, PillowImage]]:
    """Draw every scene's ground truth, and measure it where exact depth is known.

    Args:
        domain_inputs: frames and ground truth of each domain in turn.

    Returns:
        The accuracy, and an image per scene by `ground_truth_<domain>_<scene>`.
    """
    import pandas as pd

    from aerial_depth_pipeline.mvs.accuracy import COLUMNS, ground_truth_accuracy
    from aerial_depth_pipeline.mvs.scene_image import scene_image

    rows, images = [], {}
    steps = zip(configured_domains(), domain_inputs[::2], domain_inputs[1::2], strict=True)
    for domain, frames, ground_truth in steps:
        what = f"images of {domain}"
        for name, scene in progress(ground_truth.items(), what, len(ground_truth), "scene"):
            if name in frames:
                image = scene_image(frames[name].path, scene.path)
                images[f"ground_truth_{domain}_{name}"] = image
                rows += ground_truth_accuracy(frames[name].path, scene.path, domain, name)
    table = pd.DataFrame(rows, columns=COLUMNS)
    for row in table.itertuples():
        tracking.log_metrics(
            {
                f"{row.domain}/ground_truth/{row.scene}/{row.backend}/{name}": getattr(row, name)
                for name in ("abs_rel", "coverage")
            }
        )
    named = {f"{name}.png": image for name, image in images.items()}
    tracking.log_report("ground_truth", {"ground_truth_accuracy.csv": table} | named)
    return table, images
