"""One training step against the plain form of the same step: same network, same loss, same batch.

The plain form: float32, NCHW, plain Adam, pictures decoded and augmented on the host for every
    step, and a warp and a full photometric
error for every scale and source on its own, with torch's own pooling; where the pose is learned,
the encoder runs once for each frame.
Ours: bfloat16 where the processor has it, channels last, a fused optimizer, pictures decoded once,
    augmentation of the whole batch on the
device (colours only of what the network sees), one pass over all frames, one warp for all scales of
a source, and a photometric error with shared windows, a gradient by hand and loops compiled where
training compiles them (`train.compile: auto`).

Both with given poses, which is the default, and with learned ones. Each form runs in a process of
its own, so that its memory is its own; all are timed in turns of several steps, as a training runs,
and processor time stands beside the clock. The last line's ratio is that of the default, by the
clock.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from aerial_depth_pipeline.geometry.cameras import flip_K
from aerial_depth_pipeline.geometry.warping import warp
from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.training.augmentation import augment
from aerial_depth_pipeline.training.fit import uses_bf16
from aerial_depth_pipeline.training.kernels.compiling import pays
from aerial_depth_pipeline.training.kernels.optimizers import AdamW
from aerial_depth_pipeline.training.module import compose_poses
from aerial_depth_pipeline.training.objective import objective
from aerial_depth_pipeline.training.settings import (
    AugmentationSettings,
    LossSettings,
    PoseSettings,
    TrainSettings,
)
from aerial_depth_pipeline.training.terms import Context

LOSS, POSE, AUGMENTATION = (
    LossSettings(),
    PoseSettings(),
    AugmentationSettings(flip=0.5, color_jitter=0.2),
)


def write_pictures(folder: Path, count: int, width: int, height: int) -> None:
    """Triplets of smooth noise, side by side as on disk."""
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = rng.integers(0, 256, (height // 8, 3 * width // 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((3 * width, height), Image.Resampling.BICUBIC).save(
            folder / f"{index:06d}.jpg", quality=95
        )


def geometry(
    batch: int, width: int, height: int, device: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    K = torch.tensor(
        [[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1.0]], device=device
    ).repeat(batch, 1, 1)
    T = torch.eye(4, device=device).repeat(batch, 2, 1, 1)
    T[:, 0, 0, 3], T[:, 1, 0, 3] = 0.05, -0.05
    return K, T, torch.ones(batch, 2, dtype=torch.bool, device=device)


def plain_ssim(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x, y = F.pad(x, (1, 1, 1, 1), mode="reflect"), F.pad(y, (1, 1, 1, 1), mode="reflect")
    mean_x, mean_y = F.avg_pool2d(x, 3, 1), F.avg_pool2d(y, 3, 1)
    variance_x = F.avg_pool2d(x**2, 3, 1) - mean_x**2
    variance_y = F.avg_pool2d(y**2, 3, 1) - mean_y**2
    covariance = F.avg_pool2d(x * y, 3, 1) - mean_x * mean_y
    value = (2 * mean_x * mean_y + 1e-4) * (2 * covariance + 9e-4)
    return value / ((mean_x**2 + mean_y**2 + 1e-4) * (variance_x + variance_y + 9e-4))


def plain_error(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    dissimilarity = ((1 - plain_ssim(prediction, target)) / 2).clamp(0, 1).mean(1)
    return LOSS.ssim_weight * dissimilarity + (1 - LOSS.ssim_weight) * (
        prediction - target
    ).abs().mean(1)


class PlainForm:
    def __init__(
        self, folder: Path, batch: int, width: int, height: int, device: str, with_pose: bool
    ) -> None:
        self.paths, self.device = sorted(folder.glob("*.jpg")), device
        self.model = JointModel(NetworkSettings(), with_pose).to(device)
        encoder = self.model.depth.encoder
        encoder.forward = lambda image: encoder.body((image - encoder.mean) / encoder.std)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, foreach=False)
        self.K, self.T, _ = geometry(batch, width, height, "cpu")
        self.rng = np.random.default_rng(0)

    def sample(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        pixels = np.asarray(Image.open(self.paths[index]).convert("RGB"), np.float32) / 255
        frames = np.stack(np.split(pixels, 3, axis=1))
        K, T = self.K[index].clone(), self.T[index].clone()
        if self.rng.random() < AUGMENTATION.flip:
            frames, K = frames[:, :, ::-1].copy(), flip_K(K, frames.shape[2])
            mirror = torch.diag(torch.tensor([-1.0, 1, 1, 1]))
            T = mirror @ T @ mirror
        change = 1 + AUGMENTATION.color_jitter * (2 * self.rng.random(3) - 1)
        seen = frames * change[0]
        grey = seen.mean(-1, keepdims=True)
        seen = grey + (seen - grey) * change[1]
        seen = np.clip(grey.mean() + (seen - grey.mean()) * change[2], 0, 1).astype(np.float32)
        return (
            torch.from_numpy(frames).permute(0, 3, 1, 2),
            torch.from_numpy(seen).permute(0, 3, 1, 2),
            K,
            T,
        )

    def step(self) -> None:
        parts = [self.sample(i) for i in range(len(self.K))]
        images, seen, K, T = (
            torch.stack(p).contiguous().to(self.device) for p in zip(*parts, strict=True)
        )
        features = self.model.depth.encoder(seen[:, 1])
        maps = self.model.depth.decoder(features, images.shape[-2:])
        numbers = None
        if self.model.pose_decoder is not None:
            others = [self.model.depth.encoder(seen[:, i])[-1] for i in (0, 2)]
            numbers = torch.stack(
                [self.model.pose_decoder(features[-1], other) for other in others], 1
            )
        poses = compose_poses(numbers, T, POSE)
        total = 0
        for scale, inverse in enumerate(maps):
            depth = 1 / F.interpolate(
                inverse, images.shape[-2:], mode="bilinear", align_corners=False
            )
            errors, still = [], []
            for slot, source in enumerate((0, 2)):
                warped, inside = warp(images[:, source], depth, K, poses[:, slot])
                errors.append(
                    torch.where(inside[:, 0], plain_error(warped, images[:, 1]), torch.inf)
                )
                still.append(plain_error(images[:, source], images[:, 1]))
            error, unmoved = torch.stack(errors).amin(0), torch.stack(still).amin(0)
            mask = error < unmoved
            total = total + error[mask].mean()
            small = F.interpolate(images[:, 1], inverse.shape[-2:], mode="area")
            normalised = inverse / inverse.mean((2, 3), keepdim=True)
            for axis in (-1, -2):
                edge = torch.exp(-small.diff(dim=axis).abs().mean(1, keepdim=True))
                total = (
                    total
                    + LOSS.smoothness / 2**scale * (normalised.diff(dim=axis).abs() * edge).mean()
                )
        self.optimizer.zero_grad()
        (total / len(maps)).backward()
        self.optimizer.step()


class OurForm:
    def __init__(
        self, folder: Path, batch: int, width: int, height: int, device: str, with_pose: bool
    ) -> None:
        self.device = device
        self.model = JointModel(NetworkSettings(), with_pose).to(
            device, memory_format=torch.channels_last
        )
        self.optimizer = AdamW(self.model.parameters(), lr=1e-4, fused=True)
        pictures = [
            np.stack(np.split(np.asarray(Image.open(p)), 3, axis=1))
            for p in sorted(folder.glob("*.jpg"))
        ]
        self.cache = torch.from_numpy(np.stack(pictures))
        self.K, self.T, self.usable = geometry(batch, width, height, device)
        self.shown = None if with_pose else [1]
        self.bf16, self.fast = uses_bf16(TrainSettings()), pays(TrainSettings().steps)

    def step(self) -> None:
        images = (
            self.cache[list(range(len(self.K)))]
            .to(self.device)
            .permute(0, 1, 4, 2, 3)
            .contiguous()
            .float()
            / 255
        )
        random = torch.rand(len(images), 16).to(self.device)
        batch, seen = augment(
            {"images": images, "K": self.K, "T": self.T, "random": random}, AUGMENTATION, self.shown
        )
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            maps, numbers, _ = (
                self.model(seen, [0, 2], 1) if self.shown is None else self.model(seen, [], 0)
            )
        T = compose_poses(numbers, batch["T"], POSE)
        batch["usable"] = self.usable
        slope = torch.full((len(T), 2), torch.nan, device=T.device)
        context = Context(batch, TrainSettings(), 0, 1, [0, 2], maps, T, T, slope, fast=self.fast)
        terms = objective(context)
        self.optimizer.zero_grad()
        terms["total"].backward()
        self.optimizer.step()


def measure(form: str, folder: Path, arguments: argparse.Namespace) -> None:
    """Time single steps on request: a line on standard input runs one, its seconds and the peak
    memory are the answer."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    common = (folder, arguments.batch, arguments.width, arguments.height, device)
    runner = (PlainForm if form.startswith("plain") else OurForm)(
        *common, form.endswith("poses learned")
    )
    for _ in sys.stdin:
        started = time.perf_counter(), time.process_time()
        runner.step()
        if device == "cuda":
            torch.cuda.synchronize()
        memory = (
            torch.cuda.max_memory_allocated()
            if device == "cuda"
            else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        )
        answer = {
            "seconds": time.perf_counter() - started[0],
            "cpu": time.process_time() - started[1],
            "memory": memory,
        }
        print(json.dumps(answer), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument(
        "--rounds", type=int, default=7, help="turns of each form; the median of all steps counts"
    )
    parser.add_argument("--steps", type=int, default=5, help="steps of a turn")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for torch's choice")
    parser.add_argument("--form", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.form:
        measure(arguments.form, arguments.folder, arguments)
        return
    forms = [
        f"{side}, {pose}" for pose in ("given poses", "poses learned") for side in ("plain", "ours")
    ]
    with tempfile.TemporaryDirectory() as temporary:
        write_pictures(Path(temporary), arguments.batch, arguments.width, arguments.height)
        command = [sys.executable, __file__, *sys.argv[1:], "--folder", temporary, "--form"]
        workers = {
            form: subprocess.Popen(
                [*command, form], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for form in forms
        }
        answers = {form: [] for form in forms}
        for round_ in range(arguments.rounds + 1):
            for form, worker in workers.items():
                for _ in range(arguments.steps):
                    worker.stdin.write("step\n")
                    worker.stdin.flush()
                    answer = json.loads(worker.stdout.readline())
                    if round_ > 0:  # the first steps allocate and choose kernels
                        answers[form].append(answer)
        for worker in workers.values():
            worker.stdin.close()
            worker.wait()
    seconds = {
        form: statistics.median(a["seconds"] for a in found) for form, found in answers.items()
    }
    print(
        f"{arguments.width}x{arguments.height}, batch {arguments.batch},"
        f" {'GPU' if torch.cuda.is_available() else 'CPU'}"
    )
    print(
        f"{'form':24s} {'s/step':>8s} {'CPU s':>8s} {'steps/s':>8s} {'samples/s':>10s}"
        f" {'peak MB':>8s} {'ratio':>6s}"
    )
    for form in forms:
        cpu = statistics.median(a["cpu"] for a in answers[form])
        memory = max(a["memory"] for a in answers[form]) / 1e6
        rate = 1 / seconds[form]
        print(
            f"{form:24s} {seconds[form]:8.3f} {cpu:8.3f} {rate:8.2f} {rate * arguments.batch:10.1f}"
            f" {memory:8.0f} {seconds[form.replace('ours', 'plain')] / seconds[form]:6.2f}"
        )
    print(f"ratio: {seconds['plain, given poses'] / seconds['ours, given poses']:.2f}")


if __name__ == "__main__":
    main()
