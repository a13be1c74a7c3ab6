"""The ground truth of one scene: poses, sparse points and dense depth, with its
quality."""

import logging
import time
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import evenly
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.mvs.accuracy import measure_depth
from aerial_depth_pipeline.mvs.dense import FilteredDepth, dense_depth
from aerial_depth_pipeline.mvs.settings import GroundTruthSettings
from aerial_depth_pipeline.sfm.reconstruction import read_gray, reconstruct

logger = logging.getLogger(__name__)

_USEFUL_COVERAGE = 0.01


def build_ground_truth(
    frames: Path, folder: Path, settings: GroundTruthSettings, work: Path
) -> dict:
    """Reconstruct a scene and write `sfm/`, `depth/NNNNNN.tiff`, `confidence/NNNNNN.png` (agreeing
    views) and `ground_truth.json`.

    Args:
        frames: the scene's frames: `frames/NNNNNN.jpg`, `frames.parquet`, `camera.yaml`.
        folder: an empty folder for the result.
        settings: settings of structure from motion and dense depth.
        work: a folder that survives a restart, for features, matches and unfiltered depth.

    Returns:
        The content of `ground_truth.json`.

    Raises:
        SceneError: if the scene cannot be reconstructed, with the reason in plain words.
    """
    start = time.monotonic()
    frames, folder, work = Path(frames), Path(folder), Path(work)
    folder.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    scene = reconstruct(frames, folder, settings.sfm, work)
    images = {frame: read_gray(frames, frame) for frame in scene.model.frames}
    views = scene.views
    if settings.dense.max_depth_maps:
        views = evenly(views, settings.dense.max_depth_maps)
    dense_inputs = scene.model, images, views
    folders = work, frames, folder / "sfm"
    depths, dense = dense_depth(*dense_inputs, settings.dense, *folders)
    per_frame = {numbered(view): _write(folder, view, depth) for view, depth in depths.items()}
    written = [entry for entry in per_frame.values() if entry["written"]]
    if not written:
        raise SceneError(
            "No depth is confirmed by more than one view. The scene shows water, moving things or a"
            " mirroring surface, or its camera is wrong; check camera.yaml, or leave the scene out."
        )
    content = {
        **scene.summary,
        **dense,
        "views": len(views),
        "depth_maps": len(written),
        "coverage": round(float(np.mean([entry["coverage"] for entry in written])), 4),
        "agreement": round(float(np.mean([entry["agreement"] for entry in written])), 2),
        "seconds": round(time.monotonic() - start, 1),
        "per_frame": per_frame,
    }
    if settings.compare and SceneFolder(frames).depth_files():
        content["compared"] = []
        for backend in settings.compare:
            if backend == dense["backend"]:
                continue
            chosen = settings.dense.model_copy(update={"backend": backend})
            other, summary = dense_depth(*dense_inputs, chosen, work / backend, *folders[1:])
            maps = ((view, depth.depth_HW) for view, depth in other.items())
            accuracy = measure_depth(maps, frames, content["metric"])
            if accuracy is not None:
                content["compared"].append(summary | accuracy)
    SceneFolder(folder).write_description(content)
    coverage, seconds = 100 * content["coverage"], content["seconds_per_view"]
    message = "%s: %d depth maps by %s, coverage %.0f %%, %.2f s a view."
    logger.info(message, frames.name, len(written), content["backend"], coverage, seconds)
    return content


def _write(folder: Path, view: int, result: FilteredDepth) -> dict:
    """Write depth and confidence of a view, unless nearly empty; its entry in `per_frame`."""
    known = result.depth_HW > 0
    coverage = round(float(known.mean()), 4)
    if known.mean() < _USEFUL_COVERAGE:
        return {"coverage": coverage, "agreement": 0.0, "written": False}
    SceneFolder(folder).write_depth(view, result.depth_HW)
    # How many other views agree: small files that tell whoever uses the depth how far to trust it.
    confidence = np.where(known, result.agreeing_HW, 0).astype(np.uint8)
    SceneFolder(folder).write_confidence(view, confidence)
    agreement = round(float(result.agreeing_HW[known].mean()), 2)
    return {"coverage": coverage, "agreement": agreement, "written": True}
