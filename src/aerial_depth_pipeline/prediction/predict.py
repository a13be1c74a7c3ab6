"""Depth of a video, an image or a folder of images, written as video, depth maps and point
clouds."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from aerial_depth_pipeline.capture.footage import Footage
from aerial_depth_pipeline.capture.sources import SourceFrame
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import disk_full_as_sentence, made_ahead, write_json
from aerial_depth_pipeline.geometry.surface import has_points
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.held_back_points import (
    HeldBackPoints,
    expected_error,
    look_at_points,
    weighted,
)
from aerial_depth_pipeline.networks.inference.bfloat16 import has_bfloat16, in_bfloat16
from aerial_depth_pipeline.networks.inference.mirroring import mirrored_mean
from aerial_depth_pipeline.prediction.attitude_lookup import Attitude
from aerial_depth_pipeline.prediction.colmap_scale import compare_with_views, read_colmap_views
from aerial_depth_pipeline.prediction.film_points import FilmPoints
from aerial_depth_pipeline.prediction.input_frames import batches, open_footage, sample_frames
from aerial_depth_pipeline.prediction.scale import find_scale
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.prediction.writers import FrameWriter
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.reporting.colours import depth_range

logger = logging.getLogger(__name__)

REPORT = "prediction.json"
_METADATA = ("unit", "domains", "data_fingerprint")  # of the model, in the report


class Model(Protocol):
    """What predicts: a DepthModel, an OnnxDepthModel, or anything with the same call.

    Attributes:
        width, height: size in pixels at which it looks at an image.
        metadata: `unit` says what comes out.
    """

    width: int
    height: int
    metadata: dict[str, Any]

    def predict(self, images_BHW3: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Depth [B, H, W], float32, of RGB images [B, H, W, 3], uint8."""
        ...


