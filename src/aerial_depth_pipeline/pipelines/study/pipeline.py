"""Triplets and references of all domains → generalization matrix, fine-tuning curves, ablation, and
one report."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.pipelines.domains import in_every_domain
from aerial_depth_pipeline.pipelines.study.nodes import draw_study, run_parts
from aerial_depth_pipeline.study.settings import PART_TABLES, PARTS


def create_pipeline(parts: tuple[str, ...] = PARTS, **_: object) -> Pipeline:
    """The whole study, or some of its parts; the report shows all that have been made."""
    groups = ("study", "train", "triplets", "evaluation", "work_folder")
    name = "study" if parts == PARTS else "_and_".join(f"study_{part}" for part in parts)
    tables = [f"study_{table}" for part in parts for table in PART_TABLES[part]]
    parameters = [f"params:{group}" for group in groups]
    footage = in_every_domain("triplet_lists", "frames", "ground_truth")
    run = update_wrapper(partial(run_parts, parts), run_parts)
    drawn = ["params:study", "study_tables", *tables]
    return Pipeline(
        [
            Node(run, [*parameters, *footage], tables, name=f"run_{name}"),
            Node(draw_study, drawn, "study_page", name="draw_study"),
        ]
    )
