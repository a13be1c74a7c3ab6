"""Frames → training triplets in the SfMLearner layout, with relative poses and splits."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import lanes
from aerial_depth_pipeline.pipelines.triplets.nodes import (
    draw_triplets,
    make_scene_triplets,
    split_domain,
)


def create_pipeline(**_: object) -> Pipeline:
    return lanes(
        [
            Node(
                make_scene_triplets,
                inputs=[
                    "domain",
                    "frames",
                    "ground_truth",
                    "triplets_on_disk",
                    "params:triplets",
                    "params:work_folder",
                ],
                outputs=["triplets", "triplets_report"],
                name="make_triplets",
            ),
            Node(
                split_domain,
                inputs=["domain", "frames", "triplets", "params:triplets"],
                outputs="triplet_lists",
                name="split_triplets",
            ),
            Node(
                draw_triplets,
                inputs=["domain", "frames", "triplets", "params:triplets"],
                outputs="triplet_figures",
                name="draw_triplets",
            ),
        ],
        parameters={"triplets", "work_folder"},
    )
