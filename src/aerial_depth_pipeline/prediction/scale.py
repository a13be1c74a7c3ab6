"""From the units of a model to metres: the model's own, the flying height over level ground, or a
COLMAP model of the same footage."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aerial_depth_pipeline.capture.footage import Footage
from aerial_depth_pipeline.capture.sources import SourceFrame
from aerial_depth_pipeline.capture.undistortion import undistort
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.prediction.colmap_scale import ColmapRatios

logger = logging.getLogger(__name__)

# Metres: below, the barometer's error and the ground's shape are larger than the height
_LOWEST = 5.0
_FIT_POINTS = 4000
_SMOOTHING = 1.0  # seconds


@dataclass(frozen=True)
class Scale:
    """How predicted depth becomes what is written.

    Attributes:
        factor: multiplies the model's depth.
        unit: `metres`; `COLMAP units` where nobody says that the COLMAP model is metric; or `model
            units` where depth is right up to one factor for the whole source.
        origin: `colmap`, `model`, `height` or `none`.
        explanation: one sentence for people.
        frames: gives each frame a factor of its own, of which `factor` is the median of some; None
            where all have the same.
    """

    factor: float
    unit: str
    origin: str
    explanation: str
    frames: "FrameScale | None" = None

    def of(self, frame: SourceFrame, depth_HW: np.ndarray) -> np.float32:
        """What multiplies the depth of the next frame."""
        return np.float32(self.factor) if self.frames is None else self.frames.of(frame, depth_HW)


def find_scale(
    choice: str,
    model_unit: str | None,
    footage: Footage,
    frames: Sequence[SourceFrame],
    depths: Sequence[np.ndarray],
    colmap: ColmapRatios | None = None,
    from_points: bool = False,
) -> Scale:
    """Decide where metres come from.

    Args:
        choice: `auto`, `colmap`, `model`, `height` or `none`, see `PredictSettings.scale`.
        model_unit: what the model says comes out of it.
        footage: the source, with its camera and telemetry.
        frames: some frames of it.
        depths: their predicted depth [H, W] at the footage's size.
        colmap: a COLMAP model of the footage compared with predictions, where the user names one.
        from_points: whether the depths start from the flight's own points, whose unit
            `model_unit` is then.

    Raises:
        UserError: where a source of metres is asked for by name and is not there.
    """
    stated_unit = model_unit or "unknown units"
    if choice == "colmap" and colmap is None:
        raise UserError(
            "predict.scale is 'colmap', but predict.colmap names no COLMAP model; set it, or"
            " predict.scale: auto."
        )
    if choice in ("auto", "colmap") and colmap is not None:
        return _from_colmap(colmap, footage)
    if choice == "none":
        return _without("predict.scale is 'none'")
    if from_points and model_unit == "metres" and choice in ("auto", "model"):
        explanation = (
            "Depth starts from the flight's own points, which are in metres by the positions of its"
            " telemetry."
        )
        return Scale(1.0, "metres", "own_points", explanation)
    # This flight's height is worth more than the heights of the flights that were trained on.
    height = _from_height(footage, frames, depths) if choice in ("auto", "height") else ""
    if isinstance(height, Scale):
        return height
    if choice == "height":
        raise UserError(
            f"predict.scale is 'height', but {height}; set predict.scale: auto for depth without"
            " metres."
        )
    if model_unit == "metres":
        explanation = (
            "The model was trained in metres; they hold for cameras and heights like those it was"
            " trained on."
        )
        return Scale(1.0, "metres", "model", explanation)
    if choice == "model":
        raise UserError(
            f"predict.scale is 'model', but the model's depth is in {stated_unit}; set"
            " predict.scale: auto."
        )
    logger.info("predict: depth has no metres, since %s.", height)
    return _without(f"the model's depth is in {stated_unit}, and {height}")


def _from_colmap(colmap: ColmapRatios, footage: Footage) -> Scale:
    """The scale of a COLMAP model; there is no second best, since the user named it."""
    if not colmap.ratios:
        raise UserError(
            f"The COLMAP model in {colmap.path} places no frame of {footage.path.name}: its"
            " images must have the names of the files, or of a video the frame's index in six"
            " digits. Correct predict.colmap."
        )
    low, factor, high = np.percentile(colmap.ratios, [25, 50, 75])
    unit, meaning = "metres", "metres"
    if not colmap.metric:
        unit = "COLMAP units"
        meaning = "the units of that model, which are metres only where it was georeferenced"
    explanation = (
        f"Scaled to the sparse points of the COLMAP model in {colmap.path}, in {len(colmap.ratios)}"
        f" frames (they agree within {(high - low) / factor:.0%}); depth is in {meaning}."
    )
    return Scale(float(factor), unit, "colmap", explanation)


def _without(reason: str) -> Scale:
    explanation = f"Depth is right up to one factor for the whole source: {reason}."
    return Scale(1.0, "model units", "none", explanation)


def _from_height(
    footage: Footage, frames: Sequence[SourceFrame], depths: Sequence[np.ndarray]
) -> Scale | str:
    """The scale that puts the ground of every frame as far below the camera as is stated; or why
    there is none."""
    name = footage.path.name if footage.telemetry is None else footage.telemetry.source
    if not footage.has_heights:
        if footage.telemetry is None:
            return f"there is no telemetry (.SRT) of {name} and no height in its XMP"
        return f"{name} has no height above the start (rel_alt)"
    if footage.camera_origin == "assumed":
        return (
            f"the camera of {footage.path.name} is not known (add a camera.yaml or set"
            " predict.focal_35mm)"
        )
    scale = FrameScale(footage)
    ratios = [scale.ratio(*pair) for pair in zip(frames, depths, strict=True)]
    known = [ratio for ratio in ratios if np.isfinite(ratio)]
    if not known:
        return f"{name} knows no height above {_LOWEST:g} m at the frames looked at"
    low, factor, high = np.percentile(known, [25, 50, 75])
    explanation = (
        "Every frame is scaled so that its ground lies as far below the camera as"
        f" {name} says it is above its start (in the frames looked at, the factors agree within"
        f" {(high - low) / factor:.0%}). This takes the ground for level and as high as the start."
    )
    return Scale(float(factor), "metres", "height", explanation, scale)


class FrameScale:
    """The factor of each frame of footage, by its own height; smoothed along a video.

    Attributes:
        known: for how many frames since `start` the height was known; the others have the factor
            of the frame before.
        factors: of the frames since `start`.
    """

    def __init__(self, footage: Footage) -> None:
        self._footage, self._normalised = footage, normalised_pixels(footage.camera)
        self.start(float("nan"))

    def start(self, factor: float) -> None:
        """Begin with the first frame of the footage; `factor` holds until a height is known."""
        self.known, self.factors = 0, list[np.float32]()
        self._factor, self._time = factor, float("nan")

    def ratio(self, frame: SourceFrame, depth_HW: np.ndarray) -> float:
        """The stated height over the predicted one; NaN where the height is unknown or too low."""
        height = self._footage.heights([frame.index], np.array([frame.time]))[0]
        if not height >= _LOWEST:  # also for NaN
            return float("nan")
        return float(height / camera_height(depth_HW, self._normalised))

    def of(self, frame: SourceFrame, depth_HW: np.ndarray) -> np.float32:
        """What multiplies the depth of the next frame."""
        ratio = self.ratio(frame, depth_HW)
        if np.isfinite(ratio) and ratio > 0:
            self.known += 1
            passed = frame.time - self._time
            # Photographs and the first frame of a video have nothing to be smoothed with.
            weight = 1.0
            if self._footage.source.continuous and np.isfinite(passed) and self.known > 1:
                weight = 1 - math.exp(-max(passed, 0.0) / _SMOOTHING)
            log = math.log(ratio if weight == 1 else self._factor)
            self._factor = math.exp(log + weight * (math.log(ratio) - log))
            self._time = frame.time
        self.factors.append(np.float32(self._factor))
        return self.factors[-1]


def normalised_pixels(camera: Camera) -> np.ndarray:
    """Where the rays of the pixels [H, W, 2] meet the plane at depth 1, freed of lens distortion.

    Raises:
        UserError: where the camera's distortion cannot be inverted.
    """
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    K = camera.K
    try:
        x, y = undistort(camera, (columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1])
    except ValueError as error:
        raise UserError(
            f"The camera ({camera.model}) cannot be undistorted: {error}. Correct or remove"
            " camera.yaml."
        ) from error
    return np.stack([x, y], -1)


def camera_height(depth_HW: np.ndarray, normalised_HW2: np.ndarray) -> float:
    """Distance of the camera from the plane that fits the depth best in the sense of absolute
    differences, in the depth's unit.

    On the plane n·X = d the point at depth z of the ray (u, v, 1) has 1 / z = n·(u, v, 1) / d,
    which is linear in u and v; the plane's distance is one over the length of the coefficients.
    Least absolute differences, by reweighting, leave trees and buildings aside as long as they fill
    less than half of the image.
    """
    step = max(1, int(np.sqrt(depth_HW.size / _FIT_POINTS)))
    inverse = 1 / depth_HW[::step, ::step].ravel().astype(np.float64)
    plane_N2 = normalised_HW2[::step, ::step].reshape(-1, 2)
    rays = np.concatenate([plane_N2, np.ones((inverse.size, 1))], 1)
    weight = np.ones(inverse.size)
    floor = 1e-3 * np.median(inverse)
    for _ in range(20):
        root = np.sqrt(weight)
        coefficients = np.linalg.lstsq(rays * root[:, None], inverse * root, rcond=None)[0]
        weight = 1 / np.maximum(np.abs(rays @ coefficients - inverse), floor)
    return float(1 / np.linalg.norm(coefficients))
