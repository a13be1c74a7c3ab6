"""Frames of every scene of a domain."""

from collections.abc import Iterator
from pathlib import Path

from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.pipelines.node_types import FinishedScenes, Json, Parameters, Scenes
from aerial_depth_pipeline.pipelines.scenes import process_scenes


def extract_scene_frames(
    domain: str, raw: Scenes, frames_on_disk: Scenes, parameters: Parameters, work: str
) -> Iterator[tuple[FinishedScenes, SceneReport]]:
    """Decode, select and undistort the frames of every scene; unchanged scenes are kept.

    Args:
        domain: its name.
        raw: the domain's footage.
        frames_on_disk: what was extracted before.
        parameters: `frame_extraction`.
        work: local folder for unfinished work.
    """
    settings = read_settings(FrameExtractionSettings, parameters, "frame_extraction")

    def compute(name: str, folder: Path, _: Path) -> Json:
        from aerial_depth_pipeline.capture.extraction import extract_frames
        from aerial_depth_pipeline.sfm.self_calibration import self_calibrate

        return extract_frames(raw[name].path, folder, settings, self_calibrate)

    yield from process_scenes(
        "frame_extraction",
        domain,
        raw,
        frames_on_disk,
        work,
        compute,
        made_from=lambda name: [raw[name].fingerprint, parameters],
    )
