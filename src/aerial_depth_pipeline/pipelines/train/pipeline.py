"""Triplets of all domains → one depth model."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import in_every_domain
from aerial_depth_pipeline.pipelines.train.nodes import train_depth_model


def create_pipeline(**_: object) -> Pipeline:
    of_domains = in_every_domain("triplet_lists", "frames", "ground_truth")
    return Pipeline(
        [
            Node(
                train_depth_model,
                inputs=[
                    "params:train",
                    "params:checkpoints_folder",
                    "params:model_card",
                    *of_domains,
                ],
                outputs="depth_model",
                name="train_depth_model",
            )
        ]
    )
