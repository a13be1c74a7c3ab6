"""How good ground truth is where exact depth is known: simulated flights, lidar, game engines."""

import json
from pathlib import Path

import cv2
import numpy as np

COLUMNS = [
    "backend",
    "domain",
    "scene",
    "abs_rel",
    "delta_1.25",
    "within_1pct",
    "within_5pct",
    "coverage",
    "scale_error",
    "registered",
    "frames",
    "seconds_per_view",
]


def ground_truth_accuracy(frames: Path, ground_truth: Path, domain: str, scene: str) -> dict | None:
    """A row of `ground_truth_accuracy.csv`, or None where there is no exact depth to compare with.

    Where the ground truth is metric it is compared as it is, so that an error of scale counts; else it is first scaled by the median
    ratio of the scene. `scale_error` is that ratio less one: the relative error of the metric scale, NaN where the scene is not metric.
    `coverage` is the share of the pixels with exact depth that the ground truth covers; the other figures are over these.

    Args:
        frames: the scene's frames with `depth/NNNNNN.tiff`, exact.
        ground_truth: the scene's ground truth.
        domain, scene: their names.
    """
    summary = json.loads((Path(ground_truth) / "ground_truth.json").read_text(encoding="utf-8"))
    ratios, known = [], 0
    for path in sorted((Path(ground_truth) / "depth").glob("*.tiff")):
        exact_path = Path(frames) / "depth" / path.name
        if not exact_path.is_file():
            continue
        depth, exact = (cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in (path, exact_path))
        if depth.shape != exact.shape:
            raise ValueError(f"{path} is {depth.shape[1]}x{depth.shape[0]}, {exact_path} is {exact.shape[1]}x{exact.shape[0]}")
        both = (depth > 0) & (exact > 0)
        known += int((exact > 0).sum())
        ratios.append(depth[both].astype(np.float64) / exact[both])
    ratio = np.concatenate(ratios) if ratios else np.empty(0)
    if not ratio.size:
        return None
    scale = float(np.median(ratio))
    if not summary["metric"]:
        ratio = ratio / scale
    error = np.abs(ratio - 1)
    return {
        "backend": summary["backend"],
        "domain": domain,
        "scene": scene,
        "abs_rel": float(error.mean()),
        "delta_1.25": float((np.maximum(ratio, 1 / ratio) < 1.25).mean()),
        "within_1pct": float((error < 0.01).mean()),
        "within_5pct": float((error < 0.05).mean()),
        "coverage": ratio.size / known,
        "scale_error": scale - 1 if summary["metric"] else float("nan"),
        "registered": summary["registered"],
        "frames": summary["frames"],
        "seconds_per_view": summary["seconds_per_view"],
    }
