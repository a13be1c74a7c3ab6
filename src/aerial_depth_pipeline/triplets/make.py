"""Training triplets from kept frames: which frames belong together, their pictures side by side,
their relative poses."""

import logging
import math
import os
import shutil
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.motion.attitude import up_of_frames
from aerial_depth_pipeline.capture.motion.two_view import TwoView, View, prepare, relative_pose
from aerial_depth_pipeline.capture.selection import THINNED
from aerial_depth_pipeline.capture.sources.sfmlearner import (
    CALIBRATION_SUFFIX,
    FOLDER,
    DumpedTriplet,
    parts_of,
    read_dump,
)
from aerial_depth_pipeline.capture.telemetry.telemetry import smooth_positions
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import disk_full_as_sentence
from aerial_depth_pipeline.formats.cameras import UP_COLUMNS, read_camera
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import read_image
from aerial_depth_pipeline.geometry.poses import angle_between, invert
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.triplets.images import write_pictures
from aerial_depth_pipeline.triplets.settings import TripletSettings

logger = logging.getLogger(__name__)

POSE_COLUMNS = [f"t{row}{column}" for row in range(4) for column in range(4)]

_POINTS = 256  # of each target at most
_SAMPLES = 12  # pairs that `frame_offset: auto` looks at for each offset it tries
_NEIGHBOURS = 4  # pairs before and after with which a direction of travel is compared
_DIRECTION_TOLERANCE = np.radians(60)


@dataclass
class _Target:
    """One kept frame on its way to being a target."""

    position: int  # in its segment
    segment: "_Segment"
    offset: int = 0
    parallax: float = float("nan")
    inliers: int = 0
    reason: str = ""

    @property
    def frame(self) -> int:
        return self.segment.frames[self.position]


@dataclass
class _Segment:
    """Kept frames without a cut between them, and what is known of pairs of them by position
    (earlier, later)."""

    frames: list[int]
    brightness: list[float]
    pairs: dict[tuple[int, int], TwoView | None] = field(default_factory=dict)
    doubtful: set[tuple[int, int]] = field(default_factory=set)


def make_triplets(
    frames: Path,
    folder: Path,
    settings: TripletSettings,
    sfm_poses: dict[int, np.ndarray] | None = None,
    metric: bool = False,
    sfm_points: Callable[[int], np.ndarray] | None = None,
) -> dict:
    """Write one scene's triplets in the SfMLearner layout, with relative poses.

    Args:
        frames: the scene's folder below 02_intermediate; its name is the scene's.
        folder: an empty local folder, which receives `NNNNNN.jpg` (sources before, target, sources
            after, side by side), `NNNNNN_cam.txt`, `poses.parquet`, `targets.parquet` (every kept
            frame with its offset, parallax, and why it is no target), `attitude.parquet` (frame,
            up_x, up_y, up_z: the upward direction in the axes of every kept frame, NaN where it is
                not known) and, with `sfm_points`, `points.parquet` (frame, x, y, z: some of the
                points that each target shows).
        settings: see `TripletSettings`.
        sfm_poses: `cam_from_world` of frames, [4, 4] or [3, 4]; adds rows of origin `colmap` to
            `poses.parquet`.
        metric: whether the unit of `sfm_poses` is the metre.
        sfm_points: gives the sparse points [N, 3] that a frame of `sfm_poses` shows, in its
            camera's axes.

    Returns:
        `targets` (frame numbers), `span` (the widest triplet, first to last source, in frame
        numbers), `frame_offset` (the commonest), `parallax` (median share of the width), `reasons`
        (count by reason), `kept`, `two_view` (share of the pairs with a pose), `attitude`
        (`telemetry`, `motion` or None).

    Raises:
        SceneError: where no frame can be a target.
        UserError: where the disk is full.
    """
    frames, folder = Path(frames), Path(folder)
    with disk_full_as_sentence(folder, "free some space and run again: finished scenes are kept."):
        if (frames / FOLDER).is_dir():
            return _use_dump(frames, folder, settings)
        result = _make(frames, folder, settings, sfm_poses, metric)
        if sfm_points is not None:
            known = [frame for frame in result["targets"] if frame in sfm_poses]
            _point_table(known, sfm_points).to_parquet(folder / "points.parquet", index=False)
        return result


