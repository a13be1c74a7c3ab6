"""Frames per second of prediction at 384x224, batch 1, on two processor cores: inference alone, and
decode, infer and write together.

    python benchmarks/inference.py

Weights are untrained: they make no difference to the time. All methods take turns in every
    round, so that whatever else the machine
does hits them alike; the median of a method's best round counts. End to end writes what
`predict` writes by default: film and TIFF of each frame. The last line is the fastest method
    with resnet18, inference alone, over 30 frames a second.
"""

import argparse
import logging
import os
import tempfile
import time
from pathlib import Path

if hasattr(os, "sched_setaffinity"):  # before torch counts the cores
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])

import numpy as np
import torch

from aerial_depth_pipeline.formats.videos import VideoWriter
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference.bfloat16 import in_bfloat16
from aerial_depth_pipeline.networks.inference.export import FIXED, INT8, export_model
from aerial_depth_pipeline.networks.inference.onnx_model import OnnxDepthModel, resize
from aerial_depth_pipeline.networks.inference.settings import ExportSettings
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings

WIDTH, HEIGHT, FPS = 384, 224, 30
TIMED = 15
ENCODERS = {
    "resnet18": NetworkSettings(encoder="resnet18"),
    "mobilenetv4_conv_small": NetworkSettings(
        encoder="mobilenetv4_conv_small", decoder_channels=[8, 16, 32, 64, 128]
    ),
}


def footage(count: int) -> list[np.ndarray]:
    """A picture with detail at all sizes that drifts by."""
    rng = np.random.default_rng(0)
    large = sum(
        resize(
            rng.random((1, 4 << level, 6 << level, 3), np.float32), HEIGHT, WIDTH + count, False
        )[0]
        / 2**level
        for level in range(6)
    )
    large = (255 * large / large.max()).astype(np.uint8)
    return [np.ascontiguousarray(large[:, shift : shift + WIDTH]) for shift in range(count)]


def methods(settings: NetworkSettings, frames: list[np.ndarray], folder: Path) -> dict[str, object]:
    """The same model in its four forms, and on a GPU where there is one."""
    torch.manual_seed(0)
    model = DepthModel(DepthNetwork(settings), settings, WIDTH, HEIGHT)
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight, std=0.3)
    export_model(
        model, folder, frames[:4], frames[4:12], ExportSettings(any_size=False, torchscript=False)
    )
    found = {
        "torch float32": model,
        "torch bfloat16": in_bfloat16(model),
        "ONNX Runtime float32": OnnxDepthModel.load(folder / FIXED),
        "ONNX Runtime INT8": OnnxDepthModel.load(folder / INT8),
    }
    if torch.cuda.is_available():
        found["torch float32, GPU"] = DepthModel.load(_saved(model, folder), "cuda")
        found["torch bfloat16, GPU"] = in_bfloat16(DepthModel.load(_saved(model, folder), "cuda"))
    return found


def _saved(model: DepthModel, folder: Path) -> Path:
    model.save(folder / "depth_model")
    return folder / "depth_model"


def measure(
    models: dict[str, object], frames: list[np.ndarray], video: Path, rounds: int, folder: Path
) -> dict[str, tuple[float, ...]]:
    """Method → frames per second of inference alone and of the whole, and mean and largest
    difference of depth from float32."""
    alone: dict[str, list[float]] = {name: [] for name in models}
    whole: dict[str, list[float]] = {name: [] for name in models}
    reference = models["torch float32"](frames[0])
    difference = {name: np.abs(model(frames[0]) / reference - 1) for name, model in models.items()}
    for turn in range(rounds):
        for name, model in models.items():
            times = []
            for frame in frames[:TIMED]:
                start = time.perf_counter()
                model(frame)
                times.append(time.perf_counter() - start)
            alone[name].append(float(np.median(times)))
            start = time.perf_counter()
            settings = PredictSettings(
                device="auto" if name.endswith("GPU") else "cpu", scale_frames=4
            )
            report = predict(video, model, settings, folder / f"{turn} {name}")
            whole[name].append((time.perf_counter() - start) / report["frames"])
    return {
        name: (
            1 / min(alone[name]),
            1 / min(whole[name]),
            difference[name].mean(),
            difference[name].max(),
        )
        for name in models
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=40, help="of the video")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    frames = footage(arguments.frames)
    print(
        f"{torch.get_num_threads()} threads, load average {os.getloadavg()[0]:.1f} at the start,"
        f" torch {torch.__version__}"
    )
    print(
        f"{'encoder':24}{'contestant':24}{'inference':>11}{'end to end':>12}  frames/s; depth"
        " differs by (mean, largest)"
    )
    fastest = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        video = Path(scratch) / "video.mp4"
        with VideoWriter(video, WIDTH, HEIGHT, FPS, "prediction") as film:
            for frame in frames:
                film.write(frame)
        for encoder, settings in ENCODERS.items():
            folder = Path(scratch) / encoder
            models = methods(settings, frames, folder / "models")
            for name, (alone, whole, mean, largest) in measure(
                models, frames, video, arguments.rounds, folder
            ).items():
                print(
                    f"{encoder:24}{name:24}{alone:11.1f}{whole:12.1f}{'':12}{mean:.2%},"
                    f" {largest:.2%}",
                    flush=True,
                )
                if encoder == "resnet18" and not name.endswith("GPU"):
                    fastest = max(fastest, alone)
    print(f"ratio: {fastest / 30:.2f}")


if __name__ == "__main__":
    main()
