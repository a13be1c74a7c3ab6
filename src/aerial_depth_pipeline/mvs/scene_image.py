"""A picture per scene: frame, depth, confidence and sparse points, to be looked at."""

import logging
from pathlib import Path

import cv2
import numpy as np

from aerial_depth_pipeline.formats.depth_maps import read_depth
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import decode, read_frame
from aerial_depth_pipeline.reporting.colours import colour_map
from aerial_depth_pipeline.sfm.scene_model import SceneModel, read_scene_model
from aerial_depth_pipeline.sfm.sparse_depth import sparse_points

logger = logging.getLogger(__name__)


def ground_truth_picture(
    frames: Path, ground_truth: Path, path: Path, rows: int = 4, width: int = 384
) -> Path:
    """Write a PNG with a row per view, spread over the scene: frame, depth, agreement of other
    views, sparse points on the frame.

    Near is bright; black is no depth. The colours of depth and of the sparse points share one range
    per row.

    Args:
        frames: the scene's frames.
        ground_truth: its ground truth.
        path: where the picture is written.
        rows: at most so many views.
        width: width of each tile in pixels.
    """
    maps = sorted((Path(ground_truth) / "depth").glob("*.tiff"))
    model = read_scene_model(ground_truth)
    chosen = [
        maps[i]
        for i in sorted(
            set(np.linspace(0, len(maps) - 1, min(rows, len(maps))).round().astype(int))
        )
    ]
    lines = [
        _row(Path(frames), Path(ground_truth), model, int(depth.stem), width) for depth in chosen
    ]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.concatenate(lines)[..., ::-1]):
        raise OSError(f"{path} cannot be written")
    return path


def _row(frames: Path, ground_truth: Path, model: SceneModel, frame: int, width: int) -> np.ndarray:
    image = read_frame(frames / "frames" / numbered(frame, ".jpg"))
    depth = read_depth(ground_truth / "depth" / numbered(frame, ".tiff"))
    path = ground_truth / "confidence" / numbered(frame, ".png")
    confidence = np.zeros(depth.shape, np.uint8)
    if path.is_file():
        confidence = decode(path, cv2.IMREAD_UNCHANGED, "Confidence", "ground_truth")
    pixels, sparse = sparse_points(model, frame)
    known = depth > 0
    values = 1 / np.concatenate([depth[known], sparse])
    low, high = np.percentile(values, [2, 98])

    height = round(width * image.shape[0] / image.shape[1])
    tiles = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)]
    coloured = (
        colour_map(np.where(known, 1 / np.where(known, depth, 1), 0), low, high) * known[..., None]
    )
    tiles.append(cv2.resize(coloured, (width, height), interpolation=cv2.INTER_NEAREST))
    agreement = (
        colour_map(confidence.astype(float), 0, max(int(confidence.max()), 1), "viridis")
        * (confidence > 0)[..., None]
    )
    tiles.append(
        cv2.resize(agreement.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    )
    dots = (tiles[0] * 0.4).astype(np.uint8)
    colours = colour_map(1 / sparse, low, high)
    scale = width / image.shape[1]
    for (x, y), colour in zip(pixels * scale, colours, strict=True):
        cv2.circle(dots, (int(x), int(y)), 2, [int(c) for c in colour], -1, cv2.LINE_AA)
    return np.concatenate([*tiles, dots], axis=1)
