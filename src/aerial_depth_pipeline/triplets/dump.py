"""Triplets that somebody else made, byte for byte; only their relative poses are added."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.motion.two_view import TwoView, prepare, relative_pose
from aerial_depth_pipeline.capture.sources.sfmlearner import FOLDER
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.triplet_folder import DumpedTriplet, TripletFolder
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.triplets.pose_table import as_pose_table
from aerial_depth_pipeline.triplets.settings import TripletSettings


def use_dump(frames: Path, folder: Path, settings: TripletSettings) -> dict:
    """Copy the triplets of a dump; arguments, files and result as in `make_triplets`. The numbers
    of their sources are not known; they are counted from the target's."""
    dump, made = TripletFolder(frames / FOLDER).dump(), TripletFolder(folder)
    reach = settings.sequence_length // 2
    steps = [k for k in range(-reach, reach + 1) if k]

    def copy(triplet: DumpedTriplet) -> list[TwoView | None]:
        poses = _relative_poses(triplet, settings, frames.name)
        shutil.copyfile(triplet.path, made.image_file(triplet.number))
        shutil.copyfile(triplet.calibration, made.calibration_file(triplet.number))
        return poses

    rows, targets = [], []
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        copied = progress(pool.map(copy, dump), f"dump of {frames.name}", len(dump), "triplet")
        for triplet, views in zip(dump, copied, strict=True):
            known = [(k, view) for k, view in zip(steps, views, strict=True) if view is not None]
            nearest = [view.parallax for k, view in known if abs(k) == 1]
            parallax = float(np.mean(nearest)) / settings.width if nearest else float("nan")
            inliers = min(0 if view is None else view.inliers for view in views)
            targets.append((triplet.number, 1, parallax, inliers, True, ""))
            for k, view in known:
                if view.inliers >= settings.min_inliers:
                    pose = (*view.T.ravel(), "two_view", view.inliers, float("nan"))
                    rows.append((triplet.number, triplet.number + k, *pose))
    made.write_table("poses", as_pose_table(rows, frames.name))
    columns = ["frame", "offset", "parallax", "inliers", "target", "reason"]
    table = pd.DataFrame(targets, columns=columns)
    made.write_table("targets", table)
    return {
        "targets": table["frame"].tolist(),
        "kept": len(table),
        "span": 2 * reach,
        "frame_offset": 1,
        "parallax": float(table["parallax"].median()) if table["parallax"].notna().any() else None,
        "attitude": None,
        "reasons": {},
        "two_view": len(rows) / (2 * reach * len(table)),
        "colmap": 0.0,
    }


def _relative_poses(
    triplet: DumpedTriplet, settings: TripletSettings, scene: str
) -> list[TwoView | None]:
    """The poses of a triplet's sources relative to its target, by time."""
    parts = triplet.frames()
    shapes = [part.shape[:2] for part in parts]
    if shapes != [(settings.height, settings.width)] * settings.sequence_length:
        height, width = shapes[0] if shapes else (0, 0)
        size = f"{len(shapes)} frames of {width}x{height}" if shapes else "unreadable"
        raise SceneError(
            f"{triplet.path.name} of the dump in {scene} is {size}, the settings say"
            f" {settings.sequence_length} of {settings.width}x{settings.height}; set"
            " triplets.width, height and sequence_length to the dump's."
        )
    grays = [cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY) for part in parts]
    views = [prepare(gray, settings.corners) for gray in grays]
    target, limit = views.pop(len(views) // 2), settings.max_epipolar_error
    return [relative_pose(target, source, triplet.K, limit) for source in views]
