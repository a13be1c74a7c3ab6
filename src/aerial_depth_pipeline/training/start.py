"""Where the network starts in each triplet: the smooth surface through the flight's own points."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.own_points import frame_points
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.geometry.surface import (
    FEWEST_POINTS,
    LARGEST_ERROR,
    FramePoints,
    relative_start,
    start_of,
)
from aerial_depth_pipeline.geometry.warping import sample
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.training.batch import FIELDS, Batch, Crop, InverseDepth, Rotation
from aerial_depth_pipeline.training.samples import Triplet, decode


class _Start(InverseDepth):
    """Inverse depth and nearness [B, 2, H, W]; the nearness only moves."""

    def rotate(self, value: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        inverse, nearness = super().rotate(value, rotation).split(1, 1)
        z = rotation.look_up(*value.shape[-2:])[1]
        return torch.cat([inverse, nearness / z.clamp_min(1e-3)], 1)

    def crop(self, value: torch.Tensor, crop: Crop) -> torch.Tensor:
        return crop.resample(value, "bilinear")


FIELDS["start"] = _Start()


def points_of_targets(
    triplets: Sequence[Triplet], factors: dict[str, float]
) -> list[FramePoints | None]:
    """The flight's own points that each target shows, in pixels of the triplet's images and in
    training units; None for targets with too few.

    Args:
        factors: as of `TripletStore`.
    """
    tables = {folder: _points_by_frame(folder) for folder in {t.image.parent for t in triplets}}
    found: list[FramePoints | None] = []
    for triplet in triplets:
        rows = tables[triplet.image.parent].get(int(triplet.image.stem))
        if rows is None or len(rows) < FEWEST_POINTS:
            found.append(None)
            continue
        unit = triplet.length_factor * factors[triplet.scene]
        height, width = decode(triplet.image, triplet.frames).shape[1:3]
        found.append(frame_points(rows, (width, height), unit))
    return found


def hold_back(points: Sequence[FramePoints | None]) -> tuple[list[FramePoints | None], Batch]:
    """The points without a fifth of those of each frame, and the fields `held_out` [N, P, 2] (their
    pixels) and `held_out_inverse` [N, P] (0 where there is none)."""
    shown: list[FramePoints | None] = []
    pixels, inverse = [], []
    for each in points:
        if each is None:
            shown.append(None)
            pixels.append(torch.zeros(0, 2))
            inverse.append(torch.zeros(0))
            continue
        rest, held = each.hold_back()
        shown.append(rest)
        pixels.append(torch.tensor(held.pixels_N2).float())
        inverse.append(torch.tensor(held.inverse_N).float())
    padded = (pad_sequence(each, batch_first=True) for each in (pixels, inverse))
    return shown, dict(zip(("held_out", "held_out_inverse"), padded, strict=True))


def held_out_error(inverse_B1HW: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Mean over images of the mean absolute logarithm, at most 0.5, of the ratio of inverse depth
    to that of the points that were held back (a scalar), freed of its median in each image: what
    validation without ground truth can know. NaN where no image has any."""
    known = batch["held_out_inverse"] > 0
    predicted = sample(inverse_B1HW, batch["held_out"].transpose(1, 2)[:, :, None])[:, 0, 0]
    ratio = torch.log(predicted.clamp_min(1e-9) / batch["held_out_inverse"])
    ratio = torch.where(known, ratio, torch.nan)
    error = (ratio - ratio.nanmedian(1, keepdim=True).values).abs().clamp_max(LARGEST_ERROR)
    return error.nanmean(1).nanmean()


def starts(points: Sequence[FramePoints | None], triplets: Sequence[Triplet]) -> torch.Tensor:
    """`geometry.surface.start_of` for the targets, [N, 2, H, W] float16 in the points' unit; 0
    for targets without points."""
    rows = []
    pairs = zip(points, triplets, strict=True)
    for each, triplet in progress(pairs, "own points", len(triplets), "triplet"):
        image_HW3 = decode(triplet.image, triplet.frames)[triplet.frames // 2]
        height, width = image_HW3.shape[:2]
        if each is None or len(each.inverse_N) < FEWEST_POINTS:
            rows.append(torch.zeros(2, height, width, dtype=torch.float16))
            continue
        up, K = (torch.tensor(value[None]) for value in (triplet.up_3, triplet.K_33))
        slope_2 = ground_slope(up, K, height, width)[0].numpy()
        rows.append(torch.from_numpy(start_of(each, image_HW3, slope_2)).half())
    return torch.stack(rows)


def with_start(network: NetworkSettings, points: Sequence[FramePoints | None]) -> NetworkSettings:
    """The settings with the `start` that `auto` stands for, given the points of the targets.

    Raises:
        UserError: where points are asked for by name and no target has any.
    """
    if network.start == "points" and not any(points):
        raise UserError(
            "train.network.start is 'points', but no triplet has points of its flight"
            " (own_points.parquet) in the unit of its poses. Make the triplets again with"
            " train.pose.source: two_view, or set train.network.start: auto."
        )
    if network.start != "auto":
        return network
    return network.model_copy(update={"start": "points" if any(points) else "level_ground"})


def _points_by_frame(folder: Path) -> dict[int, pd.DataFrame]:
    files = TripletFolder(folder)
    if not files.table_file("own_points").is_file():
        return {}
    table = files.table("own_points")
    # Tables from before they told the frames' size are of no use here.
    return {int(frame): rows for frame, rows in table.groupby("frame") if "width" in rows}


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
