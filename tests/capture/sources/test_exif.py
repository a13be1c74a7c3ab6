"""The gimbal's angles in photographs."""

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.worlds.footage import no_calibration

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.motion.attitude import up_of_gimbal
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources import open_source
from aerial_depth_pipeline.capture.sources.exif import read_exif
from aerial_depth_pipeline.formats.cameras import UP_COLUMNS

ATTRIBUTES = (
    '<rdf:Description drone-dji:GimbalRollDegree="+3.50" drone-dji:GimbalPitchDegree="-45.00"/>'
)


ELEMENTS = (
    "<drone-dji:GimbalRollDegree>+3.50</drone-dji:GimbalRollDegree>"
    "<drone-dji:GimbalPitchDegree>-45.00</drone-dji:GimbalPitchDegree>"
)


def _photograph(path, xmp: str, orientation: int = 1):
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = orientation, "FC3411"
    pixels = np.random.default_rng(int(path.stem)).integers(0, 255, (120, 160, 3), np.uint8)
    Image.fromarray(cv2.resize(pixels, (320, 240))).save(
        path, xmp=f"<x:xmpmeta>{xmp}</x:xmpmeta>".encode(), exif=exif
    )


def test_photographs_whose_gimbal_was_never_set(tmp_path):
    for number in range(3):
        _photograph(
            tmp_path / f"{number}.jpg",
            ATTRIBUTES.replace("+3.50", "+0.00").replace("-45.00", "+0.00"),
        )
    assert open_source(tmp_path).angles() == {}


@pytest.mark.parametrize("xmp", [ATTRIBUTES, ELEMENTS])
def test_photographs(tmp_path, xmp):
    (tmp_path / "raw").mkdir(), (tmp_path / "frames").mkdir()
    for number in range(3):
        _photograph(tmp_path / "raw" / f"{number}.jpg", xmp if number else "")
    assert read_exif(tmp_path / "raw" / "0.jpg").angles is None
    summary = extract_frames(
        tmp_path / "raw", tmp_path / "frames", FrameExtractionSettings(), no_calibration
    )
    table = pd.read_parquet(tmp_path / "frames" / "frames.parquet")
    assert summary["attitude"] == "telemetry" and table["kept"].all()
    up = table[UP_COLUMNS].to_numpy()
    assert np.isnan(up[0]).all()
    np.testing.assert_allclose(up[1:], [up_of_gimbal(np.float64(-45), np.float64(3.5))] * 2)


def test_photographs_that_are_turned_upright_are_left_out(tmp_path):
    _photograph(tmp_path / "1.jpg", ATTRIBUTES, orientation=6)
    assert read_exif(tmp_path / "1.jpg").angles is None
