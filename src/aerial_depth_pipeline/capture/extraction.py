"""From a scene's footage to undistorted frames with a camera: one decode, every decision on
record."""

import json
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.camera_lookup import known_camera, resize_camera
from aerial_depth_pipeline.capture.motion.attitude import up_of_gimbal
from aerial_depth_pipeline.capture.selection import Considered, reasons, select, thin_out
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources import Fix, Source, open_source
from aerial_depth_pipeline.capture.sources.exif import camera_from_35mm
from aerial_depth_pipeline.capture.telemetry.telemetry import (
    Telemetry,
    at_times,
    up_at_times,
)
from aerial_depth_pipeline.capture.telemetry.telemetry_files import find_telemetry
from aerial_depth_pipeline.capture.undistortion import Undistortion, plan_undistortion
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import BoundedExecutor, disk_full_as_sentence
from aerial_depth_pipeline.formats.cameras import UP_COLUMNS, camera_to_yaml
from aerial_depth_pipeline.formats.depth_maps import read_known_depth, write_depth
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import fit_width, read_image, write_jpeg
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.geodesy import local_metres
from aerial_depth_pipeline.progress import progress_bar

logger = logging.getLogger(__name__)

_INTERIM_QUALITY = 98  # frames that are compressed once more after self-calibration
# Flow between two calibration frames, share of the width, that matching still bridges with ease
_CALIBRATION_STEP = 0.12
_CANDIDATES_PER_SECOND = 15


def extract_frames(
    raw: Path,
    folder: Path,
    settings: FrameExtractionSettings,
    self_calibrate: Callable[[list[Path]], Camera],
) -> dict:
    """Decode a scene, choose its frames, undistort and write them.

    Args:
        raw: the scene's folder below 01_raw; it is only read.
        folder: an empty local folder, which receives `frames/NNNNNN.jpg`, `frames.parquet`,
            `camera.yaml`, `summary.json` and, where the raw scene has them, `depth/NNNNNN.tiff` and
            `poses.csv`.
        settings: see `FrameExtractionSettings`.
        self_calibrate: finds the camera of images from the images alone; called only where nothing
            else tells it.

    Returns:
        The content of `summary.json`.

    Raises:
        SceneError: where the scene cannot be used; the message names the file, what is wrong and
            what to do.
        UserError: where the disk is full.
    """
    advice = "free some space, or lower max_width or max_frames, and run again: finished scenes are kept."
    with disk_full_as_sentence(folder, advice):
        return _extract(Path(raw), Path(folder), settings, self_calibrate)


