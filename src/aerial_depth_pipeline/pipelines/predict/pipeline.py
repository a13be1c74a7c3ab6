"""Depth model and footage → films, depth maps, point clouds."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.predict.nodes import choose_model, predict_depth


def create_pipeline(**_: object) -> Pipeline:
    return Pipeline(
        [
            Node(
                choose_model,
                inputs=["models", "params:predict"],
                outputs="chosen_model",
                name="choose_model",
            ),
            Node(
                predict_depth,
                inputs=["chosen_model", "params:predict", "params:work_folder"],
                outputs="prediction",
                name="predict_depth",
            ),
        ]
    )
