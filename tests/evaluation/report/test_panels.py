from dataclasses import replace

import cv2
import numpy as np
import pytest
from tests.evaluation.methods.test_own_points import write_flight
from tests.worlds.evaluation_scenes import relief

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.report.panels import (
    choose_frames,
    draw_panels,
    error_picture,
    panel_frames,
    whole_depth,
)
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings


def test_best_median_and_worst_frame_are_chosen(measured):
    assert [
        (word, scene, frame)
        for word, scene, frame, _ in choose_frames(measured.per_image, "median_per_image")
    ] == [("best", "flight", 0), ("median", "flight", 20), ("worst", "flight", 40)]


@pytest.mark.parametrize(
    "alignment", ["none", "median_per_image", "median_per_scene", "lstsq_inverse_depth"]
)
def test_the_image_shows_what_was_measured(references, measured, model, alignment):
    columns = panel_frames(model, {"flight": references}, measured.per_image, "town", alignment)
    assert len(columns) == 3
    for column, (_, _, _, abs_rel) in zip(
        columns, choose_frames(measured.per_image, alignment), strict=True
    ):
        known = column.reference_HW > 0
        error = (
            np.abs(column.prediction_HW - column.reference_HW)[known] / column.reference_HW[known]
        )
        assert error.mean() == pytest.approx(abs_rel, abs=1e-4)
    picture = cv2.imdecode(np.frombuffer(draw_panels(columns), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] > 1000 and picture.std() > 20


def test_the_flights_own_points_have_a_row(tmp_path):
    references, alignment = write_flight(tmp_path), "median_per_image"
    settings = EvaluationSettings(bootstrap_samples=0, alignments=[alignment], size=[40, 24])

    def flat(image):
        return np.full(image.shape[:2], 50.0, np.float32)

    per_image = measure(flat, {"f": references}, {}, "town", settings).per_image
    columns = panel_frames(flat, {"f": references}, per_image, "town", alignment)
    own = per_image[(per_image["contestant"] == "own_points") & (per_image["cap"] == "none")]
    for column in columns:
        error = np.abs(column.own_points_HW / column.reference_HW - 1).mean()
        assert error == pytest.approx(own.set_index("frame")["abs_rel"][column.frame], abs=1e-4)
    without = [replace(column, own_points_HW=None) for column in columns]
    heights = [
        cv2.imdecode(np.frombuffer(draw_panels(some), np.uint8), cv2.IMREAD_COLOR).shape[0]
        for some in (columns, without)
    ]
    assert heights[0] > heights[1]


def test_the_error_is_dark_where_small_bright_where_large_and_grey_without_a_prediction():
    prediction, reference = np.float32([[10, 30, np.nan]]), np.float32([[10, 10, 10]])
    right, wrong, missing = error_picture(prediction, reference)[0].astype(int)
    assert right.sum() < 20 and wrong.sum() > 600
    assert np.ptp(missing) < 10


def test_a_map_is_aligned_as_a_whole():
    truth = relief(0)
    np.testing.assert_allclose(whole_depth(1 / (4 * truth), 0.25, 0.0), truth, rtol=1e-5)
    np.testing.assert_allclose(whole_depth(5 / truth + 0.1, 5, -0.02), truth, rtol=1e-4)
    assert np.ptp(whole_depth(1 / truth, np.nan, 0.02)) == 0  # least squares found no contrast
