"""Footage → frames, camera, telemetry."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import lanes
from aerial_depth_pipeline.pipelines.frame_extraction.nodes import extract_scene_frames


def create_pipeline(**_: object) -> Pipeline:
    return lanes(
        [
            Node(
                extract_scene_frames,
                inputs=[
                    "domain",
                    "raw_scenes",
                    "frames_on_disk",
                    "params:frame_extraction",
                    "params:work_folder",
                ],
                outputs=["frames", "frame_extraction_report"],
                name="extract_frames",
            )
        ],
        parameters={"frame_extraction", "work_folder"},
    )
