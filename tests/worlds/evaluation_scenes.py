"""Analytic scenes with known depth, small enough for seconds."""

from pathlib import Path

import cv2
import numpy as np

from aerial_depth_pipeline.evaluation.references import Reference

HEIGHT, WIDTH = 48, 80


def relief(index: int, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A tilted ground with blocks on it, float32 metres, between about 20 and 80."""
    random = np.random.default_rng([seed, index])
    rows, columns = np.mgrid[0:height, 0:width]
    depth = 30 + 40 * (1 - rows / height) + 3 * np.sin(columns / 9 + index)
    for _ in range(6):
        y, x = random.integers(0, height - 12), random.integers(0, width - 12)
        depth[y : y + 12, x : x + 8] -= random.uniform(2, 9)
    return depth.astype(np.float32)


def write_depth(path: Path, depth: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), depth, [cv2.IMWRITE_TIFF_COMPRESSION, 8])


def write_scene(
    folder: Path, depths: list[np.ndarray], kind: str = "exact", metric: bool = True
) -> list[Reference]:
    """A scene on disk. The frame's blue channel counts the frames, so that a test's model can know
    which one it sees."""
    references = []
    for index, depth in enumerate(depths):
        frame = 10 * index
        image = np.full((*depth.shape, 3), 90, np.uint8)
        image[..., 0] = index * 8  # BGR
        path = folder / "frames" / f"{frame:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 100])
        write_depth(folder / "depth" / f"{frame:06d}.tiff", depth)
        references.append(
            Reference(frame, path, folder / "depth" / f"{frame:06d}.tiff", kind, metric)
        )
    return references


def index_of(image: np.ndarray) -> int:
    """Which frame of a scene of `write_scene` an RGB image is."""
    return round(float(image[..., 2].mean()) / 8)
