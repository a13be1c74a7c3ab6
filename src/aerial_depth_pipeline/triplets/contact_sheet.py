"""One image that shows what a domain's triplets look like, and what became of all frames and
why."""

import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aerial_depth_pipeline.capture.motion.corner_tracking import corners_of, follow
from aerial_depth_pipeline.capture.selection import kind_of
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import read_frame
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder, parts_of, read_calibration

_ARROWS = 150  # corners whose flow is drawn
_KEPT, _LEFT_OUT, _FLOW = "#2a7f62", "#b2452f", (255, 212, 0)


def draw_contact_sheet(
    frames: dict[str, Path], triplets: dict[str, Path], rows: int = 6, seed: int = 0
) -> Figure:
    """Draw `rows` random triplets with the flow to the next source, a histogram of parallax, and
    reasons for leaving frames out; `frames` and `triplets` are the folders of the scenes."""
    shown = _sample(triplets, rows, seed)
    figure = Figure(figsize=(12, 1.0 + 2.3 * len(shown) + 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(shown) + 1, 3, height_ratios=[2.3] * len(shown) + [3.6])
    for row, (scene, target) in enumerate(shown):
        axes = figure.add_subplot(grid[row, :])
        axes.imshow(_triplet_with_flow(triplets[scene], target))
        axes.set_title(f"{scene}, target {numbered(target)}", fontsize=9, loc="left")
        axes.set_axis_off()
    targets = pd.concat([TripletFolder(folder).table("targets") for folder in triplets.values()])
    table = pd.concat([SceneFolder(folder).frame_table() for folder in frames.values()])
    _draw_parallax(figure.add_subplot(grid[-1, 0]), targets)
    _draw_reasons(figure.add_subplot(grid[-1, 1]), table["reason"], "frames", "kept")
    _draw_reasons(figure.add_subplot(grid[-1, 2]), targets["reason"], "kept frames", "target")
    return figure


def _sample(triplets: dict[str, Path], rows: int, seed: int) -> list[tuple[str, int]]:
    """Random triplets, scenes in turn so that each is seen."""
    rng = random.Random(seed)
    waiting = {scene: TripletFolder(folder).targets() for scene, folder in sorted(triplets.items())}
    for targets in waiting.values():
        rng.shuffle(targets)
    shown: list[tuple[str, int]] = []
    while len(shown) < rows and any(waiting.values()):
        shown += [(scene, targets.pop()) for scene, targets in waiting.items() if targets]
    return sorted(shown[:rows])


def _triplet_with_flow(folder: Path, target: int) -> np.ndarray:
    """The row of frames; in the target, arrows from its corners to where the next source sees
    them."""
    triplets = TripletFolder(folder)
    row = read_frame(triplets.image_file(target))
    parts = parts_of(row, read_calibration(triplets.calibration_file(target)))
    parts = [np.ascontiguousarray(part) for part in parts]
    drawn, source = parts[len(parts) // 2 :][:2]
    first, second = (cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) for part in (drawn, source))
    corners = corners_of(first, _ARROWS, max(4.0, first.shape[1] / 24))
    ends, good = follow(first, second, corners)
    arrows = np.rint(np.concatenate([corners[good], ends[good]], 1)).astype(int).tolist()
    for x1, y1, x2, y2 in arrows:
        cv2.arrowedLine(drawn, (x1, y1), (x2, y2), _FLOW, 1, cv2.LINE_AA, tipLength=0.25)
    gap = np.full((row.shape[0], 4, 3), 255, np.uint8)
    return np.concatenate([piece for part in parts for piece in (part, gap)][:-1], axis=1)


def _draw_parallax(axes: Axes, targets: pd.DataFrame) -> None:
    table = targets.dropna(subset="parallax")
    parallax, is_target = 100 * table["parallax"], table["target"].astype(bool)
    widest = float(np.nanpercentile(parallax, 99)) if len(parallax) else 10.0
    axes.hist(
        [parallax[is_target], parallax[~is_target]],
        bins=np.linspace(0, max(10.0, widest), 41).tolist(),
        stacked=True,
        color=[_KEPT, _LEFT_OUT],
        label=["targets", "left out"],
    )
    label = "median parallax of a triplet, % of the width"
    axes.set(xlabel=label, ylabel="kept frames", title="Parallax")
    axes.legend(fontsize=8)


def _draw_reasons(axes: Axes, reasons: pd.Series, label: str, good: str) -> None:
    counts = Counter(kind_of(reason) or good for reason in reasons)
    order = sorted(counts, key=lambda reason: (reason != good, -counts[reason], reason))
    colors = [_KEPT if reason == good else _LEFT_OUT for reason in order]
    bars = axes.barh(order, [counts[reason] for reason in order], color=colors)
    axes.bar_label(bars, padding=2, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(xlabel=label, title=f"What became of {len(reasons)} {label}")
