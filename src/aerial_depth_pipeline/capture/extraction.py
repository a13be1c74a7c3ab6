"""From a scene's footage to undistorted frames with a camera: decoded once, every decision on
record."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.camera_lookup import resize_camera
from aerial_depth_pipeline.capture.footage import Footage
from aerial_depth_pipeline.capture.frame_writer import (
    copy_depth,
    copy_poses,
    depth_files,
    frame_table,
    undistort_frames,
    unread_depth,
    write_frame,
    writers,
)
from aerial_depth_pipeline.capture.selection import (
    ZOOM,
    FrameRecord,
    reasons,
    select,
    thin_out,
)
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources import Source, SourceFrame, open_source
from aerial_depth_pipeline.capture.sources.focal_length import camera_from_35mm
from aerial_depth_pipeline.capture.sources.source import Fix
from aerial_depth_pipeline.capture.undistortion import Undistortion, plan_undistortion
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import disk_full_as_sentence, made_ahead
from aerial_depth_pipeline.formats.images import fit_width
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.progress import progress

logger = logging.getLogger(__name__)

_DISK_FULL = (
    "free some space, or lower max_width or max_frames, and run again: finished scenes are kept."
)
SelfCalibration = Callable[[list[Path]], Camera]

_INTERIM_QUALITY = 98  # of frames that are compressed once more after self-calibration
# Flow between two calibration frames, share of the width, that matching still bridges with ease
_CALIBRATION_STEP = 0.12
_CANDIDATES_PER_SECOND = 15
_STEP_FOR_POINTS = 0.02  # flow between two frames, share of the width


def extract_frames(
    raw: Path, folder: Path, settings: FrameExtractionSettings, self_calibrate: SelfCalibration
) -> dict:
    """Decode a scene, choose its frames, undistort and write them.

    Args:
        raw: the scene's folder below 01_raw; it is only read.
        folder: an empty local folder, which receives the files of docs/design.md; depth and poses
            where the raw scene has them.
        settings: see `FrameExtractionSettings`.
        self_calibrate: finds the camera from images alone; called only where nothing else tells it.

    Returns:
        The content of `summary.json`.

    Raises:
        SceneError: where the scene cannot be used; the message names the file, what is wrong and
            what to do.
        UserError: where the disk is full.
    """
    with disk_full_as_sentence(folder, _DISK_FULL):
        return _extract(Path(raw), SceneFolder(Path(folder)), settings, self_calibrate)


def _extract(
    raw: Path, out: SceneFolder, settings: FrameExtractionSettings, self_calibrate: SelfCalibration
) -> dict:
    source = open_source(raw)
    size = fit_width(source.width, source.height, settings.max_width)
    footage = Footage.open(raw, source, size, settings.camera, videos_only=False)
    undistortion = None if footage.known_camera is None else _plan(footage.camera, raw)
    stride = _stride(settings.stride, source)
    rows = _write_selected(footage, out, settings, stride, undistortion)
    kept = [row.frame for row in rows if row.kept]
    warnings = [*source.warnings, *footage.warnings]
    if len(kept) < 3:
        counts = ", ".join(f"{count} {reason}" for reason, count in reasons(rows).items())
        details = " ".join(["", *warnings])
        raise SceneError(
            f"{source.path} gives {len(kept)} usable frames of {len(rows)}"
            f" considered{f' ({counts})' if counts else ''}; at least 3 are needed.{details} Use a"
            " longer capture in which the camera moves."
        )
    if undistortion is None:
        warnings += _calibrate(footage, rows, out, settings, self_calibrate)
        undistortion = _plan(footage.camera, raw)
        paths = [out.image_file(frame) for frame in kept]
        undistort_frames(paths, undistortion, settings.jpeg_quality)
    pinhole = undistortion.camera
    origin, up = _write_tables(footage, out, rows, pinhole, warnings)
    warnings += unread_depth(raw, rows[-1].frame + stride - 1)
    exact = copy_depth(source, raw, kept, out, undistortion)
    copy_poses(SceneFolder(raw), out, kept)
    source.hand_on(out.path)
    exif = "exif" if origin is not None else None
    summary = {
        "source": source.path.name,
        "kind": source.kind,
        "source_width": source.width,
        "source_height": source.height,
        "frames_per_second": source.fps,
        "recorded": _recorded(source),
        "stride": stride,
        "frames": len(rows),
        "kept": len(kept),
        "segments": len({row.segment for row in rows if row.kept}),
        "reasons": reasons(rows),
        "width": pinhole.width,
        "height": pinhole.height,
        "camera_source": footage.camera_origin,
        "camera_model": footage.camera.model,
        "focal_length": pinhole.params[0],
        "telemetry": exif if footage.telemetry is None else footage.telemetry.source,
        "origin": None if origin is None else origin._asdict(),
        "metric": origin is not None,
        "attitude": "telemetry" if np.isfinite(up).any() else None,
        "exact_depth": exact,
        "true_poses": out.poses_file.is_file(),
        "warnings": warnings,
    }
    out.write_summary(summary)
    for warning in warnings:
        logger.warning("%s: %s", raw.name, warning)
    message = "%s: %d of %d frames kept, camera from %s"
    logger.info(message, raw.name, len(kept), len(rows), footage.camera_origin)
    return summary


def extract_for_points(footage: Footage, folder: Path) -> Undistortion:
    """Choose, undistort and write frames of footage with a known camera, with `frames.parquet` and
    `camera.yaml`, and nothing else: about two for every step that triangulation needs, however
    long the footage is.

    Raises:
        SceneError: where the camera cannot be undistorted.
    """
    out = SceneFolder(folder)
    settings = FrameExtractionSettings(max_frames=None, min_motion=_STEP_FOR_POINTS)
    undistortion = _plan(footage.camera, footage.path)
    stride = _stride(settings.stride, footage.source)
    rows = _write_selected(footage, out, settings, stride, undistortion)
    _write_tables(footage, out, rows, undistortion.camera, [])
    return undistortion


def _write_tables(
    footage: Footage, out: SceneFolder, rows: list[FrameRecord], camera: Camera, warnings: list[str]
) -> tuple[Fix | None, np.ndarray]:
    """Write `camera.yaml` and `frames.parquet`; the origin of the positions and the upward
    directions [N, 3]."""
    frames, times = [row.frame for row in rows], np.array([row.time for row in rows])
    positions, origin = footage.positions(frames, times, warnings)
    up = footage.up(frames, times)
    out.write_camera(camera)
    deviations, heights = footage.deviations(frames), footage.heights(frames, times)
    out.write_frame_table(frame_table(rows, positions, deviations, up, heights))
    return origin, up


def _recorded(source: Source) -> list[float] | None:
    """Seconds since 1970 at which the recording began and ended; None where the file is silent."""
    start, duration = source.recording.start, source.recording.duration
    return None if start is None or duration is None else [start, start + duration]


def _stride(stride: int | str, source: Source) -> int:
    if stride != "auto":
        return int(stride)
    if not source.continuous or not source.fps:
        return 1
    return max(1, math.floor(source.fps / _CANDIDATES_PER_SECOND + 0.1))


def _plan(camera: Camera, raw: Path) -> Undistortion:
    try:
        return plan_undistortion(camera)
    except ValueError as error:
        raise SceneError(
            f"The camera of {raw} ({camera.model}) cannot be undistorted: {error}. Correct"
            " camera.yaml, or remove it so that the camera is calibrated from the frames."
        ) from error


def _write_selected(
    footage: Footage,
    out: SceneFolder,
    settings: FrameExtractionSettings,
    stride: int,
    undistortion: Undistortion | None,
) -> list[FrameRecord]:
    """Write the frames that are kept; the decision on every frame."""
    out.images.mkdir(parents=True)
    source, focal, quality = footage.source, None, max(settings.jpeg_quality, _INTERIM_QUALITY)
    if footage.known_camera is not None:
        focal, quality = footage.camera.K[0, 0] / footage.width, settings.jpeg_quality
    with_depth = set(depth_files(footage.path)) | source.depth_frames()
    frames = source.frames(footage.width, footage.height, lambda index: index % stride == 0)
    stream = _without_zoomed(made_ahead(frames), footage)
    rows: list[FrameRecord] = []
    selected = select(stream, settings, focal, source.continuous, with_depth)
    with writers() as writer:
        for row in progress(selected, f"frames of {footage.path.name}", unit="frame"):
            if row.kept:
                path = out.image_file(row.frame)
                writer.submit(write_frame, path, row.image, undistortion, quality)
            row.image = None
            rows.append(row)
    for row in thin_out(rows, settings.max_frames, with_depth):
        out.image_file(row.frame).unlink()
    return rows


def _without_zoomed(frames: Iterator[SourceFrame], footage: Footage) -> Iterator[SourceFrame]:
    """The frames without those that telemetry gives another focal length than most."""
    for frame in frames:
        if footage.telemetry is not None and footage.telemetry.is_zoomed(frame.time):
            yield replace(frame, image=None, reason=frame.reason or ZOOM)
        else:
            yield frame


def _calibrate(
    footage: Footage,
    rows: list[FrameRecord],
    out: SceneFolder,
    settings: FrameExtractionSettings,
    self_calibrate: SelfCalibration,
) -> list[str]:
    """Find the camera by self-calibration, else by the focal length that is stated; warnings."""
    name, size = footage.source.path.name, (footage.width, footage.height)
    chosen = calibration_frames(rows, settings.calibration_frames)
    logger.info("%s: the camera is not known and is calibrated from %d frames", name, len(chosen))
    try:
        camera = self_calibrate([out.image_file(row.frame) for row in chosen])
    except SceneError as error:
        stated = footage.stated_focal_35mm()
        if stated is None:
            raise SceneError(
                f"The camera of {footage.source.path} is not known and cannot be calibrated from"
                f" its frames: {error} Add a camera.yaml."
            ) from error
        focal, file, footage.camera_origin = stated
        footage.known_camera = camera_from_35mm(focal, *size)
        return [
            f"Self-calibration failed ({error}) and the camera is taken from the {focal:g} mm"
            f" that {file} states, which may be off by a tenth."
        ]
    is_resized = (camera.width, camera.height) != size
    footage.known_camera = resize_camera(camera, *size) if is_resized else camera
    footage.camera_origin = "self_calibration"
    return []


def calibration_frames(rows: list[FrameRecord], limit: int) -> list[FrameRecord]:
    """At most `limit` kept frames for self-calibration, from the segment with the most: evenly
    spaced in accumulated motion, as widely as still overlaps well, about its middle."""
    kept = [row for row in rows if row.kept]
    counts = Counter(row.segment for row in kept)
    longest = max(sorted(counts), key=lambda segment: counts[segment])
    members = [row for row in kept if row.segment == longest]
    if len(members) <= limit:
        return members
    steps = np.array([row.motion if np.isfinite(row.motion) else 0.0 for row in members])
    steps[0] = 0.0
    way = np.cumsum(steps) if steps.sum() > 0 else np.arange(len(members)) * _CALIBRATION_STEP
    length = min(way[-1], (limit - 1) * _CALIBRATION_STEP)
    start = (way[-1] - length) / 2
    places = np.linspace(start, start + length, limit)
    return [members[i] for i in sorted({int(np.abs(way - place).argmin()) for place in places})]