def _make(
    frames: Path,
    folder: Path,
    settings: TripletSettings,
    sfm_poses: dict[int, np.ndarray] | None,
    metric: bool,
) -> dict:
    try:
        table = pd.read_parquet(frames / "frames.parquet").sort_values("frame", ignore_index=True)
        camera = read_camera(frames / "camera.yaml")
    except (OSError, ValueError) as error:
        raise SceneError(
            f"{frames} is not a folder of extracted frames ({error}); run the pipeline"
            " frame_extraction first."
        ) from error
    kept = table[table["kept"]]
    segments = [
        _Segment(
            part["frame"].astype(int).tolist(),
            part["brightness"].tolist() if "brightness" in part else [float("nan")] * len(part),
        )
        for _, part in kept.groupby("segment", sort=True)
    ]
    sfm_poses = {frame: _square(T) for frame, T in (sfm_poses or {}).items()}
    reach = settings.sequence_length // 2
    with ThreadPoolExecutor(
        max_workers=max(2, os.cpu_count() or 2), thread_name_prefix="two_view"
    ) as pool:
        geometry = _Geometry(frames / "frames", camera.K, camera.width, settings, pool)
        offset = (
            settings.frame_offset
            if settings.frame_offset != "auto"
            else _choose_offset(segments, geometry, settings)
        )
        targets = [
            _Target(position, segment, offset)
            for segment in segments
            for position in range(len(segment.frames))
        ]
        _measure(targets, geometry, reach, settings, frames.name)
        for segment in segments:
            _find_doubtful(segment)
        for target in targets:
            target.reason = target.reason or _reason(target, reach, settings, sfm_poses)
        admitted = [target for target in targets if not target.reason]
        if not admitted:
            counts = ", ".join(
                f"{n} {reason}" for reason, n in Counter(t.reason for t in targets).most_common()
            )
            raise SceneError(
                f"{frames.name} gives no triplet from {len(targets)} kept frames ({counts}); use a"
                " video rather than single photographs, or widen min_parallax, max_parallax and"
                " min_inliers."
            )
        write_pictures(
            {t.frame: _members(t, reach) for t in admitted},
            frames / "frames",
            folder,
            camera,
            settings,
            pool,
        )
    poses = _pose_table(admitted, reach, kept, sfm_poses, metric)
    attitude, origin = _attitude(table, frames / "frames", camera.K, settings)
    attitude.to_parquet(folder / "attitude.parquet", index=False)
    poses = poses.merge(attitude, on="frame", how="left")
    poses.insert(0, "scene", frames.name)
    poses.to_parquet(folder / "poses.parquet", index=False)
    pd.DataFrame(
        {
            "frame": np.array([t.frame for t in targets], np.int64),
            "offset": np.array([t.offset for t in targets], np.int64),
            "parallax": [t.parallax for t in targets],
            "inliers": np.array([t.inliers for t in targets], np.int64),
            "target": [not t.reason for t in targets],
            "reason": [t.reason for t in targets],
        }
    ).to_parquet(folder / "targets.parquet", index=False)
    two_view = poses[poses["origin"] == "two_view"]
    return {
        "targets": [t.frame for t in admitted],
        "kept": len(targets),
        "span": max(_sources(t, reach)[-1] - _sources(t, reach)[0] for t in admitted),
        "frame_offset": Counter(t.offset for t in admitted).most_common(1)[0][0],
        "parallax": (
            float(np.nanmedian([t.parallax for t in admitted]))
            if any(np.isfinite(t.parallax) for t in admitted)
            else None
        ),
        "attitude": origin,
        "reasons": dict(sorted(Counter(t.reason for t in targets if t.reason).items())),
        "two_view": len(two_view) / (2 * reach * len(admitted)),
        "colmap": int((poses["origin"] == "colmap").sum()) / (2 * reach * len(admitted)),
    }


