"""Everything that a report holds of one domain."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from aerial_depth_pipeline.evaluation.evaluate import Measurements
from aerial_depth_pipeline.evaluation.poses.pose_errors import PoseErrors
from aerial_depth_pipeline.evaluation.report.panels import PanelFrame


@dataclass
class DomainReport:
    """One domain's results on their way into the report. `videos` are captions and files of MP4."""

    name: str
    measured: Measurements
    columns: list[PanelFrame]
    poses: PoseErrors
    sweeps: pd.DataFrame
    videos: list[tuple[str, Path]] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """What the references are."""
        return sorted(self.measured.per_image["reference"].unique())
