"""Depth of a video, a picture or a folder of pictures, written as film, depth maps and point
clouds."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from aerial_depth_pipeline.capture.footage import USUAL_FPS, Footage
from aerial_depth_pipeline.capture.sources import SourceFrame
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import BoundedExecutor, disk_full_as_sentence, write_json
from aerial_depth_pipeline.formats.depth_maps import write_depth, write_depth_png
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import write_jpeg
from aerial_depth_pipeline.formats.videos import VideoWriter
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference.bfloat16 import in_bfloat16
from aerial_depth_pipeline.networks.inference.mirroring import mirrored_mean
from aerial_depth_pipeline.prediction.attitude_lookup import Attitude
from aerial_depth_pipeline.prediction.colmap_scale import compare_with_views, read_colmap_views
from aerial_depth_pipeline.prediction.input_frames import batches, open_footage, sample_frames
from aerial_depth_pipeline.prediction.scale import Scale, find_scale, normalised_pixels
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.prediction.writers import write_points
from aerial_depth_pipeline.progress import progress_bar
from aerial_depth_pipeline.reporting.colours import depth_range, plasma

logger = logging.getLogger(__name__)

REPORT = "prediction.json"


class Model(Protocol):
    """What predicts: a DepthModel, an OnnxDepthModel, or anything with the same call.

    Attributes:
        width, height: size in pixels at which it looks at a picture.
        metadata: `unit` says what comes out.
    """

    width: int
    height: int
    metadata: dict[str, Any]

    def predict(self, images_BHW3: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Depth [B, H, W], float32, of RGB pictures [B, H, W, 3], uint8."""
        ...


