"""Numbered frames with a calibration, as the original reads them."""

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.worlds.flights import SETTINGS
from tests.worlds.footage import CAMERA, no_calibration

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.cameras import read_camera
from aerial_depth_pipeline.formats.images import read_image


def _prepared(flight, raw, calibration: str) -> None:
    raw.mkdir()
    for i in range(0, 20, 2):
        cv2.imwrite(
            str(raw / f"{i + 100:06d}.png"), cv2.cvtColor(flight.images[i], cv2.COLOR_RGB2BGR)
        )
    (raw / "calib_cam_to_cam.txt").write_text(calibration)


def test_original_layout(flight, tmp_path):
    P = "P_rect_00: 2.6e+02 0 1.6e+02 0 0 2.6e+02 96 0 0 0 1 0"
    _prepared(
        flight,
        tmp_path / "raw",
        f"calib_time: 09-Jan-2012\ncorner_dist: 9.9e-02\n{P}\nP_rect_01: 1 2 3\n",
    )
    out = tmp_path / "out"
    out.mkdir()
    summary = extract_frames(tmp_path / "raw", out, SETTINGS, no_calibration)
    assert summary["kind"] == "prepared" and summary["camera_source"] == "calib_cam_to_cam.txt"
    table = pd.read_parquet(out / "frames.parquet")
    assert table["frame"].tolist() == list(range(100, 120, 2)) and summary["kept"] == 10
    assert table["motion"].iloc[1:].gt(0.005).all()
    np.testing.assert_allclose(read_camera(out / "camera.yaml").K, CAMERA.K)
    image = read_image(out / "frames" / "000106.jpg")
    assert np.abs(image.astype(int) - flight.images[6]).mean() < 4


def test_original_layout_calibrated_at_another_size(flight, tmp_path):
    text = "S_rect_00: 6.4e+02 3.84e+02\nP_rect_00: 520 0 320 0 0 520 192 0 0 0 1 0\n"
    _prepared(flight, tmp_path / "raw", text)
    (tmp_path / "out").mkdir()
    assert extract_frames(tmp_path / "raw", tmp_path / "out", SETTINGS, no_calibration)[
        "focal_length"
    ] == pytest.approx(260)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P_rect_00: 1 2 3",
        "P_rect_00: a b c",
        "S_rect_00: 100 100\nP_rect_00: 520 0 320 0 0 520 192 0 0 0 1 0",
    ],
)
def test_original_layout_with_a_bad_calibration(flight, tmp_path, text):
    _prepared(flight, tmp_path / "raw", text)
    with pytest.raises(SceneError, match="calib_cam_to_cam.txt"):
        extract_frames(tmp_path / "raw", tmp_path / "out", SETTINGS, no_calibration)
