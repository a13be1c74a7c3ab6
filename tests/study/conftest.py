"""Two small domains of the analytic world, with triplets and exact depth, as the study finds
them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.worlds.tiny_world import World, calibration, orbit, write_domain

from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.study.measuring import Measuring
from aerial_depth_pipeline.study.run import StudyDomain

TRIPLETS, WIDTH, HEIGHT = 6, 96, 64
TRAIN = {
    "network": {"encoder": "test_resnet", "decoder_channels": [8, 8, 16, 16, 32], "scales": 1},
    "batch_size": 2,
    "checkpoint_every": 2,
    "log_every": 1,
    "threads": 1,
    "pose": {"rescale_scenes": False, "refine": False},
    "watchdog": {"enabled": False},
}


def references(folder: Path, seed: int) -> list[Reference]:
    """Frames of a world with their exact depth."""
    K = calibration(WIDTH, HEIGHT)
    found = []
    for frame, pose in enumerate(orbit(TRIPLETS + 2, 3.0, start=37.0 * seed)[1:-1], 1):
        image, depth = World.random(seed).render(pose, K, WIDTH, HEIGHT)
        paths = folder / "frames" / f"{frame:06d}.jpg", folder / "depth" / f"{frame:06d}.tiff"
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(paths[0], quality=95)
        cv2.imwrite(str(paths[1]), depth.astype(np.float32))
        found.append(Reference(frame, *paths, "exact", True))
    return found


def footage(folder: Path, domain: str, train: int, test: int) -> StudyDomain:
    """A domain that trains on one world and is tested on another."""
    triplets = write_domain(folder / "triplets", [train], TRIPLETS, WIDTH, HEIGHT, validation=0)
    known = {seed: references(folder / f"world_{seed}", seed) for seed in (train, test)}
    targets = [tuple(line.split()) for line in (triplets / "train.txt").read_text().splitlines()]
    return StudyDomain(
        domain,
        triplets,
        f"{domain} {train} {test}",
        [(scene, int(frame)) for scene, frame in targets],
        [(f"world_{test}", reference.frame) for reference in known[test]],
        {f"world_{test}": known[test][::2]},
        {f"world_{train}": known[train]},
    )


@pytest.fixture(scope="session")
def domains(tmp_path_factory) -> dict[str, StudyDomain]:
    folder = tmp_path_factory.mktemp("study")
    return {
        name: footage(folder / name, name, seed, seed + 10)
        for seed, name in enumerate(("near", "far"), 1)
    }


@pytest.fixture(scope="session")
def measuring() -> Measuring:
    settings = EvaluationSettings(alignments=["median_per_image"], bootstrap_samples=0, workers=1)
    return Measuring(settings, ["abs_rel", "delta_1.25"])