def predict(source: Path, model: Model, settings: PredictSettings, output: Path) -> dict[str, Any]:
    """Predict the depth of footage, frame by frame; memory does not grow with its length.

    Args:
        source: a video, a picture, a folder of pictures, or a scene's folder. A `camera.yaml` and a
            `.SRT` of the video's name beside it are used.
        model: predicts depth.
        settings: see `PredictSettings`; its `source` is not read here.
        output: an empty or new local folder. It receives `prediction.json` and, as the settings
            say, `side_by_side.mp4` (of pictures `side_by_side/*.jpg`), `depth/*.tiff` (float32
            z-depth), `depth_png/*.png` (16 bit, in steps of `png_step`), `points/*.ply`. Files are
            named after the frame's index in the source, pictures also after the file.

    Returns:
        The content of `prediction.json`: unit and where it comes from, camera, attitude (of a model
            that starts from level ground: where it
        comes from and of what share of the frames it was known), colour scale, and what was wrong
        with the source.

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
        model = in_bfloat16(model) if settings.precision == "bfloat16" else model
        model.to(_device(settings.device))
    advice = "free some space, or write less (predict.tiff_every, max_width)."
    with disk_full_as_sentence(output, advice):
        return _predict(footage, model, settings, output)


def _device(choice: str) -> str:
    if choice == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "predict.device is 'cuda', but there is no CUDA device; set predict.device: auto."
        )
    return "cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu"


def _predict(
    footage: Footage, model: Model, settings: PredictSettings, output: Path
) -> dict[str, Any]:
    attitude = (
        Attitude(footage, settings) if isinstance(model, DepthModel) and model.takes_slope else None
    )
    known_attitudes = 0

    def depth_of(frames: Sequence[SourceFrame]) -> tuple[np.ndarray, int]:
        """Depth, and of how many frames the attitude is known."""
        images = np.stack([frame.image for frame in frames])
        slopes = [] if attitude is None else [attitude.slopes(frames)]
        depth = (
            mirrored_mean(model.predict, images, *slopes)
            if settings.mirrored
            else model.predict(images, *slopes)
        )
        return depth, sum(int(np.isfinite(slope_B2).all(1).sum()) for slope_B2 in slopes)

    def depth_of_one(frame: SourceFrame) -> np.ndarray:
        return depth_of([frame])[0][0]

    samples = sample_frames(footage, settings.scale_frames)
    depths = [depth_of_one(sample) for sample in samples]
    colmap = None
    if settings.colmap is not None:
        views = read_colmap_views(Path(settings.colmap).expanduser())
        colmap = compare_with_views(views, footage, depth_of_one, settings.scale_frames)
    scale = find_scale(
        settings.scale,
        model.metadata.get("unit"),
        footage,
        depths,
        [sample.time for sample in samples],
        colmap,
    )
    depths = [depth * np.float32(scale.factor) for depth in depths]
    sampled = np.concatenate([depth[::4, ::4].ravel() for depth in depths])
    near, far = depth_range(sampled, (1, 99), 1.01)
    # Centimetres hold 655 m; without metres the steps are chosen so that nothing that the samples
    # show comes near the end.
    png_step = (
        0.01
        if scale.unit == "metres"
        else float(f"{2 * max(float(depth.max()) for depth in depths) / 65535:.3g}")
    )
    del samples, depths

    writer = _FrameWriter(footage, settings, output, near, far, png_step)
    frames = footage.source.frames(
        footage.width, footage.height, lambda index: index % settings.stride == 0
    )
    with writer, progress_bar(None, f"depth of {footage.path.name}", unit="frame") as bar:
        for group in batches(frames, settings.batch_size):
            predicted, known = depth_of(group)
            known_attitudes += known
            for frame, depth in zip(group, predicted * np.float32(scale.factor), strict=True):
                writer.write(frame, depth)
                bar.update()
    for warning in footage.source.warnings:
        logger.warning("predict: %s", warning)
    report = _report(footage, model, settings, scale, writer)
    if attitude is not None:
        report["attitude"] = {
            "origin": attitude.origin or "picture",
            "known": known_attitudes / max(1, writer.count),
        }
    write_json(output / REPORT, report)
    return report


class _FrameWriter:
    """Writes each frame's files behind the network's back."""

    def __init__(
        self,
        footage: Footage,
        settings: PredictSettings,
        output: Path,
        near: float,
        far: float,
        png_step: float,
    ) -> None:
        self.count = 0
        self.near, self.far, self.png_step = near, far, png_step
        self._footage, self._settings, self._output = footage, settings, output
        self._normalised = normalised_pixels(footage.camera) if settings.points_every else None
        folders = {
            "side_by_side": settings.side_by_side and not footage.is_video,
            "depth": settings.tiff_every,
            "depth_png": settings.png_every,
            "points": settings.points_every,
        }
        for name, wanted in folders.items():
            if wanted:
                (output / name).mkdir()
        self._stack = ExitStack()

    def __enter__(self) -> "_FrameWriter":
        footage, settings = self._footage, self._settings
        self._film = None
        if settings.side_by_side and footage.is_video:
            fps = (footage.source.fps or USUAL_FPS) / settings.stride
            self._film = self._stack.enter_context(
                VideoWriter(
                    self._output / "side_by_side.mp4",
                    2 * footage.width,
                    footage.height,
                    fps,
                    "prediction",
                )
            )
        self._in_order = self._stack.enter_context(BoundedExecutor(1, 8))
        self._files = self._stack.enter_context(BoundedExecutor(2, 16))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def write(self, frame: SourceFrame, depth_HW: np.ndarray) -> None:
        """Write what the settings want of this frame."""
        settings, number = self._settings, self.count
        self.count += 1
        name = numbered(frame.index) + (f"_{Path(frame.name).stem}" if frame.name else "")
        if settings.side_by_side:
            self._in_order.submit(self._write_side_by_side, name, frame.image, depth_HW)
        if settings.tiff_every and number % settings.tiff_every == 0:
            self._files.submit(write_depth, self._output / "depth" / f"{name}.tiff", depth_HW)
        if settings.png_every and number % settings.png_every == 0:
            self._files.submit(
                write_depth_png, self._output / "depth_png" / f"{name}.png", depth_HW, self.png_step
            )
        if settings.points_every and number % settings.points_every == 0:
            path = self._output / "points" / f"{name}.ply"
            self._files.submit(
                write_points, path, depth_HW, frame.image, self._normalised, settings.points_stride
            )

    def _write_side_by_side(self, name: str, image_HW3: np.ndarray, depth_HW: np.ndarray) -> None:
        picture = np.concatenate([image_HW3, plasma(depth_HW, self.near, self.far)], 1)
        if self._film is not None:
            self._film.write(picture)
        else:
            write_jpeg(self._output / "side_by_side" / f"{name}.jpg", picture, 92)


def _report(
    footage: Footage, model: Model, settings: PredictSettings, scale: Scale, writer: _FrameWriter
) -> dict[str, Any]:
    source, camera = footage.source, footage.camera
    report = {
        "format": 1,
        "source": footage.path.name,
        "kind": source.kind,
        "frames": writer.count,
        "stride": settings.stride,
        "width": footage.width,
        "height": footage.height,
        "depth": "z-depth along the optical axis",
        "unit": scale.unit,
        "scale": {"origin": scale.origin, "factor": scale.factor, "explanation": scale.explanation},
        "camera": {
            "origin": footage.camera_origin,
            "model": camera.model,
            "params": list(camera.params),
        },
        "colours": {"map": "plasma of inverse depth", "near": writer.near, "far": writer.far},
        "model": {
            "looks_at": f"{model.width}x{model.height}",
            **{
                key: model.metadata[key]
                for key in ("unit", "domains", "data_fingerprint")
                if key in model.metadata
            },
        },
        "warnings": list(source.warnings),
    }
    if settings.png_every:
        report["png_step"] = writer.png_step
    return report
