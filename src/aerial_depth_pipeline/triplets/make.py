"""Training triplets from kept frames: which frames belong together, their images side by side,
their relative poses."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.sources.sfmlearner import FOLDER
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import bounded_map, disk_full_as_sentence
from aerial_depth_pipeline.formats.cameras import HEIGHT_COLUMN
from aerial_depth_pipeline.formats.depth_maps import write_depth
from aerial_depth_pipeline.formats.images import scale_down, write_jpeg
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder, calibration_text
from aerial_depth_pipeline.geometry.cameras import Camera, scale_K
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.triplets.dump import use_dump
from aerial_depth_pipeline.triplets.offsets import adapt_offsets, choose_offset
from aerial_depth_pipeline.triplets.own_points import contradict_heights, own_points
from aerial_depth_pipeline.triplets.pairs import (
    Pair,
    PairGeometry,
    Poses,
    Segment,
    Target,
    find_doubtful,
)
from aerial_depth_pipeline.triplets.pose_table import (
    attitude_table,
    known_positions,
    point_table,
    pose_table,
)
from aerial_depth_pipeline.triplets.settings import TripletSettings

logger = logging.getLogger(__name__)

_AHEAD = 32  # triplets under way at once, which bounds the memory


def make_triplets(
    frames: Path,
    folder: Path,
    settings: TripletSettings,
    sfm_poses: Poses | None = None,
    metric: bool = False,
    sfm_points: Callable[[int], np.ndarray] | None = None,
    matched_depth: Callable[[int], np.ndarray | None] = lambda frame: None,
) -> dict:
    """Write one scene's triplets in the SfMLearner layout, with relative poses.

    Args:
        frames: the scene's folder below 02_intermediate; its name is the scene's.
        folder: an empty local folder, which receives the images, calibrations and tables of
            docs/design.md; `points.parquet` with `sfm_points` only.
        settings: see `TripletSettings`.
        sfm_poses: add rows of origin `colmap` to `poses.parquet`.
        metric: whether the unit of `sfm_poses` is the metre.
        sfm_points: gives the sparse points [N, 3] that a frame of `sfm_poses` shows, in its
            camera's axes.
        matched_depth: gives z-depth [H, W] of a frame by matching, 0 where there is none; None for
            a frame without any. It is written at the triplets' size.

    Returns:
        `targets` (frame numbers), `span` (the widest triplet, first to last source, in frame
        numbers), `frame_offset` (the commonest), `parallax` (median share of the width), `reasons`
        (count by reason), `kept`, `two_view` and `colmap` (share of the pairs with such a pose),
        `attitude` (`telemetry`, `motion` or None).

    Raises:
        SceneError: where no frame can be a target.
        UserError: where the disk is full.
    """
    frames, folder = Path(frames), Path(folder)
    with disk_full_as_sentence(folder, "free some space and run again: finished scenes are kept."):
        if (frames / FOLDER).is_dir():
            return use_dump(frames, folder, settings)
        poses = sfm_poses or {}
        result = _make(frames, folder, settings, poses, metric)
        if sfm_points is not None:
            write_matched(result["targets"], TripletFolder(folder), matched_depth, settings)
            placed = [frame for frame in result["targets"] if frame in poses]
            TripletFolder(folder).write_table("points", point_table(placed, sfm_points))
        return result


def _make(
    frames: Path, folder: Path, settings: TripletSettings, sfm_poses: Poses, metric: bool
) -> dict:
    scene, made = SceneFolder(frames), TripletFolder(folder)
    table, camera = scene.frame_table(), scene.camera()
    workers = max(2, os.cpu_count() or 2)
    with ThreadPoolExecutor(workers, thread_name_prefix="two_view") as pool:
        geometry = PairGeometry(scene, settings, pool)
        targets = _targets(table, geometry, settings, frames.name)
        for target in targets:
            target.reason = _reason(target, settings, sfm_poses)
        admitted = [target for target in targets if not target.reason]
        if not admitted:
            counts = Counter(target.reason for target in targets).most_common()
            listed = ", ".join(f"{n} {reason}" for reason, n in counts)
            raise SceneError(
                f"{frames.name} gives no triplet from {len(targets)} kept frames ({listed}); use a"
                " video rather than single photographs, or widen min_parallax, max_parallax and"
                " min_inliers."
            )
        members = {target.frame: target.frames for target in admitted}
        write_triplets(members, scene, made, camera, settings, pool)
        kept = table[table["kept"]]
        attitude, attitude_origin = attitude_table(table, scene.images, camera.K, settings.attitude)
        points, lengths, in_metres = _own_points(frames.name, targets, geometry, kept, attitude)
        made.write_table("own_points", points)
    made.write_table("attitude", attitude)
    poses = pose_table(frames.name, admitted, lengths, in_metres, sfm_poses, metric)
    made.write_table("poses", poses.merge(attitude, on="frame", how="left"))
    columns = ["frame", "offset", "parallax", "inliers", "reason"]
    fates = pd.DataFrame({name: [getattr(t, name) for t in targets] for name in columns})
    fates.insert(4, "target", fates["reason"] == "")
    fates = fates.astype(dict.fromkeys(["frame", "offset", "inliers"], np.int64))
    made.write_table("targets", fates)
    parallax = np.array([target.parallax for target in admitted])
    possible = (settings.sequence_length - 1) * len(admitted)
    return {
        "targets": [target.frame for target in admitted],
        "kept": len(targets),
        "span": max(target.frames[-1] - target.frames[0] for target in admitted),
        "frame_offset": Counter(target.offset for target in admitted).most_common(1)[0][0],
        "parallax": float(np.nanmedian(parallax)) if np.isfinite(parallax).any() else None,
        "attitude": attitude_origin,
        "reasons": dict(sorted(Counter(t.reason for t in targets if t.reason).items())),
        "two_view": int((poses["origin"] == "two_view").sum()) / possible,
        "colmap": int((poses["origin"] == "colmap").sum()) / possible,
    }


def write_matched(
    targets: list[int],
    made: TripletFolder,
    matched_depth: Callable[[int], np.ndarray | None],
    settings: TripletSettings,
) -> None:
    """Write the depth of targets by matching, at the triplets' size."""
    size = settings.width, settings.height
    for target in targets:
        depth_HW = matched_depth(target)
        if depth_HW is not None:
            path = made.matched_file(target)
            path.parent.mkdir(exist_ok=True)
            # No mean over an edge: it would be a depth that nothing has.
            write_depth(path, cv2.resize(depth_HW, size, interpolation=cv2.INTER_NEAREST))


