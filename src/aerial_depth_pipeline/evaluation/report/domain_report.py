"""Everything that a report holds of one domain."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from aerial_depth_pipeline.evaluation.evaluate import Measurements
from aerial_depth_pipeline.evaluation.poses.pose_errors import PoseErrors
from aerial_depth_pipeline.evaluation.report.panels import PanelFrame
from aerial_depth_pipeline.evaluation.report.tables import describe_references
from aerial_depth_pipeline.formats.split_record import SplitRecord


@dataclass
class DomainReport:
    """One domain's results on their way into the report.

    Attributes:
        videos: captions and files of MP4.
        trained_on: the domain's scenes that the model was trained on; None where nobody knows.
        split: how the lists were made; None where nobody knows.
    """

    name: str
    measured: Measurements
    columns: list[PanelFrame]
    poses: PoseErrors
    sweeps: pd.DataFrame
    videos: list[tuple[str, Path]] = field(default_factory=list)
    trained_on: frozenset[str] | None = None
    split: SplitRecord | None = None

    @property
    def kinds(self) -> list[str]:
        """What the references are."""
        return sorted(self.measured.per_image["reference"].unique())

    @property
    def scenes(self) -> list[str]:
        """The test scenes that were measured."""
        return sorted(self.measured.per_image["scene"].unique())

    @property
    def seen(self) -> list[str]:
        """The test scenes that the model was trained on."""
        return [scene for scene in self.scenes if scene in (self.trained_on or ())]

    @property
    def basis(self) -> str:
        """What the figures are of: which ground, against which reference."""
        flights = "flights unknown to the model"
        if self.seen:
            share = "" if self.seen == self.scenes else f"{len(self.seen)} of {len(self.scenes)} "
            flights = f"{share}flights that the model was trained on"
        against = f"against {describe_references(self.kinds)}"
        if self.split is not None and self.split.is_leaky:
            against += f"; {self.split.share_seen}"
        return against if self.trained_on is None else f"{flights}, {against}"

    @property
    def images(self) -> int:
        """Number of test frames that were measured."""
        return len(self.measured.per_image.drop_duplicates(["scene", "frame"]))
