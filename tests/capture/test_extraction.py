"""From footage to frames: what is written, and that it is what was seen."""

import datetime
import json
import shutil

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from tests.worlds.footage import CAMERA, no_calibration, write_camera, write_video

from aerial_depth_pipeline.capture.extraction import calibration_frames, extract_frames
from aerial_depth_pipeline.capture.selection import FrameRecord
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.cameras import read_camera
from aerial_depth_pipeline.formats.images import read_image
from aerial_depth_pipeline.geometry.cameras import Camera


def test_kept_frames_are_the_source_s(flight):
    table = pd.read_parquet(flight.frames / "frames.parquet")
    kept = table[table["kept"]]
    assert len(table) == 40 and len(kept) == flight.summary["kept"] >= 30
    assert (kept["reason"] == "").all() and (table[~table["kept"]]["reason"] != "").all()
    assert sorted(p.name for p in (flight.frames / "frames").iterdir()) == [
        f"{f:06d}.jpg" for f in kept["frame"]
    ]
    for frame in kept["frame"].iloc[::7]:
        image = read_image(flight.frames / "frames" / f"{frame:06d}.jpg")
        errors = [np.abs(image.astype(int) - flight.images[i]).mean() for i in range(40)]
        assert (
            int(np.argmin(errors)) == frame
        )  # the file's number is the frame's index in the source


def test_summary_and_camera(flight):
    assert json.loads((flight.frames / "summary.json").read_text()) == flight.summary
    assert flight.summary["camera_source"] == "camera.yaml"
    assert flight.summary["metric"] and flight.summary["telemetry"] == "video.SRT"
    assert read_camera(flight.frames / "camera.yaml") == CAMERA


def test_depth_comes_through(flight):
    depths = sorted((flight.frames / "depth").iterdir())
    assert len(depths) == flight.summary["exact_depth"] >= 7
    for path in depths:
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.float32
        np.testing.assert_allclose(depth, flight.depths[int(path.stem)], atol=0.0051)


def test_positions_are_local_metres(flight):
    table = pd.read_parquet(flight.frames / "frames.parquet")
    centers = np.array([-T[:3, :3].T @ T[:3, 3] for T in flight.poses])[table["frame"]]
    np.testing.assert_allclose(
        table[["east", "north", "up"]].to_numpy(), centers - centers[0], atol=0.05
    )


def test_extraction_is_deterministic(flight, tmp_path):
    extract_frames(flight.raw, tmp_path, FrameExtractionSettings(), no_calibration)
    for path in (p for p in flight.frames.rglob("*") if p.is_file()):
        assert path.read_bytes() == (tmp_path / path.relative_to(flight.frames)).read_bytes(), (
            path.name
        )


def test_frames_are_scaled_and_the_camera_with_them(flight, tmp_path):
    extract_frames(
        flight.raw, tmp_path, FrameExtractionSettings(max_width=160, stride=5), no_calibration
    )
    camera = read_camera(tmp_path / "camera.yaml")
    assert (camera.width, camera.height) == (160, 96)
    np.testing.assert_allclose(camera.K, CAMERA.resized(160, 96).K)
    image = read_image(tmp_path / "frames" / "000010.jpg")
    expected = cv2.resize(flight.images[10], (160, 96), interpolation=cv2.INTER_AREA)
    assert np.abs(image.astype(int) - expected).mean() < 6
    depth = cv2.imread(str(tmp_path / "depth" / "000010.tiff"), cv2.IMREAD_UNCHANGED)
    assert depth.shape == (96, 160)
    assert np.median(np.abs(depth - flight.depths[10][::2, ::2])) < 0.3


def test_the_summary_says_when_a_video_was_recorded(flight, tmp_path):
    (tmp_path / "raw").mkdir()
    copy = tmp_path / "raw" / "video.mp4"
    with av.open(str(flight.raw / "video.mp4")) as old, av.open(str(copy), "w") as new:
        new.metadata["creation_time"] = "2026-05-03T10:00:00.000000Z"
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    shutil.copy(flight.raw / "camera.yaml", tmp_path / "raw")
    summary = extract_frames(
        tmp_path / "raw", tmp_path / "out", FrameExtractionSettings(), no_calibration
    )
    start, end = summary["recorded"]
    assert start == datetime.datetime(2026, 5, 3, 10, tzinfo=datetime.UTC).timestamp()
    assert end - start == pytest.approx(4.0, abs=0.2)
    assert flight.summary["recorded"] is None


