"""One picture that shows what a domain's triplets look like, and what became of all frames and
why."""

import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aerial_depth_pipeline.capture.motion.corner_tracking import corners_of, follow
from aerial_depth_pipeline.capture.sources.sfmlearner import parts_of
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import read_image

_ARROWS = 150  # corners whose flow is drawn
_COLORS = {"kept": "#2a7f62", "left": "#b2452f", "flow": "#ffd400"}


def draw_contact_sheet(
    frames: dict[str, Path], triplets: dict[str, Path], path: Path, rows: int = 6, seed: int = 0
) -> None:
    """Write a PNG: random triplets with the flow to the next source, a histogram of parallax, and
    reasons for leaving frames out.

    Args:
        frames: scenes and their folders below 02_intermediate.
        triplets: scenes and their folders below 05_model_input.
        path: the PNG.
        rows: how many triplets are shown.
        seed: which ones.
    """
    shown = _draw_lots(triplets, rows, seed)
    figure = Figure(figsize=(12, 1.0 + 2.3 * len(shown) + 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(shown) + 1, 3, height_ratios=[2.3] * len(shown) + [3.6])
    for row, (scene, target) in enumerate(shown):
        axes = figure.add_subplot(grid[row, :])
        axes.imshow(_triplet_with_flow(triplets[scene], target))
        axes.set_title(f"{scene}, target {numbered(target)}", fontsize=9, loc="left")
        axes.set_axis_off()
    tables = {
        scene: pd.read_parquet(folder / "targets.parquet") for scene, folder in triplets.items()
    }
    _draw_parallax(figure.add_subplot(grid[-1, 0]), tables)
    left_out = [
        reason
        for folder in frames.values()
        for reason in pd.read_parquet(folder / "frames.parquet")["reason"]
    ]
    _draw_reasons(figure.add_subplot(grid[-1, 1]), left_out, "frames", "kept")
    no_targets = [reason for table in tables.values() for reason in table["reason"]]
    _draw_reasons(figure.add_subplot(grid[-1, 2]), no_targets, "kept frames", "target")
    figure.savefig(path, dpi=100)


def _draw_lots(triplets: dict[str, Path], rows: int, seed: int) -> list[tuple[str, int]]:
    """Triplets by lot, scenes in turn so that each is seen."""
    lots = random.Random(seed)
    waiting = {
        scene: sorted(int(p.stem) for p in folder.glob("*.jpg"))
        for scene, folder in sorted(triplets.items())
    }
    for targets in waiting.values():
        lots.shuffle(targets)
    shown: list[tuple[str, int]] = []
    while len(shown) < rows and any(waiting.values()):
        shown += [(scene, targets.pop()) for scene, targets in waiting.items() if targets]
    return sorted(shown[:rows])


def _triplet_with_flow(folder: Path, target: int) -> np.ndarray:
    """The row of frames; in the target, arrows from its corners to where the next source sees
    them."""
    row = read_image(folder / numbered(target, ".jpg"))
    K = np.array(
        [float(x) for x in (folder / numbered(target, "_cam.txt")).read_text().split(",")]
    ).reshape(3, 3)
    parts = parts_of(row, K)
    grays = [cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY) for part in parts]
    middle = len(parts) // 2
    drawn = np.ascontiguousarray(parts[middle])
    color = tuple(int(_COLORS["flow"][i : i + 2], 16) for i in (1, 3, 5))
    corners = corners_of(grays[middle], _ARROWS, max(4.0, grays[middle].shape[1] / 24))
    ends, good = follow(grays[middle], grays[middle + 1], corners)
    for start, end in zip(corners[good], ends[good], strict=True):
        cv2.arrowedLine(
            drawn,
            *(tuple(int(round(float(v))) for v in point) for point in (start, end)),
            color,
            1,
            cv2.LINE_AA,
            tipLength=0.25,
        )
    gap = np.full((row.shape[0], 4, 3), 255, np.uint8)
    pictures = [*parts[:middle], drawn, *parts[middle + 1 :]]
    return np.concatenate([piece for picture in pictures for piece in (picture, gap)][:-1], axis=1)


def _draw_parallax(axes, tables: dict[str, pd.DataFrame]) -> None:
    parallax = (
        100 * pd.concat([table[["parallax", "target"]] for table in tables.values()])["parallax"]
    )
    target = pd.concat([table["target"] for table in tables.values()]).to_numpy(bool)
    known = parallax.notna().to_numpy()
    edges = np.linspace(
        0, max(10.0, float(np.nanpercentile(parallax, 99)) if known.any() else 10.0), 41
    )
    values = [parallax[known & target], parallax[known & ~target]]
    axes.hist(
        values,
        bins=edges,
        stacked=True,
        color=[_COLORS["kept"], _COLORS["left"]],
        label=["targets", "left out"],
    )
    axes.set(
        xlabel="median parallax of a triplet, % of the width",
        ylabel="kept frames",
        title="Parallax",
    )
    axes.legend(fontsize=8)


def _draw_reasons(axes, reasons: list[str], what: str, good: str) -> None:
    counts = Counter(
        (reason.split(" ")[0] if reason.startswith("size") else reason) or good
        for reason in reasons
    )
    order = sorted(counts, key=lambda reason: (reason != good, -counts[reason], reason))
    bars = axes.barh(
        order,
        [counts[reason] for reason in order],
        color=[_COLORS["kept" if r == good else "left"] for r in order],
    )
    axes.bar_label(bars, padding=2, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(xlabel=what, title=f"What became of {len(reasons)} {what}")