def _attitude(
    table: pd.DataFrame, frames: Path, K_33: np.ndarray, settings: TripletSettings
) -> tuple[pd.DataFrame, str | None]:
    """The upward direction in the axes of every kept frame, and what tells it."""
    kept = table["kept"].to_numpy()
    up, origin = np.full((int(kept.sum()), 3), np.nan), None
    if (
        settings.attitude != "none"
        and set(UP_COLUMNS) <= set(table.columns)
        and table.loc[kept, UP_COLUMNS].notna().any(axis=None)
    ):
        up, origin = table.loc[kept, UP_COLUMNS].to_numpy(float), "telemetry"
    elif settings.attitude == "auto" and table["motion"].notna().any():
        # Frames that were thinned out afterwards were steps all the same.
        steps = np.where(kept | (table["reason"] == THINNED), table["motion"].fillna(0.0), 0.0)
        positions = np.full((len(table), 3), np.nan)
        if {"east", "north", "up"} <= set(table.columns):
            known = table[["east", "north", "up"]].to_numpy(float)
            positions = smooth_positions(table["time"].to_numpy(float), known)
        paths = [frames / numbered(frame, ".jpg") for frame in table.loc[kept, "frame"]]
        up = up_of_frames(
            paths,
            K_33,
            table.loc[kept, "segment"].to_numpy(),
            np.cumsum(steps)[kept],
            positions[kept],
        )
        origin = "motion" if np.isfinite(up).any() else None
    columns = dict(zip(UP_COLUMNS, up.T, strict=True))
    return pd.DataFrame({"frame": table.loc[kept, "frame"].to_numpy(np.int64), **columns}), origin


def _use_dump(frames: Path, folder: Path, settings: TripletSettings) -> dict:
    """Triplets that somebody else made, byte for byte; only their relative poses are added.

    The numbers of their sources are not known; they are counted from the target's.
    """
    dump = read_dump(frames / FOLDER)

    def look(triplet: DumpedTriplet) -> tuple[int, list[TwoView | None]]:
        image = read_image(triplet.path)
        parts = [] if image is None else parts_of(image, triplet.K)
        if len(parts) != settings.sequence_length or parts[0].shape[:2] != (
            settings.height,
            settings.width,
        ):
            size = (
                "unreadable"
                if image is None
                else f"{len(parts)} frames of {parts[0].shape[1]}x{parts[0].shape[0]}"
            )
            raise SceneError(
                f"{triplet.path.name} of the dump in {frames.name} is {size}, the settings say"
                f" {settings.sequence_length} of {settings.width}x{settings.height}; set"
                " triplets.width, height and sequence_length to the dump's."
            )
        views = [
            prepare(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY), settings.corners)
            for part in parts
        ]
        target = len(views) // 2
        others = [view for index, view in enumerate(views) if index != target]
        shutil.copyfile(triplet.path, folder / numbered(triplet.number, ".jpg"))
        calibration = triplet.path.with_name(f"{triplet.path.stem}{CALIBRATION_SUFFIX}")
        shutil.copyfile(calibration, folder / numbered(triplet.number, CALIBRATION_SUFFIX))
        return triplet.number, [
            relative_pose(views[target], other, triplet.K, settings.max_epipolar_error)
            for other in others
        ]

    reach = settings.sequence_length // 2
    steps = [k for k in range(-reach, reach + 1) if k]
    rows, targets = [], []
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        for number, found in progress(
            pool.map(look, dump), f"dump of {frames.name}", len(dump), "triplet"
        ):
            nearest = [
                two_view
                for step, two_view in zip(steps, found, strict=True)
                if abs(step) == 1 and two_view is not None
            ]
            parallax = (
                float(np.mean([t.parallax for t in nearest])) / settings.width
                if nearest
                else float("nan")
            )
            targets.append(
                (number, 1, parallax, min((t.inliers if t else 0) for t in found), True, "")
            )
            for step, two_view in zip(steps, found, strict=True):
                if two_view is not None and two_view.inliers >= settings.min_inliers:
                    rows.append(
                        (
                            number,
                            number + step,
                            *two_view.T.ravel(),
                            "two_view",
                            two_view.inliers,
                            float("nan"),
                        )
                    )
    poses = pd.DataFrame(
        rows, columns=["frame", "source_frame", *POSE_COLUMNS, "origin", "inliers", "length"]
    ).astype({"length": float})
    poses.insert(0, "scene", frames.name)
    poses.to_parquet(folder / "poses.parquet", index=False)
    table = pd.DataFrame(
        targets, columns=["frame", "offset", "parallax", "inliers", "target", "reason"]
    )
    table.to_parquet(folder / "targets.parquet", index=False)
    return {
        "targets": table["frame"].tolist(),
        "kept": len(table),
        "span": 2 * reach,
        "frame_offset": 1,
        "parallax": float(table["parallax"].median()) if table["parallax"].notna().any() else None,
        "attitude": None,
        "reasons": {},
        "two_view": len(poses) / (2 * reach * len(table)),
        "colmap": 0.0,
    }


