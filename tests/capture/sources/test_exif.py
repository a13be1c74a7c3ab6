"""The gimbal's angles in photographs."""

import cv2
import numpy as np
import pandas as pd
import pycolmap
import pytest
from PIL import Image
from tests.worlds.footage import no_calibration

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.motion.attitude import up_of_gimbal
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources import open_source
from aerial_depth_pipeline.capture.sources.exif import read_exif
from aerial_depth_pipeline.formats.cameras import DEVIATION_COLUMN, UP_COLUMNS

ATTRIBUTES = (
    '<rdf:Description drone-dji:GimbalRollDegree="+3.50" drone-dji:GimbalPitchDegree="-45.00"/>'
)


CALIBRATION = (
    'drone-dji:CalibratedOpticalCenterX="160.0" drone-dji:CalibratedOpticalCenterY="120.0"'
    ' drone-dji:DewarpFlag="0" drone-dji:RtkStdLon="0.01" drone-dji:RtkStdLat="0.02"'
    ' drone-dji:RtkStdHgt="0.02" drone-dji:DewarpData="2022-03-02;300.5,301.5,-4.0,2.0,-0.25,'
    '0.1,0.001,-0.002,-0.03"'
)
ELEMENTS = (
    "<drone-dji:GimbalRollDegree>+3.50</drone-dji:GimbalRollDegree>"
    "<drone-dji:GimbalPitchDegree>-45.00</drone-dji:GimbalPitchDegree>"
)


def _photograph(path, xmp: str, orientation: int = 1):
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = orientation, "FC3411"
    pixels = np.random.default_rng(int(path.stem)).integers(0, 255, (120, 160, 3), np.uint8)
    packet = f"<x:xmpmeta>{xmp}</x:xmpmeta>".encode()
    Image.fromarray(cv2.resize(pixels, (320, 240))).save(path, xmp=packet, exif=exif)


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


def test_the_calibration_and_the_accuracy_that_the_maker_states(tmp_path):
    (tmp_path / "raw").mkdir(), (tmp_path / "frames").mkdir()
    for number in range(3):
        _photograph(tmp_path / "raw" / f"{number}.jpg", CALIBRATION)
    camera, origin = open_source(tmp_path / "raw").own_camera()
    assert origin == "maker_calibration"
    at_pixel = cv2.projectPoints(
        np.array([[0.3, -0.2, 1.0]]),
        np.zeros(3),
        np.zeros(3),
        np.array([[300.5, 0, 156.0], [0, 301.5, 122.0], [0, 0, 1]]),
        np.array([-0.25, 0.1, 0.001, -0.002, -0.03]),
    )[0].ravel()
    colmap = pycolmap.Camera(
        model=camera.model, width=camera.width, height=camera.height, params=camera.params
    )
    np.testing.assert_allclose(colmap.img_from_cam(np.array([0.3, -0.2, 1.0])), at_pixel)
    summary = extract_frames(
        tmp_path / "raw", tmp_path / "frames", FrameExtractionSettings(), no_calibration
    )
    assert summary["camera_source"] == "maker_calibration" and summary["focal_length"] > 250
    table = pd.read_parquet(tmp_path / "frames" / "frames.parquet")
    np.testing.assert_allclose(table[DEVIATION_COLUMN], np.sqrt(0.0009 / 3))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('DewarpFlag="0"', 'DewarpFlag="1"'),  # undistorted already
        ('CenterX="160.0"', 'CenterX="320.0"'),  # cropped or shrunk
        ("-0.002,-0.03", "-0.002"),
        ("300.5", "0"),
    ],
)
def test_a_calibration_that_does_not_hold_for_the_image_is_left_out(tmp_path, old, new):
    _photograph(tmp_path / "1.jpg", CALIBRATION.replace(old, new))
    assert read_exif(tmp_path / "1.jpg").calibrated is None


def test_tangential_terms_that_are_one_number_twice_are_left_out(tmp_path):
    _photograph(tmp_path / "1.jpg", CALIBRATION.replace("-0.002,-0.03", "0.001,-0.03"))
    assert read_exif(tmp_path / "1.jpg").calibrated.params[4:9] == (-0.25, 0.1, 0, 0, -0.03)


def test_photographs_of_two_calibrations_have_that_of_exif(tmp_path):
    for number in range(2):
        _photograph(tmp_path / f"{number}.jpg", CALIBRATION.replace("300.5", f"30{number}.5"))
    assert open_source(tmp_path).own_camera()[1] == "exif"
