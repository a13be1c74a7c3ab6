"""Types of what nodes take and give. Kedro evaluates them when it builds a pipeline, so those that
would load torch or MLflow exist for the type checker alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerial_depth_pipeline.datasets.folders import PublishedFolder
from aerial_depth_pipeline.datasets.triplet_lists import DomainTriplets

Json = dict[str, Any]
Parameters = dict[str, Any]
Scenes = dict[str, PublishedFolder]
FinishedScenes = dict[str, Path | None]
DomainInput = DomainTriplets | Scenes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from PIL.Image import Image as PillowImage

    from aerial_depth_pipeline.networks.depth_model import DepthModel
    from aerial_depth_pipeline.reporting.page import Figure as PageFigure
    from aerial_depth_pipeline.retraining.comparison import References
    from aerial_depth_pipeline.retraining.decision import Decision
    from aerial_depth_pipeline.retraining.plan import Plan, Record
    from aerial_depth_pipeline.study.run_study import Outcome

    Image = np.ndarray
    Table = pd.DataFrame
else:
    DepthModel = References = PageFigure = Decision = Plan = Record = Outcome = Any
    Figure = Image = PillowImage = Table = Plan