def _extract(raw: Path, folder: Path, settings: FrameExtractionSettings, self_calibrate) -> dict:
    source = open_source(raw)
    width, height = fit_width(source.width, source.height, settings.max_width)
    known = known_camera(raw, source, settings.camera)
    telemetry, told = (
        find_telemetry(raw, source.path if source.kind == "video" else None, source.fps)
        if source.continuous
        else (None, [])
    )
    depths = _depth_files(raw)
    with_depth = set(depths) | source.depth_frames()
    stride = _stride(settings.stride, source)
    camera, undistortion = None, None
    if known is not None:
        camera = resize_camera(known[0], width, height)
        undistortion = _plan(camera, raw)

    frames = folder / "frames"
    frames.mkdir(parents=True)
    focal = camera.K[0, 0] / width if camera else None
    quality = settings.jpeg_quality if camera else max(settings.jpeg_quality, _INTERIM_QUALITY)
    stream = source.frames(width, height, lambda index: index % stride == 0)
    rows: list[Considered] = []
    with (
        BoundedExecutor(max(2, os.cpu_count() or 2), 32) as writer,
        progress_bar(None, f"frames of {raw.name}", unit="frame") as bar,
    ):
        for row in select(stream, settings, focal, source.continuous, with_depth):
            if row.kept:
                writer.submit(
                    _write_frame,
                    frames / numbered(row.frame, ".jpg"),
                    row.image,
                    undistortion,
                    quality,
                )
            row.image = None
            rows.append(row)
            bar.update()
    for row in thin_out(rows, settings.max_frames, with_depth):
        (frames / numbered(row.frame, ".jpg")).unlink()
    kept = [row for row in rows if row.kept]
    warnings = [*source.warnings, *told]
    if len(kept) < 3:
        found = ", ".join(f"{count} {reason}" for reason, count in reasons(rows).items())
        told = f" {' '.join(warnings)}" if warnings else ""
        raise SceneError(
            f"{source.path} gives {len(kept)} usable frames of {len(rows)}"
            f" considered{f' ({found})' if found else ''}; at least 3 are needed.{told} Use a"
            " longer capture in which the camera moves."
        )
    if camera is None:
        camera, origin_of_camera = _calibrate(
            source, rows, frames, width, height, settings, self_calibrate, telemetry, warnings
        )
        undistortion = _plan(camera, raw)
        _undistort_files(
            [frames / numbered(row.frame, ".jpg") for row in kept],
            undistortion,
            settings.jpeg_quality,
        )
    else:
        origin_of_camera = known[1]
    (folder / "camera.yaml").write_text(camera_to_yaml(undistortion.camera), encoding="utf-8")

    positions, origin = _positions(source, rows, telemetry, warnings)
    up = _attitude(source, rows, telemetry)
    exact = _carry_depth(source, depths, kept, folder, undistortion)
    _carry_poses(raw, folder, kept)
    source.hand_on(folder)
    _write_table(folder, rows, positions, up)
    counts = reasons(rows)
    summary = {
        "source": source.path.name,
        "kind": source.kind,
        "source_width": source.width,
        "source_height": source.height,
        "frames_per_second": source.fps,
        "stride": stride,
        "frames": len(rows),
        "kept": len(kept),
        "segments": len({row.segment for row in kept}),
        "reasons": counts,
        "width": undistortion.camera.width,
        "height": undistortion.camera.height,
        "camera_source": origin_of_camera,
        "camera_model": camera.model,
        "focal_length": undistortion.camera.params[0],
        "telemetry": (
            telemetry.source if telemetry is not None else ("exif" if origin is not None else None)
        ),
        "origin": (
            None
            if origin is None
            else {
                "latitude": origin.latitude,
                "longitude": origin.longitude,
                "altitude": origin.altitude,
            }
        ),
        "metric": origin is not None,
        "attitude": "telemetry" if np.isfinite(up).any() else None,
        "exact_depth": exact,
        "true_poses": (folder / "poses.csv").is_file(),
        "warnings": warnings,
    }
    (folder / "summary.json").write_text(
        json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for warning in warnings:
        logger.warning("%s: %s", raw.name, warning)
    logger.info(
        "%s: %d of %d frames kept, camera from %s", raw.name, len(kept), len(rows), origin_of_camera
    )
    return summary


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


def _write_frame(
    path: Path, image_HW3: np.ndarray, undistortion: Undistortion | None, quality: int
) -> None:
    if undistortion is not None and _moves_pixels(undistortion):
        image_HW3 = undistortion.image(image_HW3)
    write_jpeg(path, image_HW3, quality)


def _moves_pixels(undistortion: Undistortion) -> bool:
    """Whether undistortion changes anything: a pinhole camera's pixels stay where they are."""
    same_size = (undistortion.camera.width, undistortion.camera.height) == (
        undistortion.source_width,
        undistortion.source_height,
    )
    return not (
        same_size
        and abs(undistortion.x_HW[0, 0] - 0.5) < 1e-3
        and abs(undistortion.y_HW[-1, -1] - undistortion.source_height + 0.5) < 1e-3
    )


def _undistort_files(paths: list[Path], undistortion: Undistortion, quality: int) -> None:
    if not _moves_pixels(undistortion):
        return
    with BoundedExecutor(max(2, os.cpu_count() or 2), 32) as writer:
        for path in paths:
            writer.submit(lambda p: write_jpeg(p, undistortion.image(read_image(p)), quality), path)


def _calibrate(
    source,
    rows,
    frames,
    width,
    height,
    settings,
    self_calibrate,
    telemetry: Telemetry | None,
    warnings,
) -> tuple[Camera, str]:
    chosen = calibration_frames(rows, settings.calibration_frames)
    paths = [frames / numbered(row.frame, ".jpg") for row in chosen]
    logger.info(
        "%s: the camera is not known and is calibrated from %d frames", source.path.name, len(paths)
    )
    try:
        camera = self_calibrate(paths)
    except SceneError as error:
        stated = _stated_focal(source, telemetry)
        if stated is None:
            raise SceneError(
                f"The camera of {source.path} is not known and cannot be calibrated from its"
                f" frames: {error} Add a camera.yaml."
            ) from error
        equivalent, told_by, origin = stated
        warnings.append(
            f"Self-calibration failed ({error}) and the camera is taken from the {equivalent:g} mm"
            f" that {told_by} states, which may be off by a tenth."
        )
        return camera_from_35mm(equivalent, width, height), origin
    if (camera.width, camera.height) != (width, height):
        camera = resize_camera(camera, width, height)
    return camera, "self_calibration"


def _stated_focal(source: Source, telemetry: Telemetry | None) -> tuple[float, str, str] | None:
    """The 35 mm equivalent in millimetres, the file that states it or names the drone, and what the
    report calls that."""
    if telemetry is not None and telemetry.focal_35mm is not None:
        return telemetry.focal_35mm, telemetry.source, "telemetry"
    equivalent = source.stated_focal_35mm()
    return None if equivalent is None else (equivalent, source.path.name, "drone_model")


def calibration_frames(rows: list[Considered], limit: int) -> list[Considered]:
    """At most `limit` kept frames for self-calibration: as widely spread as matching between
    neighbours allows.

    They lie in the segment with the most frames and are evenly spaced in accumulated motion; where
    the capture is long, the spacing stops at what still overlaps well and a run in the middle is
    taken.
    """
    kept = [row for row in rows if row.kept]
    counts = {
        segment: sum(row.segment == segment for row in kept)
        for segment in sorted({row.segment for row in kept})
    }
    longest = max(counts, key=counts.get)
    run = [row for row in kept if row.segment == longest]
    if len(run) <= limit:
        return run
    steps = np.array([row.motion if np.isfinite(row.motion) else 0.0 for row in run])
    steps[0] = 0.0
    way = np.cumsum(steps) if steps.sum() > 0 else np.arange(len(run)) * _CALIBRATION_STEP
    length = min(way[-1], (limit - 1) * _CALIBRATION_STEP)
    start = (way[-1] - length) / 2
    nearest = {
        int(np.abs(way - place).argmin()) for place in np.linspace(start, start + length, limit)
    }
    return [run[i] for i in sorted(nearest)]


def _positions(
    source: Source, rows: list[Considered], telemetry: Telemetry | None, warnings: list[str]
) -> tuple[np.ndarray, Fix | None]:
    """East, north, up [N, 3] of every considered frame (NaN where unknown), and their origin."""
    times = np.array([row.time for row in rows])
    unknown = np.full((len(rows), 3), np.nan)
    if telemetry is not None:
        warnings += telemetry.warnings
        positions = at_times(telemetry, times)
        uncovered = int(np.isnan(positions[:, 0]).sum())
        if uncovered:
            warnings.append(
                f"{telemetry.source} covers {len(rows) - uncovered} of {len(rows)} frames; the"
                " others have no position."
            )
        first = telemetry.position_N3[0]
        if uncovered == len(rows):
            return unknown, None
    else:
        fixes = source.fixes()
        if not fixes:
            return unknown, None
        positions = np.array(
            [
                (
                    (f.latitude, f.longitude, f.altitude)
                    if (f := fixes.get(row.frame))
                    else (np.nan,) * 3
                )
                for row in rows
            ]
        )
        uncovered = int(np.isnan(positions[:, 0]).sum())
        if uncovered:
            warnings.append(
                f"{uncovered} of {len(rows)} photographs of {source.path.name} have no position."
            )
        first = next((p for p in positions if np.isfinite(p).all()), None)
        if first is None:
            return unknown, None
    origin = Fix(*(float(value) for value in first))
    return local_metres(positions, (origin.latitude, origin.longitude, origin.altitude)), origin


def _attitude(source: Source, rows: list[Considered], telemetry: Telemetry | None) -> np.ndarray:
    """The upward direction in the camera's axes [N, 3] of every considered frame, from a gimbal's
    angles; NaN where these are not known."""
    if telemetry is not None and not source.turned:
        return up_at_times(telemetry, np.array([row.time for row in rows]))
    stated = {} if source.continuous else source.angles()
    return up_of_gimbal(*np.array([stated.get(row.frame, (np.nan, np.nan)) for row in rows]).T)


def _depth_files(raw: Path) -> dict[int, Path]:
    folder = raw / "depth"
    if not folder.is_dir():
        return {}
    files = [
        p
        for p in sorted(folder.iterdir())
        if p.suffix.lower() in (".png", ".tif", ".tiff") and p.stem.isdecimal()
    ]
    return {int(p.stem): p for p in files}


def _carry_depth(
    source: Source,
    depths: dict[int, Path],
    kept: list[Considered],
    folder: Path,
    undistortion: Undistortion,
) -> int:
    own = source.depth_frames()
    chosen = [row.frame for row in kept if row.frame in depths or row.frame in own]
    if not chosen:
        return 0
    (folder / "depth").mkdir()

    def carry(frame: int) -> None:
        depth = read_known_depth(depths[frame]) if frame in depths else source.read_depth(frame)
        if depth is not None:
            write_depth(folder / "depth" / numbered(frame, ".tiff"), undistortion.depth(depth))

    with BoundedExecutor(max(2, os.cpu_count() or 2), 32) as writer:
        for frame in chosen:
            writer.submit(carry, frame)
    return len(list((folder / "depth").iterdir()))


def _carry_poses(raw: Path, folder: Path, kept: list[Considered]) -> None:
    path = raw / "poses.csv"
    if not path.is_file():
        return
    try:
        poses = pd.read_csv(path)
        poses[poses["frame"].isin([row.frame for row in kept])].to_csv(
            folder / "poses.csv", index=False
        )
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise SceneError(
            f"{path} is not a table of poses ({error}); correct it or remove it: it is only used to"
            " measure."
        ) from error


def _write_table(
    folder: Path, rows: list[Considered], positions_N3: np.ndarray, up_N3: np.ndarray
) -> None:
    table = pd.DataFrame(
        {
            "frame": np.array([row.frame for row in rows], np.int64),
            "time": [row.time for row in rows],
            "segment": np.array([row.segment for row in rows], np.int64),
            "sharpness": [row.sharpness for row in rows],
            "brightness": [row.brightness for row in rows],
            "motion": [row.motion for row in rows],
            "parallax": [row.parallax for row in rows],
            "kept": [row.kept for row in rows],
            "reason": [row.reason for row in rows],
            "name": [row.name for row in rows],
            "east": positions_N3[:, 0],
            "north": positions_N3[:, 1],
            "up": positions_N3[:, 2],
            **dict(zip(UP_COLUMNS, up_N3.T, strict=True)),
        }
    )
    table.to_parquet(folder / "frames.parquet", index=False)