def _square(T: np.ndarray) -> np.ndarray:
    full = np.eye(4)
    full[:3] = np.asarray(T, float)[:3]
    return full


class _Geometry:
    """Two-view geometry of pairs of frames, each frame prepared once while it is near."""

    def __init__(
        self,
        folder: Path,
        K_33: np.ndarray,
        width: int,
        settings: TripletSettings,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.folder, self.K, self.width, self.settings, self.pool = (
            folder,
            K_33,
            width,
            settings,
            pool,
        )
        self._views: OrderedDict[int, View] = OrderedDict()
        self._lock = threading.Lock()

    def view(self, frame: int) -> View:
        with self._lock:
            if frame in self._views:
                self._views.move_to_end(frame)
                return self._views[frame]
        path = self.folder / numbered(frame, ".jpg")
        image = read_image(path)
        if image is None:
            raise SceneError(
                f"{path} cannot be read; remove the scene's folder below 02_intermediate and run"
                " frame_extraction again."
            )
        view = prepare(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), self.settings.corners)
        with self._lock:
            self._views[frame] = view
            while len(self._views) > 96:
                self._views.popitem(last=False)
        return view

    def ensure(
        self, wanted: list[tuple[_Segment, int, int]], title: str = "two-view geometry"
    ) -> None:
        """Compute the pairs (segment, earlier, later) that are not known yet."""
        missing = list(
            {(id(s), a, b): (s, a, b) for s, a, b in wanted if (a, b) not in s.pairs}.values()
        )
        found = self.pool.map(
            lambda pair: self._pose(pair[0].frames[pair[1]], pair[0].frames[pair[2]]), missing
        )
        for (segment, a, b), result in zip(
            missing, progress(found, title, len(missing), "pair"), strict=True
        ):
            segment.pairs[a, b] = result

    def _pose(self, earlier: int, later: int) -> TwoView | None:
        return relative_pose(
            self.view(earlier), self.view(later), self.K, self.settings.max_epipolar_error
        )


