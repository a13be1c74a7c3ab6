"""The model before the one in service → in service."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.nightly.nodes import roll_back_champion


def create_pipeline(**_: object) -> Pipeline:
    return Pipeline(
        [
            Node(
                roll_back_champion,
                inputs="params:nightly",
                outputs="rollback_outcome",
                name="roll_back_champion",
            )
        ]
    )
