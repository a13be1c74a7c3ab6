"""The files of a flight, read back by other means than they were written with."""

import re

import av
import numpy as np
import pytest

from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.videos import VideoWriter
from aerial_depth_pipeline.geometry.geodesy import to_geographic
from aerial_depth_pipeline.simulation.recording import write_srt


def _ecef(latitude, longitude, altitude):
    """Earth-centred coordinates on WGS 84."""
    a, e2 = 6378137.0, 0.00669437999014
    phi, lam = np.radians(latitude), np.radians(longitude)
    n = a / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    return np.array(
        [
            (n + altitude) * np.cos(phi) * np.cos(lam),
            (n + altitude) * np.cos(phi) * np.sin(lam),
            (n * (1 - e2) + altitude) * np.sin(phi),
        ]
    )


def test_local_metres_are_metres_on_the_ellipsoid():
    origin = (47.05, 8.31, 430.0)
    local = np.array(
        [
            [0.0, 0.0, 0.0],
            [200.0, 0.0, 0.0],
            [0.0, 300.0, 0.0],
            [0.0, 0.0, 60.0],
            [150.0, -250.0, 40.0],
        ]
    )
    places = np.array([_ecef(*row) for row in to_geographic(local, origin)])
    distance = np.linalg.norm(places - places[0], axis=1)
    np.testing.assert_allclose(distance, np.linalg.norm(local, axis=1), atol=0.02)


def test_srt_has_a_block_per_frame_with_positions_near_the_truth(tmp_path):
    centers = np.stack([np.linspace(0, 100, 200), np.linspace(0, -50, 200), np.full(200, 60.0)], -1)
    origin = (47.05, 8.31, 430.0)
    write_srt(tmp_path / "video.SRT", centers, 15.0, origin, 0.4, 5.0, np.random.default_rng(0))
    text = (tmp_path / "video.SRT").read_text()
    assert [int(n) for n in re.findall(r"FrameCnt: (\d+)", text)] == list(range(1, 201))
    assert "00:00:00,000 --> 00:00:00,067" in text and "00:00:13,267 --> 00:00:13,333" in text
    numbers = {
        key: np.array([float(v) for v in re.findall(key + r": (-?[\d.]+)", text)])
        for key in ("latitude", "longitude", "rel_alt", "abs_alt")
    }
    true = to_geographic(centers, origin)
    metres = np.stack(
        [
            (numbers["longitude"] - true[:, 1]) * 111320 * np.cos(np.radians(47.05)),
            (numbers["latitude"] - true[:, 0]) * 111180,
            numbers["abs_alt"] - true[:, 2],
        ]
    )
    assert 0.25 < np.sqrt((metres**2).mean()) < 0.6
    np.testing.assert_allclose(numbers["abs_alt"] - numbers["rel_alt"], 435.0, atol=2e-3)


def test_video_decodes_to_what_went_in(tmp_path):
    rows, columns = np.mgrid[:64, :96]
    images = [
        np.stack([rows * 2 + 10 * i, columns * 2, 200 - rows], -1).astype(np.uint8)
        for i in range(5)
    ]
    with VideoWriter(tmp_path / "video.mp4", 96, 64, 15.0, "footage") as video:
        for image in images:
            video.write(image)
    with av.open(str(tmp_path / "video.mp4")) as container:
        stream = container.streams.video[0]
        assert (
            stream.codec_context.name == "h264"
            and stream.codec_context.pix_fmt == "yuv420p"
            and stream.average_rate == 15
        )
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 5
    for image, frame in zip(images, decoded, strict=True):
        assert np.abs(image.astype(int) - frame).mean() < 3


def test_poses_keep_their_digits(tmp_path):
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, 0, 3] = 123.456789012
    SceneFolder(tmp_path).write_poses(poses)
    lines = (tmp_path / "poses.csv").read_text().splitlines()
    assert lines[0].startswith("frame,cam_from_world_00,") and lines[0].endswith(
        "cam_from_world_23"
    )
    values = [float(v) for v in lines[2].split(",")]
    assert values[0] == 1 and values[4] == pytest.approx(123.456789012, abs=1e-8)
