"""Seconds and peak memory of evaluating images of 768×448 against ground truth: a model and three
baselines, all alignments, breakdowns.

Every number of images is measured in a process of its own, on two cores where there are as many.
`ratio` is 60 over the seconds that the
largest number took. The model costs nothing here: it gives a slope.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings

WIDTH, HEIGHT, FILES, CORES = 768, 448, 50, 2


def write_flight(folder: Path) -> None:
    """Frames with the detail of a photograph, and the exact depth of rough ground with blocks on
    it."""
    random = np.random.default_rng(0)
    for name in ("frames", "depth"):
        (folder / name).mkdir()
    for number in range(FILES):
        picture = sum(
            weight
            * cv2.resize(
                random.normal(size=(HEIGHT // step + 1, WIDTH // step + 1, 3)), (WIDTH, HEIGHT)
            )
            for step, weight in ((2, 12), (8, 20), (40, 25))
        )
        cv2.imwrite(
            str(folder / "frames" / f"{number:06d}.jpg"),
            np.clip(picture + 120, 0, 255).astype(np.uint8),
        )
        relief = cv2.resize(
            random.normal(size=(HEIGHT // 8, WIDTH // 8)),
            (WIDTH, HEIGHT),
            interpolation=cv2.INTER_CUBIC,
        )
        depth = np.linspace(90, 30, HEIGHT)[:, None] + 0.3 * relief
        for _ in range(20):
            y, x = random.integers(0, HEIGHT - 60), random.integers(0, WIDTH - 60)
            depth[y : y + 60, x : x + 60] -= random.uniform(2, 9)
        deflate = 8
        path = str(folder / "depth" / f"{number:06d}.tiff")
        cv2.imwrite(path, depth.astype(np.float32), [cv2.IMWRITE_TIFF_COMPRESSION, deflate])


def evaluate(folder: Path, images: int) -> None:
    """Measure so many images, which are the files again and again, and print seconds, processor
    seconds and peak memory in MiB."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    files = [
        (folder / "frames" / f"{i:06d}.jpg", folder / "depth" / f"{i:06d}.tiff")
        for i in range(FILES)
    ]
    references = [Reference(i, *files[i % FILES], "exact", True) for i in range(images)]
    slope = np.repeat(np.linspace(85, 35, HEIGHT, dtype=np.float32)[:, None], WIDTH, 1)
    settings = EvaluationSettings(workers=CORES)
    start, cpu = time.perf_counter(), time.process_time()
    measure(
        lambda image: slope, {"flight": references}, {"other": references[:10]}, "town", settings
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.perf_counter() - start, time.process_time() - cpu, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[250, 1000])
    parser.add_argument(
        "--of", type=Path, help=argparse.SUPPRESS
    )  # the folder, in the process that measures
    arguments = parser.parse_args()
    if arguments.of is not None:
        return evaluate(arguments.of, arguments.images[0])
    with tempfile.TemporaryDirectory() as temporary:
        write_flight(Path(temporary))
        print(f"{'images':>8}{'seconds':>10}{'processor s':>13}{'peak MiB':>10}")
        for images in arguments.images:
            command = [sys.executable, __file__, "--of", temporary, "--images", str(images)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, cpu, peak = map(float, done.stdout.split()[-3:])
            print(f"{images:>8}{seconds:>10.1f}{cpu:>13.1f}{peak:>10.0f}")
    print(f"ratio: {60 / seconds:.3f}")


if __name__ == "__main__":
    main()