def predict(source: Path, model: Model, settings: PredictSettings, output: Path) -> dict[str, Any]:
    """Predict the depth of footage, frame by frame; memory does not grow with its length.

    Args:
        source: a video, an image, a folder of images, or a scene's folder. A `camera.yaml` and a
            `.SRT` of the video's name beside it are used.
        model: predicts depth.
        settings: see `PredictSettings`; its `source` is not read here.
        output: an empty or new local folder. It receives `prediction.json` and, as the settings
            say, `side_by_side.mp4` (of images `side_by_side/*.jpg`), `depth/*.tiff` (float32
            z-depth), `uncertainty/*.tiff` (float32 relative error that about 68 % of the pixels are
            within, where the flight's own points tell it), `depth_png/*.png` (16 bit, in steps of
            `png_step`), `points/*.ply`. Files are named after the frame's index in the source,
            images also after the file.

    Returns:
        The content of `prediction.json`: unit and its origin, camera, attitude (of a model that
        starts from level ground: its origin, the share of the frames for which it was known, and by
        how many degrees the focal length may turn it), colour scale, and what was wrong with the
        source.

    Raises:
        UserError: where the source cannot be used, the disk is full, or the output folder is not
            empty.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    if any(output.iterdir()):
        raise UserError(
            f"{output} is not empty; predictions of two sources are not to be mixed: name another"
            " folder."
        )
    footage = open_footage(Path(source), settings.max_width, settings.focal_35mm)
    if isinstance(model, DepthModel):
        device = _device(settings.device)
        in_half = settings.precision == "auto" and has_bfloat16(device)
        model = in_bfloat16(model) if in_half or settings.precision == "bfloat16" else model
        model.to(device)
    advice = "free some space, or write less (predict.tiff_every, max_width)."
    with disk_full_as_sentence(output, advice):
        return _predict(footage, model, settings, output)


def _device(choice: str) -> str:
    if choice == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "predict.device is 'cuda', but there is no CUDA device; set predict.device: auto."
        )
    return "cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu"


class _KnownBefore(NamedTuple):
    """What is known of frames before the network sees them.

    Attributes:
        slopes, starts: [slope_B2] and [start_B2HW], or empty where the model takes none.
    """

    frames: Sequence[SourceFrame]
    images_BHW3: np.ndarray
    slopes: list[np.ndarray]
    starts: list[np.ndarray]


class _Predictor:
    """Depth of frames in the model's units, with the attitude where the model takes it.

    Attributes:
        attitude: None for a model that does not take it.
        known_attitudes: of how many of the frames of `depth` the attitude was known.
        points: what the footage's own points tell; None where the model does not start from them
            or the footage holds none.
        held_back: what those of them tell that were held back.
    """

    def __init__(self, model: Model, footage: Footage, settings: PredictSettings) -> None:
        takes_slope = isinstance(model, DepthModel) and model.takes_slope
        self.attitude = Attitude(footage, settings) if takes_slope else None
        self.known_attitudes = 0
        self._model, self._mirrored = model, settings.mirrored
        self._states_error = settings.uncertainty_every > 0
        self.points: FilmPoints | None = None
        if isinstance(model, DepthModel) and model.takes_start and settings.own_points:
            points = FilmPoints(footage)
            self.points = points if points.metric is not None else None
        self.held_back = HeldBackPoints()

    def look_at_points(self, samples: Sequence[SourceFrame]) -> None:
        """Hold some points of some frames back."""
        model = self._model
        if self.points is None or self.attitude is None or not isinstance(model, DepthModel):
            return
        frames = self.points.shown(samples, self.attitude.slopes(samples))
        self.held_back = look_at_points(model, frames)
        if self.held_back.error is None:
            return
        sentence = (
            "predict: at points of the flight that were held back 68 %% of the errors are below"
            " %.1f %%; %.0f %% of what the network adds to the surface through the others are kept."
        )
        logger.info(sentence, 100 * self.held_back.error, 100 * self.held_back.weight)

    @property
    def unit(self) -> str | None:
        """The unit of `depth`."""
        if self.points is None:
            return self._model.metadata.get("unit")
        return "metres" if self.points.metric else "steps of the flight"

    def restart(self) -> None:
        """Begin with the first frame of the footage."""
        self.known_attitudes = 0
        if self.points is not None:
            self.points.restart()

    def known_before(self, frames: Sequence[SourceFrame]) -> _KnownBefore:
        """What is known of frames, in the order of the footage, before the network sees them."""
        images = np.stack([frame.image for frame in frames if frame.image is not None])
        slopes = [] if self.attitude is None else [self.attitude.slopes(frames)]
        self.known_attitudes += sum(int(np.isfinite(s_B2).all(1).sum()) for s_B2 in slopes)
        starts = [] if self.points is None else [self.points.starts(frames, slopes[0])]
        return _KnownBefore(frames, images, slopes, starts)

    def depth(self, known: _KnownBefore) -> tuple[np.ndarray, list[np.ndarray | None]]:
        """Depth [B, H, W], and the expected relative error [H, W] where it is wanted and points
        tell it."""
        images, slopes, starts = known.images_BHW3, known.slopes, known.starts
        errors: list[np.ndarray | None] = [None] * len(images)
        if starts and self._states_error:
            errors = [expected_error(start, self.held_back.error) for start in starts[0]]
        weight = self.held_back.weight
        if starts and weight == 0 and has_points(starts[0]).all():
            return 1 / starts[0][:, 0], errors  # the network has nothing to say
        if self._mirrored:
            depth = mirrored_mean(self._model.predict, images, *slopes, *starts)
        else:
            depth = self._model.predict(images, *slopes, *starts)
        return weighted(depth, starts[0], weight) if starts else depth, errors

    def depth_of_one(self, frame: SourceFrame) -> np.ndarray:
        """Depth [H, W]."""
        return self.depth(self.known_before([frame]))[0][0]


def _predict(
    footage: Footage, model: Model, settings: PredictSettings, output: Path
) -> dict[str, Any]:
    predictor, source = _Predictor(model, footage, settings), footage.source
    samples = sample_frames(footage, settings.scale_frames)
    predictor.look_at_points(samples)
    depths = [predictor.depth_of_one(sample) for sample in samples]
    colmap = None
    if settings.colmap is not None:
        views = read_colmap_views(Path(settings.colmap).expanduser())
        colmap = compare_with_views(views, footage, predictor.depth_of_one, settings.scale_frames)
    from_points = predictor.points is not None
    scale = find_scale(
        settings.scale, predictor.unit, footage, samples, depths, colmap, from_points
    )
    if scale.frames is not None:
        scale.frames.start(scale.factor)
    depths = [depth * scale.of(frame, depth) for frame, depth in zip(samples, depths, strict=True)]
    sampled = np.concatenate([depth[::4, ::4].ravel() for depth in depths])
    near, far = depth_range(sampled, (1, 99), 1.01)
    # Centimetres hold 655 m; without metres the steps are chosen so that nothing that the samples
    # show comes near the end.
    farthest = max(float(depth.max()) for depth in depths)
    png_step = 0.01 if scale.unit == "metres" else float(f"{2 * farthest / 65535:.3g}")
    del samples, depths

    predictor.restart()
    if scale.frames is not None:
        scale.frames.start(scale.factor)
    size = footage.width, footage.height
    frames = source.frames(*size, lambda index: index % settings.stride == 0)
    frames = progress(frames, f"depth of {footage.path.name}", unit="frame")
    with FrameWriter(footage, settings, output, (near, far), png_step) as writer:
        groups = map(predictor.known_before, batches(made_ahead(frames), settings.batch_size))
        for known in made_ahead(groups):
            for frame, depth, error in zip(known.frames, *predictor.depth(known), strict=True):
                writer.write(frame, depth * scale.of(frame, depth), error)
    for warning in source.warnings:
        logger.warning("predict: %s", warning)
    how: dict[str, object] = {
        "origin": scale.origin,
        "factor": scale.factor,
        "explanation": scale.explanation,
    }
    if scale.frames is not None:
        how |= {
            "known": scale.frames.known / max(1, writer.count),
            "smallest_factor": float(min(scale.frames.factors)),
            "largest_factor": float(max(scale.frames.factors)),
        }
    report = {
        "format": 1,
        "source": footage.path.name,
        "place": str(footage.path.resolve()),
        "kind": source.kind,
        "frames": writer.count,
        "stride": settings.stride,
        "width": footage.width,
        "height": footage.height,
        "depth": "z-depth along the optical axis",
        "unit": scale.unit,
        "scale": how,
        "camera": {
            "origin": footage.camera_origin,
            "model": footage.camera.model,
            "params": list(footage.camera.params),
        },
        "colours": {"map": "plasma of inverse depth", "near": near, "far": far},
        "model": {
            "looks_at": f"{model.width}x{model.height}",
            **{key: model.metadata[key] for key in _METADATA if key in model.metadata},
        },
        "warnings": list(source.warnings),
    }
    if settings.png_every:
        report["png_step"] = png_step
    if predictor.points is not None:
        share = predictor.points.known / max(1, writer.count)
        report["start"] = {
            "own_points": share,
            "network_share": predictor.held_back.weight,
            "error_at_points": predictor.held_back.error,
        }
    if predictor.attitude is not None:
        report["attitude"] = {
            "origin": predictor.attitude.origin or "picture",
            "known": predictor.known_attitudes / max(1, writer.count),
            "doubt_degrees": predictor.attitude.doubt,
        }
        if predictor.known_attitudes < writer.count:
            sentence = (
                f"The camera's attitude is known in {predictor.known_attitudes} of {writer.count}"
                " frames; elsewhere level ground is estimated from the image alone, which holds for"
                " terrain like that of the training. Put telemetry beside the footage or set"
                " predict.pitch."
            )
            report["warnings"] = [*source.warnings, sentence]
            logger.warning("predict: %s", sentence)
    write_json(output / REPORT, report)
    return report
