import cv2
import numpy as np
import pytest
from tests.worlds.evaluation_scenes import index_of, relief

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.report.panels import (
    choose_frames,
    draw_panels,
    error_picture,
    panel_frames,
    whole_depth,
)
from aerial_depth_pipeline.evaluation.report.tables import (
    format_console,
    format_latex,
    format_markdown,
    mlflow_metrics,
    pivot,
)
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.reporting.colours import plasma

SETTINGS = EvaluationSettings(bootstrap_samples=0, caps=[40.0])


def model(image):
    index = index_of(image)
    return relief(index) * (1 + 0.02 * index * np.sin(np.arange(80) / 5)).astype(np.float32)


@pytest.fixture
def measured(references):
    return measure(model, {"flight": references}, {}, "town", SETTINGS)


def test_console_table_has_the_model_first_the_baselines_last_and_aligned_columns(measured):
    lines = format_console(measured.table, "town", "median_per_image", kinds=["exact"]).splitlines()
    assert (
        lines[0] == "town, against exact depth (simulated flights), median per image, no depth cap"
    )
    assert [line.split()[0] for line in lines[3:]] == ["model", "constant", "tilted_plane"]
    assert len({len(line) for line in lines[1:]}) == 1
    wide = pivot(measured.table, "town", "median_per_image")
    assert f"{wide.loc['model', 'abs_rel']:.3f}" in lines[3]


def test_markdown_marks_the_best_and_latex_escapes(measured):
    markdown = format_markdown(measured.table, "town", "none", cap="40")
    assert "depth up to 40" in markdown and "| `model` | **" in markdown
    latex = format_latex(measured.table, "town", "none")
    assert (
        r"tilted\_plane" in latex
        and r"\%" in latex
        and r"\textbf{" in latex
        and latex.count(r"\\") == 4
    )  # header and three methods


def test_mlflow_names(measured):
    metrics = mlflow_metrics(measured.table, "median_per_image")
    assert (
        metrics["town/median_per_image/abs_rel"]
        == pivot(measured.table, "town", "median_per_image").loc["model", "abs_rel"]
    )
    assert {
        "town/median_per_image/skill_over_plane",
        "town/none_cap_40/abs_rel",
        "town/constant/median_per_image/abs_rel",
    } <= set(metrics)
    assert (
        "town/constant/none/abs_rel" not in metrics
    )  # baselines under one alignment, so that plots stay readable
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_-./ ")
    assert all(set(name) <= allowed for name in metrics)


def test_best_median_and_worst_frame_are_chosen(measured):
    assert [
        (word, scene, frame)
        for word, scene, frame, _ in choose_frames(measured.per_image, "median_per_image")
    ] == [
        ("best", "flight", 0),
        ("median", "flight", 20),
        ("worst", "flight", 40),
    ]


@pytest.mark.parametrize(
    "alignment", ["none", "median_per_image", "median_per_scene", "lstsq_inverse_depth"]
)
def test_the_picture_shows_what_was_measured(references, measured, alignment):
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


def test_near_is_bright_far_is_dark_and_missing_is_grey():
    picture = plasma(np.array([[10.0, 100.0, 0.0, np.nan]], np.float32), 10, 100)
    luminance = picture.astype(int).sum(-1)[0]
    assert luminance[0] > 400 > luminance[1]
    assert (picture[0, 2] == picture[0, 3]).all() and np.ptp(picture[0, 2].astype(int)) < 10
    error = (
        error_picture(
            np.array([[10.0, 30.0, np.nan]], np.float32), np.array([[10.0, 10.0, 10.0]], np.float32)
        )
        .astype(int)
        .sum(-1)[0]
    )
    assert error[0] < 20 and error[1] > 600


def test_a_map_is_aligned_as_a_whole():
    truth = relief(0)
    np.testing.assert_allclose(whole_depth(1 / (4 * truth), 0.25, 0.0), truth, rtol=1e-5)
    np.testing.assert_allclose(whole_depth(5 / truth + 0.1, 5, -0.02), truth, rtol=1e-4)
    assert np.ptp(whole_depth(1 / truth, np.nan, 0.02)) == 0  # least squares found no contrast
