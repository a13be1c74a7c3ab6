"""Images of frames in columns: input, prediction, ground truth, error, baseline, in the plasma
colours of the original's README."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.measuring.depth_alignment import aligned_depth
from aerial_depth_pipeline.evaluation.method_table import METHOD, OWN_POINTS
from aerial_depth_pipeline.evaluation.methods.baselines import tilted_plane
from aerial_depth_pipeline.evaluation.methods.method import (
    Frame,
    Method,
    PredictionError,
    inverse_prediction,
    model_method,
)
from aerial_depth_pipeline.evaluation.methods.own_points import own_point_methods
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.reporting.colours import MISSING, colour_map, depth_range, plasma
from aerial_depth_pipeline.reporting.figures import png

log = logging.getLogger(__name__)

_PANEL_WIDTH = 480
_ERROR_LIMIT = 0.5


@dataclass(frozen=True)
class PanelFrame:
    """One column of the image; everything at the frame's size, scaled down for showing.

    Attributes:
        title: what stands above it.
        scene, frame: where it comes from.
        image_HW3: the frame, uint8 RGB.
        prediction_HW: aligned depth, NaN where there is none.
        reference_HW: reference depth, 0 where there is none.
        baseline_HW: depth of the tilted plane.
        own_points_HW: aligned depth of the surface through the flight's own points, NaN where there
            is none; None where the flight has none.
    """

    title: str
    scene: str
    frame: int
    image_HW3: np.ndarray
    prediction_HW: np.ndarray
    reference_HW: np.ndarray
    baseline_HW: np.ndarray
    own_points_HW: np.ndarray | None = None


def choose_frames(
    per_image: pd.DataFrame, alignment: str, method: str = "model"
) -> list[tuple[str, str, int, float]]:
    """Best, median and worst frame of a domain by abs_rel: (word, scene, frame, abs_rel); fewer
    where there are fewer frames."""
    part = _records(per_image, method, alignment)
    part = part[np.isfinite(part["abs_rel"])]
    part = part.sort_values(["abs_rel", "scene", "frame"], kind="stable")
    words = {len(part) - 1: "worst", len(part) // 2: "median", 0: "best"}  # one word a frame
    return [
        (words[place], row["scene"], int(row["frame"]), float(row["abs_rel"]))
        for place in sorted(words)
        for _, row in part.iloc[place : place + 1].iterrows()
    ]


def panel_frames(
    predict: Callable[[np.ndarray], np.ndarray],
    test: Mapping[str, Sequence[Reference]],
    per_image: pd.DataFrame,
    domain: str,
    alignment: str,
    trained_on: Collection[str] = (),
) -> list[PanelFrame]:
    """Best, median and worst frame of one domain, predicted again and aligned as it was measured;
    frames of scenes that the model was trained on are marked."""
    columns = []
    for word, scene, index, abs_rel in choose_frames(per_image, alignment):
        reference = next(reference for reference in test[scene] if reference.frame == index)
        frame = Frame(scene, reference)
        surface = [m for m in own_point_methods([reference]) if m.name == OWN_POINTS]
        try:
            depth_HW = _aligned(model_method(predict), frame, per_image, alignment)
            assert depth_HW is not None
            columns.append(
                PanelFrame(
                    f"{domain}: {word}{' (flight trained on)' * (scene in trained_on)}\n"
                    f"{scene} {numbered(index)}\nabs rel {abs_rel:.3f}",
                    scene,
                    index,
                    frame.image,
                    depth_HW,
                    frame.depth,
                    _plane(frame.depth),
                    _aligned(surface[0], frame, per_image, alignment) if surface else None,
                )
            )
        except (PredictionError, SceneError) as error:
            log.warning("No image of %s/%06d: %s", scene, index, error)
    return columns


def _aligned(
    method: Method, frame: Frame, per_image: pd.DataFrame, alignment: str
) -> np.ndarray | None:
    """Depth [H, W] of a method as it was measured; None where this frame was not."""
    records = _records(per_image, method.name, alignment)
    index = frame.reference.frame
    record = records[(records["scene"] == frame.scene) & (records["frame"] == index)]
    if not len(record):
        return None
    scale, shift = record.iloc[0][["scale", "shift"]]
    return whole_depth(inverse_prediction(method, frame), scale, shift)


def whole_depth(inverse_HW: np.ndarray, factor: float, shift: float) -> np.ndarray:
    """A whole predicted map as depth [H, W], NaN where there is none, aligned by a record's `scale`
    (on depth) and `shift` (of inverse)."""
    scale, nearest = 0.0, abs(shift)  # inverse depth
    if np.isfinite(factor):
        scale, nearest = 1 / factor, float(np.nanmax(np.abs(inverse_HW))) / factor + abs(shift)
    return aligned_depth(inverse_HW, scale, shift, 1 / nearest, 1e6 / nearest)


def draw_panels(columns: Sequence[PanelFrame]) -> bytes:
    """The image as PNG: frames in columns; input, prediction, ground truth, error, the tilted plane
    and, where a flight has them, its own points in rows.

    Depth is shown as inverse depth in plasma, bright near and dark far, prediction, ground truth
    and plane of one frame on one scale; grey is without depth. The error is relative, |predicted −
    true| / true, with its own scale.

    Raises:
        ValueError: without columns.
    """
    if not columns:
        raise ValueError("an image needs at least one frame")
    rows = ["input", "prediction", "ground truth", "relative error", "tilted plane\n(oracle)"]
    if any(column.own_points_HW is not None for column in columns):
        rows.append("own points,\nnot learned")
    tiles = [_tiles(column)[: len(rows)] for column in columns]
    height, width = tiles[0][0].shape[:2]
    cell, left, top, bottom = 2.6, 1.15, 0.62, 0.62
    cell_height = cell * height / width
    figure = Figure(
        figsize=(left + cell * len(columns) + 0.15, top + cell_height * len(rows) + bottom),
        dpi=160,
        facecolor="white",
    )
    total_width, total_height = figure.get_size_inches()
    for x, (column, images) in enumerate(zip(columns, tiles, strict=True)):
        for y, image in enumerate(images):
            box = (
                (left + x * cell) / total_width,
                1 - (top + (y + 1) * cell_height) / total_height,
                (cell - 0.05) / total_width,
                (cell_height - 0.05) / total_height,
            )
            axes = figure.add_axes(box)
            axes.imshow(image, interpolation="nearest", aspect="auto")
            axes.set_axis_off()
            if x == 0:
                place = (left - 0.08) / total_width, box[1] + box[3] / 2
                figure.text(*place, rows[y], ha="right", va="center", fontsize=10)
            if y == 0:
                place = box[0] + box[2] / 2, 1 - (top - 0.08) / total_height
                figure.text(*place, column.title, ha="center", va="bottom", fontsize=9)
    _scale(figure, left, bottom, cell, "plasma", ["far", "near"], "inverse depth (grey: none)")
    if len(columns) > 1:
        ends = ["0", f"≥ {100 * _ERROR_LIMIT:.0f} %"]
        _scale(figure, left + cell, bottom, cell, "magma", ends, "relative error")
    return png(figure)


def error_picture(prediction_HW: np.ndarray, reference_HW: np.ndarray) -> np.ndarray:
    """Relative error as magma colours [H, W, 3] uint8, bright from 50 % on, grey where there is
    nothing to compare."""
    common = (reference_HW > 0) & np.isfinite(prediction_HW)
    error = np.zeros(reference_HW.shape, np.float32)
    error[common] = np.abs(prediction_HW[common] - reference_HW[common]) / reference_HW[common]
    image = colour_map(error, 0, _ERROR_LIMIT, "magma")
    image[~common] = MISSING
    return image


def _records(per_image: pd.DataFrame, method: str, alignment: str) -> pd.DataFrame:
    """A method's records under an alignment, without a cap."""
    of_method = (per_image[METHOD] == method) & (per_image["alignment"] == alignment)
    return per_image[of_method & (per_image["cap"] == "none")]


