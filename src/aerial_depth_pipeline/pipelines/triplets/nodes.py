"""Triplets of every scene of a domain, and which of them are for what."""

import logging
from collections.abc import Iterator
from pathlib import Path

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.datasets.triplet_lists import TripletLists
from aerial_depth_pipeline.pipelines.node_types import (
    Figure,
    FinishedScenes,
    Json,
    Parameters,
    Scenes,
)
from aerial_depth_pipeline.pipelines.scenes import process_scenes
from aerial_depth_pipeline.tracking import runs as tracking
from aerial_depth_pipeline.triplets.settings import SplitSettings, TripletSettings

logger = logging.getLogger(__name__)


def make_scene_triplets(
    domain: str,
    frames: Scenes,
    ground_truth: Scenes,
    triplets_on_disk: Scenes,
    parameters: Parameters,
    work: str,
) -> Iterator[tuple[FinishedScenes, SceneReport]]:
    """Write every scene's triplets with their relative poses; unchanged scenes are kept.

    Args:
        domain: its name.
        frames: the domain's frames.
        ground_truth: the domain's reconstructions; a scene without one has the poses of two-view
            geometry only.
        triplets_on_disk: what was written before.
        parameters: `triplets`.
        work: local folder for unfinished work.
    """
    settings = read_settings(TripletSettings, parameters, "triplets")
    # Another split needs other lists, not other triplets.
    deciding = {key: value for key, value in parameters.items() if key != "split"}

    def compute(name: str, folder: Path, _: Path) -> Json:
        from aerial_depth_pipeline.formats.depth_maps import read_depth
        from aerial_depth_pipeline.formats.scene_folder import SceneFolder
        from aerial_depth_pipeline.sfm.scene_model import read_scene_model
        from aerial_depth_pipeline.sfm.sparse_depth import points_before_camera
        from aerial_depth_pipeline.triplets.make import make_triplets

        reconstruction = ground_truth.get(name)
        if reconstruction is None:
            return make_triplets(frames[name].path, folder, settings)
        model = read_scene_model(reconstruction.path)
        maps = SceneFolder(reconstruction.path).depth_files()
        metric = bool(reconstruction.summary.get("metric"))
        return make_triplets(
            frames[name].path,
            folder,
            settings,
            model.poses,
            metric,
            lambda frame: points_before_camera(model, frame),
            lambda frame: read_depth(maps[frame]) if frame in maps else None,
        )

    def made_from(name: str) -> list[object]:
        reconstruction = ground_truth.get(name)
        return [
            frames[name].fingerprint,
            None if reconstruction is None else reconstruction.fingerprint,
            deciding,
            "own points at weak corners too, matched depth",  # others are made again
        ]

    yield from process_scenes(
        "triplets", domain, frames, triplets_on_disk, work, compute, made_from
    )


def split_domain(
    domain: str, frames: Scenes, triplets: Scenes, parameters: Parameters
) -> TripletLists:
    """Divide a domain's triplets into train, val and test, and gather their poses and footprints
    beside the lists.

    Args:
        domain: its name.
        frames: the domain's frames.
        triplets: the domain's triplets.
        parameters: `triplets`.
    """
    import pandas as pd

    from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
    from aerial_depth_pipeline.triplets.footprints import FOOTPRINT_COLUMNS, scene_footprints
    from aerial_depth_pipeline.triplets.ground import ground_of
    from aerial_depth_pipeline.triplets.splits import split_triplets

    split = read_settings(TripletSettings, parameters, "triplets").split
    if domain in split.test_domains:
        split = SplitSettings(by="scene", test_scenes=list(triplets))
    else:
        named = {
            field: _in_domain(getattr(split, field), domain, triplets)
            for field in ("val_scenes", "test_scenes")
        }
        split = split.model_copy(update=named)
    targets, spans, recorded, poses, footprints = {}, {}, {}, [], []
    for name, scene in triplets.items():
        files = TripletFolder(scene.path)
        targets[name] = files.targets()
        spans[name] = int(scene.summary["span"])
        poses.append(files.table("poses").assign(scene=name))
        if name in frames:
            origin = frames[name].summary.get("origin")
            place = None if origin is None else (origin["latitude"], origin["longitude"])
            table = scene_footprints(frames[name].path, scene.path, place)
            footprints.append(table.assign(scene=name))
            recorded[name] = frames[name].summary.get("recorded")
    nothing = pd.DataFrame(columns=["scene", *FOOTPRINT_COLUMNS], dtype=float)
    of_domain = pd.concat(footprints, ignore_index=True) if footprints else nothing
    gathered = pd.concat(poses, ignore_index=True) if poses else pd.DataFrame({"scene": []})
    ground = ground_of(of_domain, gathered, targets) if poses else None
    made = split_triplets(targets, spans, split, ground, recorded)
    logger.info("%s: %s", domain, made.record.sentence)
    return TripletLists(
        splits=made.parts,
        poses=gathered,
        footprints=of_domain,
        record=made.record,
        scene_fingerprints={name: scene.fingerprint for name, scene in triplets.items()},
    )


def _in_domain(names: list[str], domain: str, triplets: Scenes) -> list[str]:
    """Of the scenes that the split names, as `scene` or `domain/scene`, those of this domain;
    `check_named_scenes` refuses names that are in none."""
    scenes = [name.rpartition("/")[2] for name in names if name.rpartition("/")[0] in ("", domain)]
    return [scene for scene in scenes if scene in triplets]


def draw_triplets(
    domain: str, frames: Scenes, triplets: Scenes, parameters: Parameters
) -> dict[str, Figure]:
    """Draw random triplets with their flow, and histograms of parallax and of why frames were left
    out.

    Args:
        domain: its name.
        frames: the domain's frames.
        triplets: the domain's triplets.
        parameters: `triplets`.

    Returns:
        The figure by `triplets_<domain>`; nothing where there are no triplets.
    """
    from aerial_depth_pipeline.triplets.contact_sheet import draw_contact_sheet

    settings = read_settings(TripletSettings, parameters, "triplets")
    scenes = [name for name in triplets if name in frames]
    if not scenes:
        return {}
    figure = draw_contact_sheet(
        {name: frames[name].path for name in scenes},
        {name: triplets[name].path for name in scenes},
        seed=settings.split.seed,
    )
    tracking.log_report("triplets", {f"triplets_{domain}.png": figure})
    return {f"triplets_{domain}": figure}
