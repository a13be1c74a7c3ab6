"""The pipelines by the names that users type."""

from kedro.framework.project import find_pipelines, pipelines
from kedro.pipeline import Pipeline

from aerial_depth_pipeline.pipelines.study import create_pipeline as create_study
from aerial_depth_pipeline.study.settings import PARTS


def register_pipelines() -> dict[str, Pipeline]:
    """All pipelines, and the combinations of them that have a name."""
    pipelines.set_requested(None)  # combinations need all of them
    found = find_pipelines(raise_errors=True)
    found["prepare"] = found["frame_extraction"] + found["ground_truth"] + found["triplets"]
    found["__default__"] = found["prepare"] + found["train"] + found["evaluation"]
    # A night prepares what it looks at, without the images of every scene that 'prepare' draws.
    needed = found["nightly"].inputs() & found["prepare"].all_outputs()
    found["nightly"] += found["prepare"].to_outputs(*needed)
    found |= {f"study_{part}": create_study((part,)) for part in PARTS}
    found["demo"] = found["simulate"] + found["__default__"]
    return found
