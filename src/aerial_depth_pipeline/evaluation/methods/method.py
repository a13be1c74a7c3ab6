"""Whoever predicts depth and wants to be measured: our model, baselines, conventional methods,
other people's models."""

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch

from aerial_depth_pipeline.evaluation.method_table import (
    LEVEL_GROUND,
    MIRRORED,
    MODEL,
    PICTURE_ALONE,
    WITHOUT_POINTS,
)
from aerial_depth_pipeline.evaluation.methods.baselines import TrainingDepth, tilted_plane
from aerial_depth_pipeline.evaluation.methods.frame_points import (
    all_metric,
    start_of_frame,
    weight_in_scene,
)
from aerial_depth_pipeline.evaluation.methods.frame_slope import slope_of
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import Output
from aerial_depth_pipeline.formats.depth_maps import read_depth
from aerial_depth_pipeline.formats.images import read_frame
from aerial_depth_pipeline.geometry.ground import relative_inverse_depth
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.held_back_points import weighted
from aerial_depth_pipeline.networks.inference.mirroring import mirrored_mean

log = logging.getLogger(__name__)

_ASPECT_TOLERANCE = 0.02
_SMALLEST = 1e-30  # below it a float32 has no reciprocal


class PredictionError(Exception):
    """A method gave nothing that can be measured for one frame.

    Attributes:
        problem: one of `missing`, `left out`, `damaged`, `empty`, `mis-sized`.
    """

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


class Frame:
    """One test frame; image and reference are read when somebody asks for them, once."""

    def __init__(
        self, scene: str, reference: Reference, depth_HW: np.ndarray | None = None
    ) -> None:
        self.scene = scene
        self.reference = reference
        if depth_HW is not None:
            self.depth = depth_HW

    @cached_property
    def image(self) -> np.ndarray:
        """[H, W, 3] uint8 RGB."""
        return read_frame(self.reference.image)

    @cached_property
    def depth(self) -> np.ndarray:
        """Reference depth [H, W] float32, 0 where there is none."""
        return read_depth(self.reference.depth)


@dataclass(frozen=True)
class Method:
    """A named way to predict.

    Attributes:
        name: as it stands in the tables.
        predict: gives an array [h, w] for a frame, of any size with the frame's proportions; raises
            PredictionError where it has none.
        output: what the array holds: z-depth, inverse depth (up to scale), or inverse depth up to
            scale and shift.
        stretched: whether it fills the frame although its proportions differ.
        dense: whether a prediction ought to cover the whole image, so that holes in it are worth a
            warning.
        oracle: whether it was fitted to the reference; alignment leaves it alone, since any factor
            could only spoil the fit.
        alone: whether it predicts one frame at a time, because it has threads or a GPU of its own.
        cheap: whether a prediction is made again rather than kept until the scene's common scale is
            known.
        metric: whether it predicts metres; only then it is measured without alignment.
    """

    name: str
    predict: Callable[[Frame], np.ndarray]
    output: Output = "depth"
    stretched: bool = False
    dense: bool = True
    oracle: bool = False
    alone: bool = False
    cheap: bool = False
    metric: bool = False


def model_method(
    predict: Callable[..., np.ndarray],
    name: str = MODEL,
    tested: Sequence[Reference] = (),
    with_points: bool = True,
    checked: bool = True,
) -> Method:
    """Our own model: a function from an image [H, W, 3] uint8 RGB to z-depth [H, W].

    A `DepthModel` that makes use of it is told how level ground slopes in frames whose attitude is
    known, and starts from the surface through the points of frames that have them.

    Args:
        tested: the frames; where all have points in metres the model predicts metres.
        with_points: whether the points are used.
        checked: whether only so much of what the network adds to the surface is kept as points that
            are held back confirm.
    """
    metric = _in_metres(predict)
    if not _takes_slope(predict):
        return Method(name, lambda frame: predict(frame.image), alone=True, metric=metric)
    from_points = with_points and _takes_start(predict)

    def with_attitude(frame: Frame) -> np.ndarray:
        return _with_what_is_known(predict, predict, frame, from_points, checked)

    if from_points and tested:
        metric = all_metric(tested)
    return Method(name, with_attitude, alone=True, metric=metric)


def _in_metres(predict: Callable[..., np.ndarray]) -> bool:
    """A function that says nothing about itself predicts metres."""
    return getattr(predict, "metadata", {"unit": "metres"}).get("unit") == "metres"


def other_uses(predict: Callable[[np.ndarray], np.ndarray], mirrored: bool) -> list[Method]:
    """The model without what is known beside the image, where it makes use of that, and averaged
    with the mirrored image's depth."""
    found = []
    metric = _in_metres(predict)
    if _takes_slope(predict):
        method = Method(
            PICTURE_ALONE, lambda frame: predict(frame.image), alone=True, metric=metric
        )
        found.append(method)
    if _takes_start(predict):
        found.append(model_method(predict, WITHOUT_POINTS, with_points=False))
    if mirrored:

        def averaged(image_HW3: np.ndarray, *known: np.ndarray) -> np.ndarray:
            one_by_one = functools.partial(_one_by_one, predict)
            return mirrored_mean(one_by_one, image_HW3[None], *(each[None] for each in known))[0]

        def of_frame(frame: Frame) -> np.ndarray:
            if not _takes_slope(predict):
                return averaged(frame.image)
            return _with_what_is_known(averaged, predict, frame, _takes_start(predict), True)

        found.append(Method(MIRRORED, of_frame, alone=True, metric=metric))
    return found


