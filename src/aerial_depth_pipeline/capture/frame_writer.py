"""Files of an extracted scene: frames, known depth, true poses and the table of frames."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.selection import FrameRecord
from aerial_depth_pipeline.capture.sources import Source
from aerial_depth_pipeline.capture.undistortion import Undistortion
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import BoundedExecutor, visible_files
from aerial_depth_pipeline.formats.cameras import DEVIATION_COLUMN, HEIGHT_COLUMN, UP_COLUMNS
from aerial_depth_pipeline.formats.depth_maps import read_known_depth
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import read_frame, write_jpeg
from aerial_depth_pipeline.formats.scene_folder import SceneFolder

_DEPTH_SUFFIXES = (".png", ".tif", ".tiff")
# What other programs write depth as
_MAYBE_DEPTH = {*_DEPTH_SUFFIXES, *".npy .npz .exr .pfm .jpg .jpeg .bin .dpt .h5 .mat".split()}


def writers() -> BoundedExecutor:
    """Threads that write, with a bounded number of images that wait."""
    return BoundedExecutor(max(2, os.cpu_count() or 2), 32)


def write_frame(
    path: Path, image_HW3: np.ndarray, undistortion: Undistortion | None, quality: int
) -> None:
    """Write a frame as JPEG, undistorted where that moves its pixels."""
    if undistortion is not None and undistortion.moves_pixels:
        image_HW3 = undistortion.image(image_HW3)
    write_jpeg(path, image_HW3, quality)


def undistort_frames(paths: list[Path], undistortion: Undistortion, quality: int) -> None:
    """Undistort frames that were written before their camera was known."""
    if not undistortion.moves_pixels:
        return
    with writers() as writer:
        for path in paths:
            writer.submit(lambda p: write_frame(p, read_frame(p), undistortion, quality), path)


def depth_files(raw: Path) -> dict[int, Path]:
    """Known depth that came with a scene, by frame."""
    files = sorted((raw / "depth").glob("*"))
    known = [p for p in files if p.suffix.lower() in _DEPTH_SUFFIXES and p.stem.isdecimal()]
    return {int(p.stem): p for p in known}


def unread_depth(raw: Path, last: int) -> list[str]:
    """Sentences on files of known depth that belong to no frame, of which `last` is the last."""
    known = depth_files(raw)
    others = [p for p in visible_files(raw / "depth", _MAYBE_DEPTH) if p not in known.values()]
    beyond = [path for frame, path in known.items() if frame > last]
    name = f"name each by the frame's number from 0, {numbered(0, '.png')} (16-bit, centimetres) or"
    name += f" {numbered(0, '.tif')} (32-bit float, metres)"
    return [
        f"{len(paths)} files in {raw / 'depth'} are not used as depth because {why}"
        f" ({', '.join(path.name for path in paths[:3])}{', …' * (len(paths) > 3)}); {name}."
        for paths, why in (
            (others, "their names or endings are others"),
            (beyond, f"the last frame is {last}"),
        )
        if paths
    ]


def copy_depth(
    source: Source, raw: Path, frames: list[int], folder: SceneFolder, undistortion: Undistortion
) -> int:
    """Write the known depth of frames, undistorted; the number of maps."""
    files, own = depth_files(raw), source.depth_frames()
    chosen = [frame for frame in frames if frame in files or frame in own]

    def copy(frame: int) -> None:
        depth = read_known_depth(files[frame]) if frame in files else source.read_depth(frame)
        if depth is not None:
            folder.write_depth(frame, undistortion.depth(depth))

    with writers() as writer:
        for frame in chosen:
            writer.submit(copy, frame)
    return len(folder.depth_files())


def copy_poses(raw: SceneFolder, folder: SceneFolder, frames: list[int]) -> None:
    """Copy the true poses of frames, where the scene has any; a SceneError where they are not a
    table of poses."""
    path = raw.poses_file
    if not path.is_file():
        return
    try:
        poses = pd.read_csv(path)
        poses[poses["frame"].isin(frames)].to_csv(folder.poses_file, index=False)
    except (KeyError, ValueError) as error:
        raise SceneError(
            f"{path} is not a table of poses ({error}); correct it or remove it: it is only used to"
            " measure."
        ) from error


def frame_table(
    rows: list[FrameRecord],
    positions_N3: np.ndarray,
    deviations_N: np.ndarray,
    up_N3: np.ndarray,
    heights_N: np.ndarray,
) -> pd.DataFrame:
    """`frames.parquet`: a row for every frame that was considered."""
    columns = "frame time segment sharpness brightness motion parallax kept reason name".split()
    table = pd.DataFrame({name: [getattr(row, name) for row in rows] for name in columns})
    table[["east", "north", "up"]] = positions_N3
    table[DEVIATION_COLUMN] = deviations_N
    table[UP_COLUMNS] = up_N3
    table[HEIGHT_COLUMN] = heights_N
    return table.astype({"frame": np.int64, "segment": np.int64})