def test_max_frames_thins_out_evenly_and_says_so(flight, tmp_path):
    summary = extract_frames(
        flight.raw, tmp_path, FrameExtractionSettings(max_frames=12), no_calibration
    )
    assert (
        summary["kept"] == 12 and summary["reasons"]["thinned out"] == flight.summary["kept"] - 12
    )
    table = pd.read_parquet(tmp_path / "frames.parquet")
    kept = table[table["kept"]]["frame"].to_numpy()
    assert len(list((tmp_path / "frames").iterdir())) == 12
    assert np.diff(kept).max() <= 8


def test_a_lens_that_folds_the_image_is_refused(flight, tmp_path):
    raw = tmp_path / "raw"
    write_video(raw / "video.mp4", flight.images[:6])
    write_camera(raw / "camera.yaml", Camera("SIMPLE_RADIAL", 320, 192, (200, 160, 96, -0.9)))
    with pytest.raises(SceneError, match="cannot be undistorted"):
        extract_frames(raw, tmp_path / "out", FrameExtractionSettings(), no_calibration)


def test_unknown_camera_is_calibrated_from_a_spread_of_frames(flight, tmp_path):
    raw, asked = tmp_path / "raw", []
    write_video(raw / "video.mp4", flight.images)

    def calibrate(paths):
        asked.extend(paths)
        assert all(read_image(p).shape == (192, 320, 3) for p in paths)
        return Camera("SIMPLE_RADIAL", 320, 192, (260.0, 160.0, 96.0, -0.05))

    (tmp_path / "out").mkdir()
    settings = FrameExtractionSettings(calibration_frames=8)
    summary = extract_frames(raw, tmp_path / "out", settings, calibrate)
    assert (
        summary["camera_source"] == "self_calibration"
        and summary["camera_model"] == "SIMPLE_RADIAL"
    )
    numbers = [int(p.stem) for p in asked]
    assert len(numbers) == 8 and numbers[0] <= 2 and numbers[-1] >= 37
    camera = read_camera(tmp_path / "out" / "camera.yaml")
    assert camera.model == "PINHOLE"
    assert read_image(tmp_path / "out" / "frames" / f"{numbers[0]:06d}.jpg").shape == (
        camera.height,
        camera.width,
        3,
    )


def test_calibration_frames_of_a_long_capture_still_overlap():
    rows = [FrameRecord(i, i / 10, "", None, kept=True, motion=0.05) for i in range(1000)]
    chosen = [row.frame for row in calibration_frames(rows, 40)]
    assert len(chosen) == 40 and max(np.diff(chosen)) * 0.05 <= 0.151


def test_failed_self_calibration_says_what_to_do(flight, tmp_path):
    raw = tmp_path / "raw"
    write_video(raw / "video.mp4", flight.images[:12])

    def fail(paths):
        raise SceneError("No two images match.")

    (tmp_path / "out").mkdir()
    with pytest.raises(SceneError, match=r"No two images match.*camera\.yaml"):
        extract_frames(raw, tmp_path / "out", FrameExtractionSettings(), fail)


def test_failed_self_calibration_falls_back_on_the_focal_length_in_the_telemetry(flight, tmp_path):
    raw = tmp_path / "raw"
    write_video(raw / "video.mp4", flight.images[:12])
    (raw / "video.SRT").write_text((flight.raw / "video.SRT").read_text())

    def fail(paths):
        raise SceneError("No two images match.")

    (tmp_path / "out").mkdir()
    summary = extract_frames(raw, tmp_path / "out", FrameExtractionSettings(), fail)
    assert summary["camera_source"] == "telemetry" and any(
        "24 mm" in w for w in summary["warnings"]
    )
    assert summary["focal_length"] == pytest.approx(24 / 43.27 * np.hypot(320, 240), rel=0.01)


def test_failed_self_calibration_falls_back_on_the_drone_that_the_video_names(flight, tmp_path):
    raw = tmp_path / "raw"
    write_video(tmp_path / "plain.mp4", flight.images[:12])
    raw.mkdir()
    with (
        av.open(str(tmp_path / "plain.mp4")) as source,
        av.open(str(raw / "video.mp4"), "w") as copy,
    ):
        copy.metadata["comment"] = "DJI Mini 2"
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)

    def fail(paths):
        raise SceneError("No two images match.")

    (tmp_path / "out").mkdir()
    summary = extract_frames(raw, tmp_path / "out", FrameExtractionSettings(), fail)
    assert summary["camera_source"] == "drone_model" and any(
        "video.mp4 states" in w for w in summary["warnings"]
    )
