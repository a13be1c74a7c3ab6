"""Focal lengths that EXIF states, contradicts or cannot mean."""

import numpy as np
import pytest

from aerial_depth_pipeline.capture.sources.focal_length import focal_pixels

FOCAL, FOCAL_35, ZOOM, PITCH, UNIT, WIDTH = 0x920A, 0xA405, 0xA404, 0xA20E, 0xA210, 0xA002
SENSOR = {FOCAL: 8.8, PITCH: 4000 / 13.2, UNIT: 4}  # 13.2 mm wide, 4000 pixels
OF_24_MM = 24 / np.hypot(36, 24) * np.hypot(4000, 3000)


@pytest.mark.parametrize("equivalent", [1, 6000, -24, 5, 1e9])
def test_an_equivalent_that_cannot_be_is_no_focal_length(equivalent):
    focal, doubt = focal_pixels({FOCAL_35: equivalent}, "", 4000, 3000)
    assert focal is None and f"{equivalent:g} mm" in doubt


def test_an_equivalent_that_no_sensor_fits_is_no_focal_length():
    focal, doubt = focal_pixels({FOCAL_35: 300, FOCAL: 3.6}, "", 4000, 3000)
    assert focal is None and "3.6 mm" in doubt


@pytest.mark.parametrize("nonsense", [1, 6000])
def test_the_sensor_or_the_drone_stands_in_for_an_equivalent_that_cannot_be(nonsense):
    assert focal_pixels(SENSOR | {FOCAL_35: nonsense}, "", 4000, 3000)[0] == pytest.approx(
        2666.7, 1e-3
    )
    focal, doubt = focal_pixels({FOCAL_35: nonsense}, "FC6310", 4000, 3000)
    assert focal == pytest.approx(OF_24_MM) and doubt == ""


@pytest.mark.parametrize("shrink", [1.5, 2, 4])
def test_the_resolution_of_a_sensor_kept_after_shrinking(shrink):
    size = round(4000 / shrink), round(3000 / shrink)
    with_equivalent = focal_pixels(SENSOR | {FOCAL_35: 24}, "", *size)[0]
    assert with_equivalent == pytest.approx(OF_24_MM / shrink, rel=1e-3)
    assert focal_pixels(SENSOR | {WIDTH: 4000}, "", *size)[0] == pytest.approx(
        2666.7 / shrink, 1e-3
    )


def test_a_sensor_that_contradicts_the_equivalent():
    focal, doubt = focal_pixels(SENSOR | {FOCAL_35: 90}, "", 4000, 3000)
    assert focal is None and "contradicts the sensor" in doubt
    focal, doubt = focal_pixels({FOCAL_35: 90}, "FC6310", 4000, 3000)
    assert focal is None and "contradicts the lens of the FC6310" in doubt


@pytest.mark.parametrize(
    ("tags", "model", "times"),
    [
        ({FOCAL_35: 24, ZOOM: 2.0}, "", 2),
        ({FOCAL_35: 24, ZOOM: 2.0}, "FC6310", 2),
        ({FOCAL_35: 48, ZOOM: 2.0}, "FC6310", 2),  # the equivalent has the zoom in it
        ({FOCAL_35: 24, ZOOM: 0}, "", 1),  # not used
        ({FOCAL_35: 24, ZOOM: 10000}, "", 1),
        ({FOCAL_35: 24, ZOOM: float("nan")}, "", 1),
    ],
)
def test_digital_zoom(tags, model, times):
    assert focal_pixels(tags, model, 4000, 3000)[0] == pytest.approx(times * OF_24_MM)