def _tiles(column: PanelFrame) -> list[np.ndarray]:
    near, far = depth_range(column.reference_HW)
    own_HW = column.own_points_HW
    if own_HW is None:
        own_HW = np.full(column.reference_HW.shape, np.nan, np.float32)
    images = [
        column.image_HW3,
        plasma(column.prediction_HW, near, far),
        plasma(column.reference_HW, near, far),
        error_picture(column.prediction_HW, column.reference_HW),
        plasma(column.baseline_HW, near, far),
        plasma(own_HW, near, far),
    ]
    height = round(_PANEL_WIDTH * column.image_HW3.shape[0] / column.image_HW3.shape[1])
    return [
        cv2.resize(image, (_PANEL_WIDTH, height), interpolation=cv2.INTER_AREA) for image in images
    ]


def _plane(reference_HW: np.ndarray) -> np.ndarray:
    plane_HW = tilted_plane(reference_HW)
    return plane_HW if plane_HW is not None else np.zeros_like(reference_HW)


def _scale(
    figure: Figure, x: float, y: float, cell: float, colours: str, ends: list[str], title: str
) -> None:
    width, height = figure.get_size_inches()
    box = (x / width, (y - 0.3) / height, (cell - 0.3) / width, 0.12 / height)
    axes = figure.add_axes(box)
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=colours, aspect="auto")
    axes.set_yticks([])
    axes.set_xticks([0, 255], ends, fontsize=8)
    axes.set_title(title, fontsize=8, pad=2)
