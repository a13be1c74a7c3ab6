"""The scale of a COLMAP model of the same footage, by the depth of its sparse points."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.footage import Footage
from aerial_depth_pipeline.capture.sources.source import SourceFrame
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import evenly, read_json
from aerial_depth_pipeline.formats.file_names import numbered

_MANIFEST = "ground_truth.json"
_FEWEST_POINTS = 20


@dataclass(frozen=True)
class ColmapViews:
    """What a COLMAP model says of the depth of images.

    Attributes:
        path: where the model was read.
        points: an image's name without folder and ending → pixels [N, 2], as shares of width and
            height, and z-depth [N].
        metric: whether the model is known to be in metres.
    """

    path: Path
    points: dict[str, tuple[np.ndarray, np.ndarray]]
    metric: bool


@dataclass(frozen=True)
class ColmapRatios:
    """How a COLMAP model's depth compares with predicted depth: one median ratio for each frame
    that was looked at."""

    path: Path
    ratios: list[float]
    metric: bool


def read_colmap_views(path: Path) -> ColmapViews:
    """Read a COLMAP model.

    Args:
        path: a folder with `cameras`, `images` and `points3D` (.bin or .txt), or one that has it as
            `sfm/` (a scene's folder in `03_primary/`, whose `ground_truth.json` says whether it is
            metric) or as `sparse/0/`.

    Raises:
        UserError: where there is no model, or it cannot be read.
    """
    from aerial_depth_pipeline.sfm.colmap import pycolmap

    path = Path(path)
    folders = (path, path / "sfm", path / "sparse" / "0")
    models = [f for f in folders if any((f / f"images.{s}").is_file() for s in ("bin", "txt"))]
    if not models:
        raise UserError(
            f"{path} holds no COLMAP model (cameras, images, points3D; .bin or .txt); correct"
            " predict.colmap."
        )
    folder = models[0]
    try:
        model = pycolmap.Reconstruction(folder)
    except (ValueError, RuntimeError, OSError) as error:
        raise UserError(
            f"The COLMAP model in {folder} cannot be read ({str(error).strip()[:200]}); copy or"
            " make it again."
        ) from error
    points = {}
    for image_id in model.reg_image_ids():
        image = model.image(image_id)
        seen, camera = image.get_observation_points2D(), image.camera
        if len(seen) < _FEWEST_POINTS or camera is None:
            continue
        pose = image.cam_from_world().matrix()
        world = np.array([model.points3D[point.point3D_id].xyz for point in seen])
        depth = world @ pose[2, :3] + pose[2, 3]
        pixels = np.array([point.xy for point in seen]) / (camera.width, camera.height)
        usable = (depth > 0) & ((pixels >= 0) & (pixels < 1)).all(1)
        points[Path(image.name).stem] = pixels[usable], depth[usable]
    manifest = folder.parent / _MANIFEST
    metric = manifest.is_file() and read_json(manifest).get("metric") is True
    return ColmapViews(folder, points, metric)


def compare_with_views(
    views: ColmapViews, footage: Footage, predict: Callable[[SourceFrame], np.ndarray], count: int
) -> ColmapRatios:
    """The median ratio of the model's depth to the predicted depth in at most `count` frames of the
    footage that COLMAP placed.

    A point's pixel is taken from where COLMAP observed it. Where its images were undistorted and
    the footage is not, that is a pixel or so beside it, which the median does not mind.

    Args:
        views: the COLMAP model; an image is found by its file's name, a frame of a video by its
            index in six digits.
        footage: the source.
        predict: predicted depth [H, W] of a frame, at the footage's size.
        count: frames to look at, evenly spread.
    """
    chosen = set(evenly(sorted(views.points), count))
    indices = {int(name) for name in chosen if name.isdecimal()}
    width, height, is_video = footage.width, footage.height, footage.is_video
    ratios = []
    for frame in footage.source.frames(width, height, lambda i: not is_video or i in indices):
        name = numbered(frame.index) if is_video else Path(frame.name).stem
        if frame.image is not None and name in chosen:
            pixels, depth = views.points[name]
            columns, rows = (pixels * (width, height)).astype(int).T
            ratios.append(float(np.median(depth / predict(frame)[rows, columns])))
    return ColmapRatios(views.path, ratios, views.metric)
