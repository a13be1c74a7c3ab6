"""Depth model → ONNX graphs, checked on real frames."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import in_every_domain
from aerial_depth_pipeline.pipelines.export.nodes import export_depth_model


def create_pipeline(**_: object) -> Pipeline:
    of_domains = in_every_domain("triplet_lists", "frames", "ground_truth")
    return Pipeline(
        [
            Node(
                export_depth_model,
                inputs=["depth_model", "params:export", "params:work_folder", *of_domains],
                outputs="onnx_models",
                name="export_depth_model",
            )
        ]
    )
