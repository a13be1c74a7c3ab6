"""Tables beside a scene's triplets: relative poses, attitudes, sparse points."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.motion.attitude import up_of_frames
from aerial_depth_pipeline.capture.telemetry.telemetry import smooth_positions
from aerial_depth_pipeline.formats.cameras import UP_COLUMNS
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.geometry.poses import invert
from aerial_depth_pipeline.triplets.pairs import Pair, Poses, Target

POSE_COLUMNS = [f"t{row}{column}" for row in range(4) for column in range(4)]

_POINTS = 256  # of each target at most
_EAST_NORTH_UP = ["east", "north", "up"]


def pose_table(
    scene: str,
    targets: list[Target],
    lengths: Mapping[Pair, float],
    metric_lengths: bool,
    sfm_poses: Poses,
    metric: bool,
) -> pd.DataFrame:
    """One row for each target, source and origin; `T_source_from_target`. `lengths` are those of
    the way between two frames, in metres where they are metric, else in proportion."""
    rows: list[tuple] = []
    for target in targets:
        segment, frame = target.segment, target.frame
        for pair in sorted(target.pairs()):
            source = segment.frames[pair[1] if pair[0] == target.position else pair[0]]
            two_view = segment.pairs.get(pair)
            if two_view is not None and pair not in segment.doubtful:
                T = two_view.T.copy() if source > frame else invert(two_view.T)
                length = lengths.get((min(frame, source), max(frame, source)), 1.0)
                T[:3, 3] *= length
                numbers = two_view.inliers, length if metric_lengths else math.nan
                rows.append((frame, source, *T.ravel(), "two_view", *numbers))
            if frame in sfm_poses and source in sfm_poses:
                T = sfm_poses[source] @ invert(sfm_poses[frame])
                length = float(np.linalg.norm(T[:3, 3])) if metric else float("nan")
                rows.append((frame, source, *T.ravel(), "colmap", 0, length))
    whole = dict.fromkeys(("frame", "source_frame", "inliers"), np.int64)
    return as_pose_table(rows, scene).astype(whole)


def as_pose_table(rows: list[tuple], scene: str) -> pd.DataFrame:
    """Rows of target, source, the sixteen numbers of T, origin, inliers and length."""
    columns = ["frame", "source_frame", *POSE_COLUMNS, "origin", "inliers", "length"]
    table = pd.DataFrame(rows, columns=columns).astype({"length": float})
    table.insert(0, "scene", scene)
    return table


def attitude_table(
    table: pd.DataFrame, frames: Path, K_33: np.ndarray, choice: str
) -> tuple[pd.DataFrame, str | None]:
    """The upward direction in the axes of every kept frame of `frames.parquet`, and what tells it;
    `choice` is `TripletSettings.attitude`."""
    is_kept = table["kept"].to_numpy()
    kept = table[is_kept]
    up, origin = np.full((len(kept), 3), np.nan), None
    stated = set(UP_COLUMNS) <= set(table.columns) and kept[UP_COLUMNS].notna().any(axis=None)
    if choice != "none" and stated:
        up, origin = kept[UP_COLUMNS].to_numpy(float), "telemetry"
    elif choice == "auto" and table["motion"].notna().any():
        way = np.cumsum(kept["motion"].fillna(0.0).to_numpy())
        positions = np.full((len(table), 3), np.nan)
        if set(_EAST_NORTH_UP) <= set(table.columns):
            known = table[_EAST_NORTH_UP].to_numpy(float)
            positions = smooth_positions(table["time"].to_numpy(float), known)
        paths = [frames / numbered(frame, ".jpg") for frame in kept["frame"]]
        up = up_of_frames(paths, K_33, kept["segment"].to_numpy(), way, positions[is_kept])
        origin = "motion" if np.isfinite(up).any() else None
    columns = dict(zip(UP_COLUMNS, up.T, strict=True))
    return pd.DataFrame({"frame": kept["frame"].to_numpy(np.int64), **columns}), origin


def point_table(targets: list[int], sfm_points: Callable[[int], np.ndarray]) -> pd.DataFrame:
    """Some of the sparse points [N, 3] that each target shows."""
    points, frames = [np.zeros((0, 3), np.float32)], [np.zeros(0, np.int64)]
    for target in targets:
        seen = sfm_points(target)
        points.append(seen[:: max(1, math.ceil(len(seen) / _POINTS))].astype(np.float32))
        frames.append(np.full(len(points[-1]), target, np.int64))
    table = pd.DataFrame(np.concatenate(points), columns=list("xyz"))
    table.insert(0, "frame", np.concatenate(frames))
    return table


def known_positions(kept: pd.DataFrame) -> dict[int, np.ndarray]:
    """Smoothed positions in metres of all kept frames, or nothing unless all are known: one scene
    has one unit. Without any height they lie in one plane."""
    if not set(_EAST_NORTH_UP) <= set(kept.columns):
        return {}
    positions = kept[_EAST_NORTH_UP].to_numpy(float, copy=True)
    if np.isnan(positions[:, 2]).all():
        positions[:, 2] = 0.0
    if not np.isfinite(positions).all() or np.ptp(positions, axis=0).max() < 1.0:
        return {}
    smooth = smooth_positions(kept["time"].to_numpy(float), positions)
    return dict(zip(kept["frame"].astype(int), smooth, strict=True))