def _with_what_is_known(
    predict: Callable[..., np.ndarray],
    model: Callable[..., np.ndarray],
    frame: Frame,
    from_points: bool,
    checked: bool,
) -> np.ndarray:
    """Depth [H, W] by `predict`, a use of `model`, given the frame's slope and points."""
    slope = slope_of(frame.reference, *frame.image.shape[:2])
    start = start_of_frame(frame.reference, frame.image) if from_points else None
    if start is None:
        return predict(frame.image, slope)
    depth = predict(frame.image, slope, start)
    if not checked:
        return depth
    return weighted(depth[None], start[None], weight_in_scene(model, frame.reference))[0]


def _one_by_one(
    predict: Callable[..., np.ndarray], images: np.ndarray, *slopes: np.ndarray
) -> np.ndarray:
    return np.stack([predict(*each) for each in zip(images, *slopes, strict=True)])


def _takes_slope(predict: Callable[..., np.ndarray]) -> bool:
    return isinstance(predict, DepthModel) and predict.takes_slope


def _takes_start(predict: Callable[..., np.ndarray]) -> bool:
    return isinstance(predict, DepthModel) and predict.takes_start


def trivial_baselines(training: TrainingDepth) -> list[Method]:
    """`constant`, `mean_depth_map` (where the training frames have references) and the oracle
    `tilted_plane`."""

    def constant(frame: Frame) -> np.ndarray:
        return np.full(frame.depth.shape, training.constant, np.float32)

    methods = [Method("constant", constant, cheap=True, metric=training.metric)]
    if training.mean_HW is not None:
        mean_HW = training.mean_HW
        inverse_HW = np.reciprocal(mean_HW)

        def mean_depth_map(frame: Frame) -> np.ndarray:
            # Stretched on purpose: the baseline is an image of the average frame, whatever the
            # proportions of this one.
            size = frame.depth.shape[::-1]
            return np.reciprocal(cv2.resize(inverse_HW, size, interpolation=cv2.INTER_LINEAR))

        methods.append(Method("mean_depth_map", mean_depth_map, cheap=True, metric=training.metric))
    methods.append(Method("tilted_plane", _tilted_plane, oracle=True, metric=True))
    return methods


def level_ground(references: Iterable[Reference]) -> list[Method]:
    """Level ground under the camera, without a look at the image; where the camera's attitude is
    known for some of the frames."""
    if not any(np.isfinite(slope_of(reference, 1, 1)).all() for reference in references):
        return []

    def ground(frame: Frame) -> np.ndarray:
        height, width = frame.depth.shape
        slope = slope_of(frame.reference, height, width)
        if not np.isfinite(slope).all():
            raise PredictionError("left out", "the camera's attitude is not known")
        return relative_inverse_depth(torch.tensor(slope)[None], height, width)[0, 0].numpy()

    return [Method(LEVEL_GROUND, ground, "inverse_depth", cheap=True)]


def _tilted_plane(frame: Frame) -> np.ndarray:
    plane_HW = tilted_plane(frame.depth)
    if plane_HW is None:
        raise PredictionError("missing", "the reference is too sparse to fit a plane to it")
    return plane_HW


def inverse_prediction(method: Method, frame: Frame) -> np.ndarray:
    """A method's inverse depth [H, W] float32 at the reference's size, NaN where it has none.

    Raises:
        PredictionError: if the prediction is missing, damaged, empty or not of the frame's
            proportions.
    """
    return as_inverse(method, method.predict(frame), frame)


def as_inverse(method: Method, prediction: np.ndarray, frame: Frame) -> np.ndarray:
    """What a method predicted as inverse depth [H, W] float32 at the reference's size, NaN
    where there is none.

    Other sizes are brought to the reference's by bilinear interpolation of inverse depth; a hole
    swallows the pixels that touch it.

    Raises:
        PredictionError: as for `inverse_prediction`.
    """
    height, width = frame.depth.shape
    prediction = np.asarray(prediction)
    if prediction.ndim != 2 or min(prediction.shape) == 0:
        raise PredictionError(
            "damaged", f"an array of shape {prediction.shape} is not a depth map [H, W]"
        )
    own_height, own_width = prediction.shape
    difference = abs(own_width * height - own_height * width)
    if not method.stretched and difference > _ASPECT_TOLERANCE * own_height * width:
        raise PredictionError(
            "mis-sized",
            f"{own_width}×{own_height} pixels do not have the proportions of the frame,"
            f" {width}×{height}; nothing is stretched",
        )
    prediction = prediction.astype(np.float32, copy=False)
    usable = np.isfinite(prediction)
    if method.output != "affine_inverse_depth":
        usable &= prediction > _SMALLEST
    if method.output == "depth":
        inverse = np.divide(
            1, prediction, out=np.full(prediction.shape, np.nan, np.float32), where=usable
        )
    else:
        inverse = np.where(usable, prediction, np.float32(np.nan))
    if inverse.shape != (height, width):
        inverse = cv2.resize(inverse, (width, height), interpolation=cv2.INTER_LINEAR)
    if not np.isfinite(inverse).any():
        raise PredictionError("empty", "no pixel holds a finite, positive value")
    return inverse


def check_names(names: list[str]) -> None:
    """Raise ValueError if two methods share a name."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"two methods are called '{name}'; every method needs a name of its own"
            )
