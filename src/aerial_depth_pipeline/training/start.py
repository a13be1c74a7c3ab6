"""Where the network starts in each triplet: the smooth surface through the flight's own points."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.geometry.surface import (
    FEWEST_POINTS,
    FramePoints,
    relative_start,
    start_of,
)
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.training.batch import FIELDS, Batch, Crop, InverseDepth, Rotation
from aerial_depth_pipeline.training.samples import Triplet, decode

_SIZE = ["width", "height"]


class _Start(InverseDepth):
    """Inverse depth and nearness [B, 2, H, W]; the nearness only moves."""

    def rotate(self, value: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        inverse, nearness = super().rotate(value, rotation).split(1, 1)
        z = rotation.look_up(*value.shape[-2:])[1]
        return torch.cat([inverse, nearness / z.clamp_min(1e-3)], 1)

    def crop(self, value: torch.Tensor, crop: Crop) -> torch.Tensor:
        return crop.resample(value, "bilinear")


FIELDS["start"] = _Start()


def starts(triplets: Sequence[Triplet], factors: dict[str, float]) -> torch.Tensor:
    """`geometry.surface.start_of` for the targets, in training units, [N, 2, H, W] float16; 0 for
    targets with too few points.

    Args:
        factors: as of `TripletStore`.

    Raises:
        UserError: where no scene has points.
    """
    tables = {folder: _points_by_frame(folder) for folder in {t.image.parent for t in triplets}}
    if not any(tables.values()):
        raise UserError(
            "train.network.own_points needs the flight's own points (own_points.parquet), and no"
            " scene has any. Make the triplets again, or set it to false."
        )
    rows = []
    for triplet in progress(triplets, "own points", len(triplets), "triplet"):
        image_HW3 = decode(triplet.image, triplet.frames)[triplet.frames // 2]
        height, width = image_HW3.shape[:2]
        points = tables[triplet.image.parent].get(int(triplet.image.stem))
        if points is None or len(points) < FEWEST_POINTS:
            rows.append(torch.zeros(2, height, width, dtype=torch.float16))
            continue
        shares_N2 = points[["x", "y"]].to_numpy(float) / points[_SIZE].to_numpy(float)
        unit = triplet.length_factor * factors[triplet.scene]
        inverse_N, deviation_N = (
            points[name].to_numpy(float) / unit for name in ("inverse_depth", "deviation")
        )
        frame_points = FramePoints(shares_N2 * (width, height), inverse_N, deviation_N)
        up, K = (torch.tensor(value[None]) for value in (triplet.up_3, triplet.K_33))
        slope_2 = ground_slope(up, K, height, width)[0].numpy()
        rows.append(torch.from_numpy(start_of(frame_points, image_HW3, slope_2)).half())
    return torch.stack(rows)


def _points_by_frame(folder: Path) -> dict[int, pd.DataFrame]:
    files = TripletFolder(folder)
    if not files.table_file("own_points").is_file():
        return {}
    groups = files.table("own_points").groupby("frame")
    return {int(frame): rows for frame, rows in groups}


def take_start(
    batch: Batch, hidden: float, initial_depth: float
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The start of a batch with a median of 1, without the share `hidden` of the samples; and by
    what [B, 1, 1, 1] the network's inverse depth is multiplied to be in training units.

    None where the batch has no start.
    """
    if "start" not in batch:
        return None, None
    start = batch["start"].float()
    if hidden > 0:
        start = start * (batch["random"][:, 13] >= hidden)[:, None, None, None]
    start, median = relative_start(start)
    unit = torch.where(median > 0, median * initial_depth, torch.ones_like(median))
    return start, unit[:, None, None, None]


def without_attitude(slope_B2: torch.Tensor, random: torch.Tensor, hidden: float) -> torch.Tensor:
    """The slopes, NaN for the share `hidden` of the samples."""
    return torch.where((random[:, 14] < hidden)[:, None], torch.nan, slope_B2)
