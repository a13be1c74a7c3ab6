"""What is new → challenger → decision → report → in service. The steps over scenes come from
`prepare` (see pipeline_registry)."""

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import in_every_domain
from aerial_depth_pipeline.pipelines.nightly.nodes import (
    STEPS,
    judge_challenger,
    look_for_new_scenes,
    promote_challenger,
    report_night,
    train_challenger,
)


def create_pipeline(**_: object) -> Pipeline:
    return Pipeline(
        [
            Node(
                look_for_new_scenes,
                inputs=["params:nightly", *in_every_domain("triplet_lists", "triplets")],
                outputs="night_plan",
                name="look_for_new_scenes",
            ),
            Node(
                train_challenger,
                inputs=[
                    "night_plan",
                    "params:nightly",
                    "params:train",
                    "params:checkpoints_folder",
                    "params:work_folder",
                    *in_every_domain("triplet_lists"),
                ],
                outputs="night_challenger",
                name="train_challenger",
            ),
            Node(
                judge_challenger,
                inputs=[
                    "night_plan",
                    "night_challenger",
                    "params:nightly",
                    "params:evaluation",
                    *in_every_domain("triplet_lists", "frames", "ground_truth"),
                ],
                outputs="night_judgement",
                name="judge_challenger",
            ),
            Node(
                report_night,
                inputs=[
                    "night_plan",
                    "night_challenger",
                    "night_judgement",
                    "params:nightly",
                    "params:model_card",
                    "params:work_folder",
                    *in_every_domain(*(f"{step}_report" for step in STEPS)),
                ],
                outputs="night_reports",
                name="report_night",
            ),
            Node(
                promote_challenger,
                inputs=["night_plan", "params:nightly", "night_reports"],
                outputs="night_outcome",
                name="promote_challenger",
            ),
        ]
    )
