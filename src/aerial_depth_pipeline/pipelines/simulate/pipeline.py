"""Flights over procedural worlds, rendered with exact depth and written like real footage."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import lanes
from aerial_depth_pipeline.pipelines.simulate.nodes import simulate_flights


def create_pipeline(**_: object) -> Pipeline:
    return lanes(
        [
            Node(
                simulate_flights,
                inputs=[
                    "domain",
                    "footage",
                    "simulated_scenes",
                    "params:simulate",
                    "params:work_folder",
                ],
                outputs=["raw_scenes", "simulate_report"],
                name="simulate_flights",
            )
        ],
        parameters={"simulate", "work_folder"},
    )
