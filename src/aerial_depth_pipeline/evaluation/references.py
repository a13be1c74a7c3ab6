"""References: the depth maps that predictions are measured against, and the frames they belong
to."""

import logging
from dataclasses import dataclass
from pathlib import Path

from aerial_depth_pipeline.formats.scene_folder import SceneFolder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """A frame with known depth.

    Attributes:
        frame: index of the frame in its source.
        image: path of the undistorted frame, JPEG.
        depth: path of its depth map, float32 TIFF, 0 = none, at the frame's size.
        kind: `exact` for depth that came with the scene, else the backend that made it
            (`plane_sweep`, `patch_match`, …).
        metric: whether the depth is in metres.
        ground_truth: the scene's folder in `03_primary/`, where conventional methods left their
            depth; None without one.
        triplets: folder of the scene's triplets, whose tables hold the frames' attitudes and
            points; None without one.
    """

    frame: int
    image: Path
    depth: Path
    kind: str
    metric: bool
    ground_truth: Path | None = None
    triplets: Path | None = None

    @property
    def scene_folder(self) -> Path:
        """The scene's folder in `02_intermediate/`."""
        return self.image.parent.parent


def find_references(frames: Path, ground_truth: Path | None) -> list[Reference]:
    """The frames of one scene that have known depth, in the order of time.

    Exact depth that came with the scene wins over depth from its images, for the whole scene:
    numbers against two kinds of reference are not to be mixed.

    Args:
        frames: the scene's folder in `02_intermediate/`.
        ground_truth: the scene's folder in `03_primary/`, if it has one.

    Raises:
        SceneError: if `ground_truth.json` is there and cannot be read.
    """
    exact = SceneFolder(frames).depth_files()
    if exact:
        return _references(frames, exact, "exact", True, ground_truth)
    if ground_truth is None:
        return []
    computed = SceneFolder(ground_truth).depth_files()
    if not computed:
        return []
    description = SceneFolder(ground_truth).description()
    kind, metric = description.get("backend") or "sfm", description.get("metric", False)
    return _references(frames, computed, str(kind), bool(metric), ground_truth)


def _references(
    frames: Path, depth_maps: dict[int, Path], kind: str, metric: bool, ground_truth: Path | None
) -> list[Reference]:
    found = []
    for frame, depth in sorted(depth_maps.items()):
        image = SceneFolder(frames).image_file(frame)
        if image.is_file():
            found.append(Reference(frame, image, depth, kind, metric, ground_truth))
    if len(found) < len(depth_maps):
        without, count = len(depth_maps) - len(found), len(depth_maps)
        sentence = "%s: %d of %d depth maps belong to no kept frame and are not used."
        log.info(sentence, frames.name, without, count)
    return found