def _choose_offset(segments: list[_Segment], geometry: _Geometry, settings: TripletSettings) -> int:
    """The offset at which the median parallax of sampled pairs is nearest to the middle of the
    range."""
    goal = _goal(settings)
    longest = max(len(s.frames) for s in segments)
    offset, best = 1, 1
    closeness = np.inf
    while offset <= max(1, (longest - 1) // 2):
        places = [(s, p, p + offset) for s in segments for p in range(len(s.frames) - offset)]
        places = [
            places[i]
            for i in sorted(
                {round(x) for x in np.linspace(0, len(places) - 1, min(_SAMPLES, len(places)))}
            )
        ]
        geometry.ensure(places, "frame offset")
        parallax = [
            two_view.parallax / geometry.width
            for s, a, b in places
            if (two_view := s.pairs[a, b]) is not None
        ]
        if len(parallax) < 0.5 * len(places):
            break
        middle = float(np.median(parallax))
        if abs(np.log(middle / goal)) < closeness:
            best, closeness = offset, abs(np.log(middle / goal))
        if middle >= goal:
            break
        # The parallax grows about in proportion; twice as far at most, since a first step of a
        # pixel says little.
        offset = max(offset + 1, min(2 * offset, round(offset * goal / middle)))
    return best


def _goal(settings: TripletSettings) -> float:
    return float(np.sqrt(settings.min_parallax * settings.max_parallax))


def _measure(
    targets: list[_Target], geometry: _Geometry, reach: int, settings: TripletSettings, name: str
) -> None:
    """Compute all pairs; with `auto`, give targets with too much or too little parallax, or too
    near to an end, another offset."""
    automatic = settings.frame_offset == "auto"

    def pairs(some: list[_Target]) -> list[tuple[_Segment, int, int]]:
        return [(t.segment, a, b) for t in some if _fits(t, reach) for a, b in _pairs(t, reach)]

    geometry.ensure(pairs(targets), f"two-view geometry of {name}")
    for target in targets:
        _note(target, geometry.width)
    if not automatic:
        return
    tried = {id(t): (t.offset, t.parallax) for t in targets}
    again = []
    for target in targets:
        widest = min(target.position, len(target.segment.frames) - 1 - target.position) // reach
        if not _fits(target, reach):
            other = widest if widest >= target.offset / 2 else 0
        elif (
            np.isfinite(target.parallax)
            and not settings.min_parallax <= target.parallax <= settings.max_parallax
        ):
            other = min(
                widest, max(1, round(target.offset * _goal(settings) / max(target.parallax, 1e-4)))
            )
        else:
            continue
        if other >= 1 and other != target.offset:
            target.offset = other
            again.append(target)
    geometry.ensure(pairs(again), f"two-view geometry of {name}, other offsets")
    for target in again:
        _note(target, geometry.width)
        if not settings.min_parallax <= target.parallax <= settings.max_parallax:
            target.offset, target.parallax = tried[id(target)]


def _fits(target: _Target, reach: int) -> bool:
    return (
        reach * target.offset
        <= target.position
        < len(target.segment.frames) - reach * target.offset
    )


def _pairs(target: _Target, reach: int) -> list[tuple[int, int]]:
    """The pairs (earlier, later) of a target and its sources, the nearest ones first."""
    p, n = target.position, target.offset
    return [pair for k in range(1, reach + 1) for pair in ((p - k * n, p), (p, p + k * n))]


def _sources(target: _Target, reach: int) -> list[int]:
    """Frame numbers of the sources, by time."""
    p, n, frames = target.position, target.offset, target.segment.frames
    return [frames[p + k * n] for k in range(-reach, reach + 1) if k]


def _note(target: _Target, width: int) -> None:
    nearest = [target.segment.pairs.get(pair) for pair in _pairs(target, 1)]
    known = [two_view.parallax / width for two_view in nearest if two_view is not None]
    target.parallax = float(np.mean(known)) if known else float("nan")


def _find_doubtful(segment: _Segment) -> None:
    """Compare each pair's direction of travel with the pairs before and after.

    A pair that agrees with neither takes the rival pose that does, where a plane left it one; else
    it is doubtful.
    """
    by_offset: dict[int, list[tuple[int, int]]] = {}
    for a, b in sorted(pair for pair, two_view in segment.pairs.items() if two_view is not None):
        by_offset.setdefault(b - a, []).append((a, b))
    for pairs in by_offset.values():
        way = np.array([_direction(segment.pairs[pair]) for pair in pairs])
        for index, pair in enumerate(pairs):
            sides = [
                way[max(0, index - _NEIGHBOURS) : index],
                way[index + 1 : index + 1 + _NEIGHBOURS],
            ]
            medians = [np.median(side, axis=0) for side in sides if len(side) >= 2]
            best = min(
                (segment.pairs[pair], *segment.pairs[pair].rivals),
                key=lambda found: _disagreement(found, medians),
            )
            if _disagreement(segment.pairs[pair], medians) <= _DIRECTION_TOLERANCE:
                continue
            if _disagreement(best, medians) <= _DIRECTION_TOLERANCE:
                segment.pairs[pair] = best
                way[index] = _direction(best)
            else:
                segment.doubtful.add(pair)


def _direction(two_view: TwoView) -> np.ndarray:
    """Where the later camera lies, seen from the earlier one."""
    return invert(two_view.T)[:3, 3]


def _disagreement(two_view: TwoView, medians: list[np.ndarray]) -> float:
    """Angle to the nearer of the neighbours' directions; 0 without neighbours."""
    return min(
        (float(angle_between(_direction(two_view), median)) for median in medians), default=0.0
    )


def _reason(
    target: _Target, reach: int, settings: TripletSettings, sfm_poses: dict[int, np.ndarray]
) -> str:
    """Why a frame is no target; '' where it is one."""
    if not _fits(target, reach):
        return "no source"
    segment = target.segment
    pairs = _pairs(target, reach)
    found = [segment.pairs.get(pair) for pair in pairs]
    target.inliers = min(two_view.inliers if two_view is not None else 0 for two_view in found)
    if settings.frame_offset == "auto" and np.isfinite(target.parallax):
        if target.parallax < settings.min_parallax:
            return "too little parallax"
        if target.parallax > settings.max_parallax:
            return "too much parallax"
    levels = np.array([segment.brightness[p] for p in {p for pair in pairs for p in pair}]) + 1
    if (
        np.isfinite(levels).all()
        and levels.max() / levels.min() > (1 + settings.max_exposure_change) ** 1.5
    ):
        return "exposure"
    if all(frame in sfm_poses for frame in (target.frame, *_sources(target, reach))):
        return ""
    if target.inliers < settings.min_inliers:
        return "few inliers"
    if settings.min_inliers and any(pair in segment.doubtful for pair in pairs):
        return "direction"
    return ""


def _members(target: _Target, reach: int) -> list[int]:
    """Frame numbers of the whole triplet, by time."""
    return sorted((target.frame, *_sources(target, reach)))


def _pose_table(
    targets: list[_Target],
    reach: int,
    kept: pd.DataFrame,
    sfm_poses: dict[int, np.ndarray],
    metric: bool,
) -> pd.DataFrame:
    """One row for each target, source and origin; `T_source_from_target`."""
    place = _positions(kept)
    rows = []
    for target in targets:
        frames = target.segment.frames
        for earlier, later in sorted(_pairs(target, reach)):
            source = later if earlier == target.position else earlier
            ends = frames[target.position], frames[source]
            two_view = target.segment.pairs.get((earlier, later))
            if two_view is not None and (earlier, later) not in target.segment.doubtful:
                T = two_view.T.copy() if source == later else invert(two_view.T)
                length = (
                    float(np.linalg.norm(place[ends[1]] - place[ends[0]]))
                    if place
                    else float("nan")
                )
                if length > 0:  # False for NaN
                    T[:3, 3] *= length
                rows.append(
                    (
                        *ends,
                        *T.ravel(),
                        "two_view",
                        two_view.inliers,
                        length if length > 0 else float("nan"),
                    )
                )
            if ends[0] in sfm_poses and ends[1] in sfm_poses:
                T = sfm_poses[ends[1]] @ invert(sfm_poses[ends[0]])
                length = float(np.linalg.norm(T[:3, 3])) if metric else float("nan")
                rows.append((*ends, *T.ravel(), "colmap", 0, length))
    table = pd.DataFrame(
        rows, columns=["frame", "source_frame", *POSE_COLUMNS, "origin", "inliers", "length"]
    )
    return table.astype(
        {"frame": np.int64, "source_frame": np.int64, "inliers": np.int64, "length": float}
    )


def _point_table(targets: list[int], sfm_points: Callable[[int], np.ndarray]) -> pd.DataFrame:
    tables = [
        pd.DataFrame(
            {
                "frame": pd.Series(dtype=np.int64),
                **{axis: pd.Series(dtype=np.float32) for axis in "xyz"},
            }
        )
    ]
    for target in targets:
        points = sfm_points(target)
        points = points[:: max(1, math.ceil(len(points) / _POINTS))].astype(np.float32)
        tables.append(
            pd.DataFrame(points, columns=list("xyz")).assign(frame=np.int64(target))[
                ["frame", *"xyz"]
            ]
        )
    return pd.concat(tables, ignore_index=True)


def _positions(kept: pd.DataFrame) -> dict[int, np.ndarray]:
    """Smoothed positions in metres of all kept frames, or nothing unless all are known: one scene
    has one unit."""
    columns = ["east", "north", "up"]
    if not set(columns) <= set(kept.columns):
        return {}
    positions = kept[columns].to_numpy(float)
    if (
        not np.isfinite(positions).all()
        or len(positions) == 0
        or np.ptp(positions, axis=0).max() < 1.0
    ):
        return {}
    smooth = smooth_positions(kept["time"].to_numpy(float), positions)
    return dict(zip(kept["frame"].astype(int), smooth, strict=True))
