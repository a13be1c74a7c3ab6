"""A small flight, extracted, and what tests of footage share; conftests offer the fixtures."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.worlds.footage import (
    CAMERA,
    World,
    bracketed_srt,
    flight_pose,
    no_calibration,
    straight_flight,
    write_camera,
    write_poses,
    write_video,
)

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.errors import SceneError

SETTINGS = FrameExtractionSettings()


@dataclass(frozen=True)
class Flight:
    raw: Path
    frames: Path
    summary: dict
    poses: list[np.ndarray]
    images: list[np.ndarray]
    depths: list[np.ndarray]


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def flight(tmp_path_factory) -> Flight:
    """A straight flight with camera, telemetry, true poses and depth of every fifth frame,
    extracted with the default settings."""
    return _straight_flight(tmp_path_factory.getbasetemp() / "straight_flight")


@cache
def _straight_flight(folder: Path) -> Flight:
    """Made once, however many rooms offer it."""
    world = World()
    raw = folder / "raw" / "straight"
    poses = straight_flight(40)
    images, depths = zip(*(world.render(T) for T in poses), strict=True)
    write_video(raw / "video.mp4", list(images), fps=10)
    write_camera(raw / "camera.yaml")
    write_poses(raw / "poses.csv", poses)
    (raw / "depth").mkdir()
    for i in range(0, 40, 5):
        cv2.imwrite(
            str(raw / "depth" / f"{i:06d}.png"), np.round(depths[i] * 100).astype(np.uint16)
        )
    centers = [-T[:3, :3].T @ T[:3, 3] for T in poses]
    # Near the equator a degree is the same length both ways, to half a per cent.
    fixes = [(0.5 + c[1] / 110574.0, 10.0 + c[0] / 111316.0, c[2], c[2] + 100) for c in centers]
    (raw / "video.SRT").write_text(bracketed_srt(fixes, 10))
    frames = folder / "frames" / "straight"
    frames.mkdir(parents=True)
    summary = extract_frames(raw, frames, FrameExtractionSettings(), no_calibration)
    assert CAMERA.width == summary["width"]
    return Flight(raw, frames, summary, poses, list(images), list(depths))


@pytest.fixture
def raw(tmp_path) -> Path:
    """A scene's folder with a camera and nothing else."""
    folder = tmp_path / "raw"
    folder.mkdir()
    write_camera(folder / "camera.yaml")
    return folder


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def extract(
    raw: Path, folder: Path, settings: FrameExtractionSettings = SETTINGS, calibrate=no_calibration
) -> tuple[dict, pd.DataFrame]:
    """The summary and the table of frames."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = extract_frames(raw, folder, settings, calibrate)
    return summary, pd.read_parquet(folder / "frames.parquet")


def refused(raw: Path, folder: Path, *parts: str, settings=SETTINGS) -> str:
    """The sentence of the SceneError, which must name what `parts` says."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.raises(SceneError) as caught:
        extract_frames(raw, folder, settings, no_calibration)
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    assert "\n" not in message and message.endswith(".")
    return message


def circle(degrees: float, frames: int = 30) -> list[np.ndarray]:
    """Around a point, looking at it, while the height and with it the pitch changes."""
    angles = np.radians(np.linspace(0, degrees, frames))
    return [
        flight_pose(50 * np.cos(a), 50 * np.sin(a), 40 + 10 * a, a + np.pi, 40 + 5 * np.sin(3 * a))
        for a in angles
    ]
