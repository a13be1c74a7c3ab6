"""An image per scene: frame, depth, confidence and sparse points, to be looked at."""

from pathlib import Path

import cv2
import numpy as np
from PIL.Image import Image, fromarray

from aerial_depth_pipeline.files import evenly
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.mvs.planes import inverse_of
from aerial_depth_pipeline.reporting.colours import colour_map
from aerial_depth_pipeline.sfm.scene_model import SceneModel, read_scene_model
from aerial_depth_pipeline.sfm.sparse_depth import sparse_points


def scene_image(frames: Path, ground_truth: Path, rows: int = 4, width: int = 384) -> Image:
    """Draw a row per view, spread over the scene: frame, depth, agreement of other views, sparse
    points on the frame.

    Near is bright; black is no depth. The colours of depth and of the sparse points share one range
    per row.

    Args:
        frames: the scene's frames.
        ground_truth: its ground truth.
        rows: at most so many views.
        width: width of each tile in pixels.
    """
    truth, model = SceneFolder(ground_truth), read_scene_model(ground_truth)
    views = evenly(list(truth.depth_files()), rows)
    lines = [_row(SceneFolder(frames), truth, model, view, width) for view in views]
    return fromarray(np.concatenate(lines))


def _row(
    frames: SceneFolder, truth: SceneFolder, model: SceneModel, frame: int, width: int
) -> np.ndarray:
    image, depth, confidence = frames.image(frame), truth.depth(frame), truth.confidence(frame)
    if confidence is None:
        confidence = np.zeros(depth.shape, np.uint8)
    pixels, sparse = sparse_points(model, frame)
    known = depth > 0
    low, high = np.percentile(1 / np.concatenate([depth[known], sparse]), [2, 98])
    most = max(int(confidence.max()), 1)
    maps = [
        colour_map(inverse_of(depth), low, high) * known[..., None],
        colour_map(confidence.astype(float), 0, most, "viridis") * (confidence > 0)[..., None],
    ]
    size = width, round(width * image.shape[0] / image.shape[1])
    tiles = [cv2.resize(image, size, interpolation=cv2.INTER_AREA)]
    tiles += [cv2.resize(coloured, size, interpolation=cv2.INTER_NEAREST) for coloured in maps]
    dots = (tiles[0] * 0.4).astype(np.uint8)
    colours = colour_map(1 / sparse, low, high)
    scale = width / image.shape[1]
    for (x, y), colour in zip(pixels * scale, colours, strict=True):
        cv2.circle(dots, (int(x), int(y)), 2, [int(c) for c in colour], -1, cv2.LINE_AA)
    return np.concatenate([*tiles, dots], axis=1)