def points_of_frames(frames: Path) -> pd.DataFrame:
    """The flight's own points (`own_points.own_points`) of extracted frames, without triplets.

    Raises:
        SceneError: where no frame was kept.
    """
    scene, settings = SceneFolder(frames), TripletSettings()
    table = scene.frame_table()
    if not table["kept"].any():
        raise SceneError("none of its frames can be used")
    workers = max(2, os.cpu_count() or 2)
    with ThreadPoolExecutor(workers, thread_name_prefix="two_view") as pool:
        geometry = PairGeometry(scene, settings, pool)
        targets = _targets(table, geometry, settings, frames.name)
        kept = table[table["kept"]]
        attitude = None
        if HEIGHT_COLUMN in kept and kept[HEIGHT_COLUMN].notna().any():
            attitude = attitude_table(table, scene.images, geometry.K, settings.attitude)[0]
        return _own_points(frames.name, targets, geometry, kept, attitude)[0]


def _own_points(
    scene: str,
    targets: list[Target],
    geometry: PairGeometry,
    kept: pd.DataFrame,
    attitude: pd.DataFrame | None,
) -> tuple[pd.DataFrame, dict[Pair, float], bool]:
    """What `own_points` gives, and whether lengths are in metres: not where these contradict the
    heights that are stated."""
    positions, segments = known_positions(kept), _segments_of(targets)
    points, lengths = own_points(segments, geometry, positions, kept)
    heights = kept.reindex(columns=["frame", HEIGHT_COLUMN])
    known = None if attitude is None else attitude.merge(heights, on="frame")
    if positions and known is not None and contradict_heights(points, known, geometry.K):
        logger.warning(
            "%s: the positions are not used for its metres, for by them the ground lies far from"
            " where the stated heights put it. Correct the telemetry: order and unit of its"
            " columns, another flight's file.",
            scene,
        )
        positions = {}
        points, lengths = own_points(segments, geometry, positions, kept)
    return points, lengths, bool(positions)


