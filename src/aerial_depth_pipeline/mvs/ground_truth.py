"""The ground truth of one scene: poses, sparse points and dense depth, with what is known about its
quality."""

import logging
import time
from pathlib import Path

import cv2
import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import write_json
from aerial_depth_pipeline.formats.depth_maps import write_depth
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.mvs.accuracy import measure_depth
from aerial_depth_pipeline.mvs.dense import dense_depth
from aerial_depth_pipeline.mvs.settings import GroundTruthSettings
from aerial_depth_pipeline.sfm.reconstruction import SceneReconstruction, read_gray, reconstruct

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
    if settings.dense.max_depth_maps and len(views) > settings.dense.max_depth_maps:
        places = np.linspace(0, len(views) - 1, settings.dense.max_depth_maps).round().astype(int)
        views = [views[i] for i in places]
    depths, dense = dense_depth(
        scene.model, images, views, settings.dense, work, frames, folder / "sfm"
    )

    (folder / "depth").mkdir(exist_ok=True)
    (folder / "confidence").mkdir(exist_ok=True)
    per_frame = {}
    for view, result in depths.items():
        coverage = float((result.depth_HW > 0).mean())
        if coverage < _USEFUL_COVERAGE:
            per_frame[numbered(view)] = {
                "coverage": round(coverage, 4),
                "agreement": 0.0,
                "written": False,
            }
            continue
        write_depth(folder / "depth" / numbered(view, ".tiff"), result.depth_HW)
        # How many other views agree: small files that tell whoever uses the depth how far to trust
        # it.
        cv2.imwrite(
            str(folder / "confidence" / numbered(view, ".png")),
            np.where(result.depth_HW > 0, result.agreeing_HW, 0).astype(np.uint8),
        )
        agreement = float(result.agreeing_HW[result.depth_HW > 0].mean())
        per_frame[numbered(view)] = {
            "coverage": round(coverage, 4),
            "agreement": round(agreement, 2),
            "written": True,
        }
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
    if settings.compare and (frames / "depth").is_dir():
        content["compared"] = _compare(
            scene, images, views, settings, work, frames, folder / "sfm", dense["backend"]
        )
    write_json(folder / "ground_truth.json", content)
    logger.info(
        "%s: %d depth maps by %s, coverage %.0f %%, %.2f s a view.",
        frames.name,
        len(written),
        content["backend"],
        100 * content["coverage"],
        content["seconds_per_view"],
    )
    return content


def _compare(
    scene: SceneReconstruction,
    images: dict[int, np.ndarray],
    views: list[int],
    settings: GroundTruthSettings,
    work: Path,
    frames: Path,
    sfm: Path,
    used: str,
) -> list[dict]:
    """The accuracy of other backends on the same views."""
    rows = []
    for backend in settings.compare:
        if backend == used:
            continue
        depths, dense = dense_depth(
            scene.model,
            images,
            views,
            settings.dense.model_copy(update={"backend": backend}),
            work / backend,
            frames,
            sfm,
        )
        measured = measure_depth(
            ((view, result.depth_HW) for view, result in depths.items()),
            frames,
            scene.summary["metric"],
        )
        if measured is not None:
            rows.append({**dense, **measured})
    return rows
