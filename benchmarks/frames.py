"""Frames written per second by frame extraction against bare PyAV decoding of the same clip: 1080p
H.264, every fifth frame.

Both sides run in turns in one process; the medians are compared. `ratio` is extraction's speed as a
share of bare decoding's.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.formats.cameras import camera_to_yaml
from aerial_depth_pipeline.geometry.cameras import Camera

WIDTH, HEIGHT, FPS, STRIDE = 1920, 1080, 30, 5


def write_clip(path: Path, frames: int) -> None:
    """A flight over a painted plain with the detail and the bit rate of a drone's video (about 20
    Mbit/s)."""
    random = np.random.default_rng(0)
    size = (HEIGHT + 40, WIDTH + 12 * frames)
    ground = np.zeros((*size, 3), np.float32)
    for step, weight in ((2, 14), (6, 20), (20, 22), (90, 22)):
        noise = random.normal(size=(size[0] // step + 1, size[1] // step + 1, 3)).astype(np.float32)
        ground += weight * cv2.resize(
            noise.mean(2, keepdims=True).repeat(3, 2) * 1.6 + 0.4 * noise,
            size[::-1],
            interpolation=cv2.INTER_LINEAR,
        )
    ground = np.clip(ground + 120, 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate = 20_000_000
        stream.options = {"preset": "veryfast", "g": "60"}
        for i in range(frames):
            # A gentle zoom beside the way forwards, so that not all blocks move alike.
            zoom = 1 + 0.02 * np.sin(i / 20)
            matrix = np.array([[zoom, 0, 10.0 * i], [0, zoom, 20 - 20 * zoom]], np.float32)
            image = cv2.warpAffine(
                ground,
                matrix,
                (WIDTH, HEIGHT),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT,
            )
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def decode(path: Path) -> int:
    """Bare PyAV: every frame is decoded with automatic threads and thrown away."""
    count = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for _ in container.decode(stream):
            count += 1
    return count


def extract(raw: Path, folder: Path) -> dict:
    """The pipeline's own frame extraction with its default settings, camera known."""
    folder.mkdir()
    return extract_frames(raw, folder, FrameExtractionSettings(stride=STRIDE), _not_needed)


def _not_needed(images: list[Path]) -> Camera:
    raise RuntimeError("the camera is known")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=450, help="length of the clip")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary) / "clip"
        raw.mkdir()
        write_clip(raw / "video.mp4", arguments.frames)
        (raw / "camera.yaml").write_text(
            camera_to_yaml(Camera.pinhole(WIDTH, HEIGHT, 1500, 1500, WIDTH / 2, HEIGHT / 2))
        )
        candidates = -(-arguments.frames // STRIDE)
        bare, ours, kept = [], [], 0
        for number in range(arguments.rounds + 1):
            start = time.perf_counter()
            decode(raw / "video.mp4")
            middle = time.perf_counter()
            kept = extract(raw, Path(temporary) / f"out{number}")["kept"]
            end = time.perf_counter()
            if number:  # the first round warms up
                bare.append(candidates / (middle - start))
                ours.append(kept / (end - middle))
    rate = arguments.frames / candidates
    rates = {
        "bare PyAV decoding": statistics.median(bare),
        "frame extraction": statistics.median(ours),
    }
    print(
        f"{WIDTH}x{HEIGHT} H.264, {arguments.frames} frames, every {STRIDE}th considered, {kept} of"
        f" {candidates} kept and written"
    )
    print(f"{'':<28}{'considered or written / s':>28}{'frames of the clip / s':>28}")
    for name, candidates_per_second in rates.items():
        print(f"{name:<28}{candidates_per_second:>28.1f}{candidates_per_second * rate:>28.1f}")
    print(f"ratio: {statistics.median(o / b for o, b in zip(ours, bare, strict=True)):.3f}")


if __name__ == "__main__":
    main()
