"""Frames → poses and depth maps through COLMAP and multi-view stereo; used to measure, and for
poses."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import in_every_domain, lanes
from aerial_depth_pipeline.pipelines.ground_truth.nodes import (
    build_scene_ground_truth,
    report_ground_truth,
)


def create_pipeline(**_: object) -> Pipeline:
    of_scenes = lanes(
        [
            Node(
                build_scene_ground_truth,
                inputs=[
                    "domain",
                    "frames",
                    "ground_truth_on_disk",
                    "params:ground_truth",
                    "params:work_folder",
                ],
                outputs=["ground_truth", "ground_truth_report"],
                name="build_ground_truth",
            )
        ],
        parameters={"ground_truth", "work_folder"},
    )
    of_domains = in_every_domain("frames", "ground_truth")
    report = Node(
        report_ground_truth,
        inputs=of_domains,
        outputs=["ground_truth_accuracy", "ground_truth_images"],
        name="report_ground_truth",
    )
    return of_scenes + Pipeline([report])
