"""One small flight that the tests of this room share."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.worlds.footage import (
    CAMERA,
    World,
    bracketed_srt,
    no_calibration,
    straight_flight,
    write_camera,
    write_poses,
    write_video,
)

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings


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
def flight(world, tmp_path_factory) -> Flight:
    """A straight flight with camera, telemetry, true poses and depth of every fifth frame,
    extracted with the default settings."""
    raw = tmp_path_factory.mktemp("raw") / "straight"
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
    frames = tmp_path_factory.mktemp("frames") / "straight"
    frames.mkdir()
    summary = extract_frames(raw, frames, FrameExtractionSettings(), no_calibration)
    assert CAMERA.width == summary["width"]
    return Flight(raw, frames, summary, poses, list(images), list(depths))
