"""Ground truth of every scene of a domain."""

from collections.abc import Iterator
from pathlib import Path

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_folders import FinishedScene, SceneFolder, SceneFolders
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.mvs.settings import GroundTruthSettings
from aerial_depth_pipeline.pipelines.node_types import Json, Parameters
from aerial_depth_pipeline.pipelines.scenes import process_scenes
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.tracking import runs as tracking


def build_scene_ground_truth(
    frames: SceneFolders, ground_truth_on_disk: SceneFolders, parameters: Parameters, work: str
) -> Iterator[tuple[dict[str, FinishedScene | None], SceneReport]]:
    """Reconstruct every scene; unchanged scenes are kept, features and matches of a killed run are
    used again.

    Args:
        frames: the domain's frames.
        ground_truth_on_disk: what was reconstructed before.
        parameters: `ground_truth`.
        work: local folder for unfinished work.
    """
    settings = read_settings(GroundTruthSettings, parameters, "ground_truth")

    def compute(scene: SceneFolder, folder: Path, scratch: Path) -> Json:
        from aerial_depth_pipeline.mvs.ground_truth import build_ground_truth

        return build_ground_truth(scene.path, folder, settings, scratch)

    yield from process_scenes(
        "ground_truth",
        frames,
        ground_truth_on_disk,
        work,
        compute,
        made_from=lambda scene: [scene.fingerprint, parameters],
    )


def report_ground_truth(work: str, *domain_inputs: SceneFolders) -> Path:
    """Draw every scene's ground truth, and measure it where exact depth is known.

    Args:
        work: local folder for unfinished work.
        domain_inputs: frames and ground truth of each domain in turn.

    Returns:
        A local folder with `ground_truth_accuracy.csv` and a picture per scene.
    """
    import pandas as pd

    from aerial_depth_pipeline.mvs.accuracy import COLUMNS, ground_truth_accuracy
    from aerial_depth_pipeline.mvs.scene_image import ground_truth_picture

    folder = Path(work) / "ground_truth_report"
    remove(folder)
    folder.mkdir(parents=True)
    rows = []
    for frames, ground_truth in zip(domain_inputs[::2], domain_inputs[1::2], strict=True):
        for name, scene in progress(
            ground_truth.items(), f"pictures of {ground_truth.domain}", len(ground_truth), "scene"
        ):
            if name in frames:
                ground_truth_picture(
                    frames[name].path,
                    scene.path,
                    folder / f"ground_truth_{ground_truth.domain}_{name}.png",
                )
                rows += ground_truth_accuracy(
                    frames[name].path, scene.path, ground_truth.domain, name
                )
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.to_csv(folder / "ground_truth_accuracy.csv", index=False)
    for row in table.itertuples():
        tracking.log_metrics(
            {
                f"{row.domain}/ground_truth/{row.scene}/{row.backend}/{name}": getattr(row, name)
                for name in ("abs_rel", "coverage")
            }
        )
    tracking.log_folder(folder, "ground_truth")
    return folder
