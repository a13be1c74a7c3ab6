"""Depth model and footage → videos, depth maps, point clouds."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.predict.nodes import choose_model, predict_depth


def create_pipeline(**_: object) -> Pipeline:
    return Pipeline(
        [
            Node(
                choose_model,
                inputs=["params:predict", "params:nightly.registered_model", "params:model_folder"],
                outputs="chosen_model",
                name="choose_model",
            ),
            Node(
                predict_depth,
                inputs=[
                    "chosen_model",
                    "params:predict",
                    "params:work_folder",
                    "predictions_on_disk",
                ],
                outputs="predictions",
                name="predict_depth",
            ),
        ]
    )
