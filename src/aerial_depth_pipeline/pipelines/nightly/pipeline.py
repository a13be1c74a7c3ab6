"""What is new → challenger → decision → report → in service. The steps over scenes come from
`prepare` (see pipeline_registry)."""

from collections.abc import Callable

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import in_every_domain
from aerial_depth_pipeline.pipelines.nightly import nodes


def create_pipeline(**_: object) -> Pipeline:
    night = plan, challenger, _judgement = "night_plan", "night_challenger", "night_judgement"
    settings, train, work = "params:nightly", "params:train", "params:work_folder"
    lists = in_every_domain("triplet_lists")
    footage = in_every_domain("triplet_lists", "frames", "ground_truth")
    scene_reports = in_every_domain(*(f"{step}_report" for step in nodes.STEPS))
    inputs: dict[Callable[..., object], list[str]] = {
        nodes.look_for_new_scenes: [settings, *in_every_domain("triplet_lists", "triplets")],
        nodes.train_challenger: [plan, settings, train, "params:checkpoints_folder", work, *lists],
        nodes.judge_challenger: [plan, challenger, settings, "params:evaluation", *footage],
        nodes.report_night: [*night, settings, "params:model_card", work, *scene_reports],
        nodes.promote_challenger: [plan, settings, "night_reports"],
    }
    outputs = [*night, "night_reports", "night_outcome"]
    return Pipeline(
        [
            Node(function, names, output, name=function.__name__)
            for (function, names), output in zip(inputs.items(), outputs, strict=True)
        ]
    )
