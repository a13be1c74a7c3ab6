"""Depth model and references → tables, images, videos, one page."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import in_every_domain
from aerial_depth_pipeline.pipelines.evaluation.nodes import ENTRIES, evaluate_depth_model


def create_pipeline(**_: object) -> Pipeline:
    of_domains = in_every_domain("triplet_lists", "frames", "ground_truth")
    return Pipeline(
        [
            Node(
                evaluate_depth_model,
                inputs=[
                    "depth_model",
                    "params:evaluation",
                    "params:work_folder",
                    "params:model_card",
                    *of_domains,
                ],
                outputs={entry: entry for entry in ENTRIES},
                name="evaluate_depth_model",
            )
        ]
    )
