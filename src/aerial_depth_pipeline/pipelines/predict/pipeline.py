"""Depth model and footage → films, depth maps, point clouds."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.predict.nodes import predict_depth


def create_pipeline(**_: object) -> Pipeline:
    return Pipeline(
        [
            Node(
                predict_depth,
                inputs=["depth_model", "params:predict", "params:work_folder"],
                outputs="prediction",
                name="predict_depth",
            )
        ]
    )
