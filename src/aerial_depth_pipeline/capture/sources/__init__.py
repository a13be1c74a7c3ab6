"""The kinds of footage, one file each, in the order in which a folder is searched for them."""

from pathlib import Path

from aerial_depth_pipeline.capture.sources.gta import GtaExport
from aerial_depth_pipeline.capture.sources.kitti_folder import PreparedFolder
from aerial_depth_pipeline.capture.sources.leftovers import besides, elsewhere, unread
from aerial_depth_pipeline.capture.sources.photographs import PhotographSource
from aerial_depth_pipeline.capture.sources.sfmlearner import SfmLearnerDump
from aerial_depth_pipeline.capture.sources.source import Fix, Source, SourceFrame
from aerial_depth_pipeline.capture.sources.video import VideoSource
from aerial_depth_pipeline.errors import SceneError

__all__ = ["SOURCES", "Fix", "Source", "SourceFrame", "open_source"]

SOURCES: list[type[Source]] = [
    VideoSource,
    GtaExport,
    PreparedFolder,
    SfmLearnerDump,
    PhotographSource,
]


def open_source(raw: Path) -> Source:
    """Find and open what a scene's folder holds.

    Raises:
        SceneError: where there is nothing to read, more than one thing to choose from, or it cannot
            be opened.
    """
    if not raw.is_dir():
        raise SceneError(
            f"{raw} is not a folder; a scene is a folder with a video or a folder images/ in it."
        )
    images = raw / "images"
    for kind in SOURCES:
        if (source := kind.find(raw)) is not None:
            taken = source.path.relative_to(raw).as_posix()
            leftovers = [*unread(raw, False, source.path), *unread(images, True, source.path)]
            if isinstance(source, VideoSource) or source.kind == "photographs":
                leftovers += besides(raw, taken)
            for sentence in leftovers:
                source.warn(sentence)
            return source
    found = "".join(f" {s}" for s in [*unread(raw, False, None), *unread(images, True, None)])
    raise SceneError(
        f"{raw} holds no footage; put a video (video.mp4) or a folder images/ with photographs"
        f" there.{found}{elsewhere(raw)}"
    )
