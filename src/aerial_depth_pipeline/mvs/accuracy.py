"""Accuracy of ground truth where exact depth exists: simulated flights, lidar, game engines."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.formats.depth_maps import read_depth
from aerial_depth_pipeline.formats.scene_folder import SceneFolder

_ERRORS = ["abs_rel", "delta_1.25", "within_1pct", "within_5pct"]
_MEASURED = [*_ERRORS, "coverage", "scale_error"]
COLUMNS = ["backend", "domain", "scene", *_MEASURED, "registered", "frames", "seconds_per_view"]


def measure_depth(
    depths: Iterable[tuple[int, np.ndarray]], frames: Path, metric: bool
) -> dict[str, float] | None:
    """Compare depth maps with the exact depth of their frames; None where none of these frames has
    exact depth.

    Metric depth is compared as it is, so that an error of scale counts; other depth is first scaled
    by the median ratio of all maps.
    `scale_error` is that ratio less one: the relative error of the metric scale, NaN where depth is
    not metric. `coverage` is the share of the pixels with exact depth that have depth; the other
    figures are over these, NaN where there are none.

    Args:
        depths: frame and depth [H, W], 0 = none.
        frames: the scene's frames with `depth/NNNNNN.tiff`, exact.
        metric: whether depth is in metres.
    """
    ratios, pixels = [], 0
    for frame, depth in depths:
        path = SceneFolder(frames).depth_file(frame)
        if not path.is_file():
            continue
        exact = read_depth(path)
        if depth.shape != exact.shape:
            sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (depth, exact)]
            raise ValueError(f"depth of frame {frame} is {sizes[0]}, {path} is {sizes[1]}")
        both = (depth > 0) & (exact > 0)
        pixels += int((exact > 0).sum())
        ratios.append(depth[both].astype(np.float64) / exact[both])
    ratio = np.concatenate(ratios) if ratios else np.empty(0)
    if not pixels:
        return None
    if not ratio.size:
        return dict.fromkeys(_MEASURED, float("nan")) | {"coverage": 0.0}
    scale = float(np.median(ratio))
    if not metric:
        ratio = ratio / scale
    error = np.abs(ratio - 1)
    return {
        "abs_rel": float(error.mean()),
        "delta_1.25": float((np.maximum(ratio, 1 / ratio) < 1.25).mean()),
        "within_1pct": float((error < 0.01).mean()),
        "within_5pct": float((error < 0.05).mean()),
        "coverage": ratio.size / pixels,
        "scale_error": scale - 1 if metric else float("nan"),
    }


def ground_truth_accuracy(frames: Path, ground_truth: Path, domain: str, scene: str) -> list[dict]:
    """The rows of `ground_truth_accuracy.csv`: the scene's depth and that of the backends it was
    compared with; none without exact depth.

    Args:
        frames: the scene's frames with `depth/NNNNNN.tiff`, exact.
        ground_truth: the scene's ground truth.
        domain, scene: their names.
    """
    truth = SceneFolder(ground_truth)
    summary = truth.description()
    maps = ((frame, truth.depth(frame)) for frame in truth.depth_files())
    own = measure_depth(maps, frames, summary["metric"])
    rows = ([] if own is None else [own]) + summary.get("compared", [])
    common = summary | {"domain": domain, "scene": scene}
    return [{name: (common | row)[name] for name in COLUMNS} for row in rows]
