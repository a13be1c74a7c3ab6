"""Frames → poses and depth maps through COLMAP and multi-view stereo; used to measure, and for poses."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import lanes
from aerial_depth_pipeline.pipelines.ground_truth.nodes import build_scene_ground_truth


def create_pipeline(**_: object) -> Pipeline:
    return lanes(
        [
            Node(
                build_scene_ground_truth,
                inputs=["frames", "ground_truth_on_disk", "params:ground_truth", "params:work_folder"],
                outputs=["ground_truth", "ground_truth_report"],
                name="build_ground_truth",
            )
        ],
        parameters={"ground_truth", "work_folder"},
    )