def _segments_of(targets: list[Target]) -> list[Segment]:
    return list({id(target.segment): target.segment for target in targets}.values())


def _targets(
    table: pd.DataFrame, geometry: PairGeometry, settings: TripletSettings, scene: str
) -> list[Target]:
    """Every kept frame with its offset and the geometry of its pairs."""
    segments = [
        Segment(part["frame"].astype(int).tolist(), part["brightness"].tolist())
        for _, part in table[table["kept"]].groupby("segment", sort=True)
    ]
    offset, reach = settings.frame_offset, settings.sequence_length // 2
    if offset == "auto":
        offset = choose_offset(segments, geometry, settings)
    targets = [Target(s, p, reach, offset) for s in segments for p in range(len(s.frames))]
    geometry.measure(targets, f"two-view geometry of {scene}")
    if settings.frame_offset == "auto":
        adapt_offsets(targets, geometry, settings, scene)
    for segment in segments:
        find_doubtful(segment)
    return targets


def write_triplets(
    members: dict[int, list[int]],
    scene: SceneFolder,
    made: TripletFolder,
    camera: Camera,
    settings: TripletSettings,
    pool: ThreadPoolExecutor,
) -> None:
    """Write the images and calibrations of the triplets, whose frames `members` gives by target.

    Each frame is read and scaled once for all the triplets that it belongs to, and forgotten after
    the last one.
    """
    width, height = settings.width, settings.height
    calibration = calibration_text(scale_K(camera.K, width / camera.width, height / camera.height))
    last_use = {frame: target for target, group in members.items() for frame in group}
    images: dict[int, Future] = {}

    def small(frame: int) -> np.ndarray:
        return scale_down(scene.image(frame), width, height)

    def triplets() -> Iterator[tuple[int, list[Future]]]:
        for target, group in progress(members.items(), "triplets", len(members), "triplet"):
            for frame in group:
                if frame not in images:
                    images[frame] = pool.submit(small, frame)
            yield target, [images[frame] for frame in group]
            for frame in group:
                if last_use[frame] == target:
                    del images[frame]

    def write(triplet: tuple[int, list[Future]]) -> None:
        # The images were submitted before, so the pool's first-in-first-out order has them done or
        # under way.
        row = np.concatenate([image.result() for image in triplet[1]], axis=1)
        write_jpeg(made.image_file(triplet[0]), row, settings.jpeg_quality)
        made.calibration_file(triplet[0]).write_text(calibration, encoding="ascii")

    for _ in bounded_map(pool, write, triplets(), _AHEAD):
        pass


def _reason(target: Target, settings: TripletSettings, sfm_poses: Poses) -> str:
    """Why a frame is no target; '' where it is one."""
    if target.offset > target.widest:
        return "no source"
    segment, pairs = target.segment, target.pairs()
    views = [segment.pairs.get(pair) for pair in pairs]
    target.inliers = min(0 if view is None else view.inliers for view in views)
    if settings.frame_offset == "auto" and np.isfinite(target.parallax):
        if target.parallax < settings.min_parallax:
            return "too little parallax"
        if target.parallax > settings.max_parallax:
            return "too much parallax"
    levels = np.array([segment.brightness[p] for p in {p for pair in pairs for p in pair}]) + 1
    limit = (1 + settings.max_exposure_change) ** 1.5
    if np.isfinite(levels).all() and levels.max() / levels.min() > limit:
        return "exposure"
    if all(frame in sfm_poses for frame in target.frames):
        return ""
    if target.inliers < settings.min_inliers:
        return "few inliers"
    if settings.min_inliers and any(pair in segment.doubtful for pair in pairs):
        return "direction"
    return ""
