"""Types of what nodes take and give. Kedro evaluates them when it builds a pipeline, so those that
would load torch or MLflow exist for the type checker alone."""

from typing import TYPE_CHECKING, Any

from aerial_depth_pipeline.datasets.scene_folders import SceneFolders
from aerial_depth_pipeline.datasets.triplets import DomainTriplets

Json = dict[str, Any]
Parameters = dict[str, Any]
DomainInput = DomainTriplets | SceneFolders

if TYPE_CHECKING:
    import numpy as np

    from aerial_depth_pipeline.networks.depth_model import DepthModel
    from aerial_depth_pipeline.reporting.page import Picture
    from aerial_depth_pipeline.retraining.comparison import References
    from aerial_depth_pipeline.retraining.decision import Decision
    from aerial_depth_pipeline.retraining.plan import Plan, Record
    from aerial_depth_pipeline.study.run_study import Outcome

    Image = np.ndarray
else:
    DepthModel = References = Picture = Decision = Plan = Record = Outcome = Image = Any
