"""Triplets of every scene of a domain, and which of them are for what."""

import logging
from collections.abc import Iterator
from pathlib import Path

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_folders import FinishedScene, SceneFolder, SceneFolders
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.datasets.triplets import TripletLists
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.pipelines.node_types import Json, Parameters
from aerial_depth_pipeline.pipelines.scenes import process_scenes
from aerial_depth_pipeline.tracking import runs as tracking
from aerial_depth_pipeline.triplets.settings import TripletSettings

logger = logging.getLogger(__name__)


def make_scene_triplets(
    frames: SceneFolders,
    ground_truth: SceneFolders,
    triplets_on_disk: SceneFolders,
    parameters: Parameters,
    work: str,
) -> Iterator[tuple[dict[str, FinishedScene | None], SceneReport]]:
    """Write every scene's triplets with their relative poses; unchanged scenes are kept.

    Args:
        frames: the domain's frames.
        ground_truth: the domain's reconstructions; a scene without one has the poses of two-view
            geometry only.
        triplets_on_disk: what was written before.
        parameters: `triplets`.
        work: local folder for unfinished work.
    """
    settings = read_settings(TripletSettings, parameters, "triplets")

    def compute(scene: SceneFolder, folder: Path, _: Path) -> Json:
        from aerial_depth_pipeline.sfm.scene_model import read_scene_model
        from aerial_depth_pipeline.sfm.sparse_depth import points_before_camera
        from aerial_depth_pipeline.triplets.make import make_triplets

        reconstruction = ground_truth.get(scene.name)
        if reconstruction is None:
            return make_triplets(scene.path, folder, settings)
        model = read_scene_model(reconstruction.path)
        metric = bool(reconstruction.summary.get("metric"))
        return make_triplets(
            scene.path,
            folder,
            settings,
            model.poses,
            metric,
            lambda frame: points_before_camera(model, frame),
        )

    def made_from(scene: SceneFolder) -> list[object]:
        reconstruction = ground_truth.get(scene.name)
        return [
            scene.fingerprint,
            None if reconstruction is None else reconstruction.fingerprint,
            _without_split(parameters),
        ]

    yield from process_scenes("triplets", frames, triplets_on_disk, work, compute, made_from)


def _without_split(parameters: Parameters) -> Parameters:
    """Another split needs other lists, not other triplets."""
    return {key: value for key, value in parameters.items() if key != "split"}


def split_domain(triplets: SceneFolders, parameters: Parameters) -> TripletLists:
    """Divide a domain's triplets into train, val and test, and gather their poses beside the lists.

    Args:
        triplets: the domain's triplets.
        parameters: `triplets`.
    """
    import pandas as pd

    from aerial_depth_pipeline.triplets.splits import split_triplets

    split = read_settings(TripletSettings, parameters, "triplets").split
    split = split.model_copy(
        update={
            name: _in_domain(getattr(split, name), name, triplets)
            for name in ("val_scenes", "test_scenes")
        }
    )
    targets, spans, poses = {}, {}, []
    for name, scene in triplets.items():
        targets[name] = sorted(int(path.stem) for path in scene.path.glob("*.jpg"))
        spans[name] = int(scene.summary["span"])
        poses.append(pd.read_parquet(scene.path / "poses.parquet").assign(scene=name))
    return TripletLists(
        splits=split_triplets(targets, spans, split),
        poses=pd.concat(poses, ignore_index=True) if poses else pd.DataFrame({"scene": []}),
        scene_fingerprints={name: scene.fingerprint for name, scene in triplets.items()},
    )


def _in_domain(names: list[str], where: str, triplets: SceneFolders) -> list[str]:
    """Of the scenes that the split names, as `scene` or `domain/scene`, those of this domain that
    have triplets."""
    found = []
    for name in names:
        domain, _, scene = name.rpartition("/")
        if domain in ("", triplets.domain):
            if scene in triplets:
                found.append(scene)
            elif domain:
                logger.warning(
                    "triplets.split.%s names %s, which has no triplets; scene_report.csv may say"
                    " why.",
                    where,
                    name,
                )
    return found


def draw_triplets(
    frames: SceneFolders, triplets: SceneFolders, parameters: Parameters, work: str
) -> Path:
    """Draw random triplets with their flow, and histograms of parallax and of why frames were left
    out.

    Args:
        frames: the domain's frames.
        triplets: the domain's triplets.
        parameters: `triplets`.
        work: local folder for unfinished work.

    Returns:
        A local folder with `triplets_<domain>.png`, empty where there are no triplets.
    """
    from aerial_depth_pipeline.triplets.contact_sheet import draw_contact_sheet

    settings = read_settings(TripletSettings, parameters, "triplets")
    folder = Path(work) / "triplets_picture" / triplets.domain
    remove(folder)
    folder.mkdir(parents=True)
    scenes = [name for name in triplets if name in frames]
    if scenes:
        draw_contact_sheet(
            {name: frames[name].path for name in scenes},
            {name: triplets[name].path for name in scenes},
            folder / f"triplets_{triplets.domain}.png",
            seed=settings.split.seed,
        )
        tracking.log_folder(folder, "triplets")
    return folder
