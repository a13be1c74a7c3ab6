"""Frames per second of prediction at 384x224, batch 1, on two processor cores: inference alone,
decode, infer and write together, and a film from its own points.

    python benchmarks/inference.py

Weights are untrained: they make no difference to the time. All methods take turns in every round,
so that whatever else the machine does hits them alike; the median of a method's best round counts.
End to end writes what `predict` writes by default: film and TIFF of each frame. The film with
points is a simulated flight at 30 frames a second; attitude and points are found in it, all that
the network says is kept. The last line is the smaller of two ratios: the fastest method with
resnet18, inference alone, over 30 frames a second; the film with points over 15.
"""

import argparse
import logging
import os
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

if hasattr(os, "sched_setaffinity"):  # before torch counts the cores
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])

import numpy as np
import torch

from aerial_depth_pipeline.formats.videos import VideoWriter
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.held_back_points import HeldBackPoints
from aerial_depth_pipeline.networks.inference.bfloat16 import in_bfloat16
from aerial_depth_pipeline.networks.inference.export import FIXED, INT8, export_model
from aerial_depth_pipeline.networks.inference.onnx_model import OnnxDepthModel, resize
from aerial_depth_pipeline.networks.inference.settings import ExportSettings
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.prediction import predict as predict_module
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.simulation.flight import simulate_flight
from aerial_depth_pipeline.simulation.settings import FlightSettings

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


def film_with_points(seconds: int, rounds: int, folder: Path) -> dict[str, float]:
    """Precision → frames per second of a simulated flight from its own points, end to end."""
    flight = FlightSettings(
        frames=seconds * FPS, fps=FPS, orbit_step=0.9, depth_every=1000, width=WIDTH, height=HEIGHT
    )
    simulate_flight(flight, folder / "flight", quiet=True)
    settings = NetworkSettings(encoder="tf_efficientnet_lite0", start="points")
    model = DepthModel(DepthNetwork(settings), settings, WIDTH, HEIGHT)
    fastest: dict[str, float] = {}
    with patch.object(predict_module, "look_at_points", lambda *_: HeldBackPoints(1.0, 0.02)):
        for turn in range(rounds):
            for precision in ("float32", "bfloat16"):
                options = PredictSettings(device="cpu", precision=precision)
                start = time.perf_counter()
                output = folder / f"film {turn} {precision}"
                report = predict(folder / "flight" / "video.mp4", model, options, output)
                speed = report["frames"] / (time.perf_counter() - start)
                fastest[precision] = max(speed, fastest.get(precision, 0.0))
                if report["start"]["own_points"] < 0.9:
                    raise SystemExit(f"the film's points are not used: {report['start']}")
    return fastest


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=40, help="of the video")
    parser.add_argument("--seconds", type=int, default=20, help="of the film with points")
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
        films = film_with_points(arguments.seconds, arguments.rounds, Path(scratch))
    for precision, speed in films.items():
        print(f"{'film with points':24}{'torch ' + precision:24}{'':11}{speed:12.1f}  frames/s")
    print(f"ratio: {min(fastest / 30, max(films.values()) / 15):.2f}")


if __name__ == "__main__":
    main()
