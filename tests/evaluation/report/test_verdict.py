"""The first sentences: is the model worth more than what costs nothing, and can that be told."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.worlds.evaluation_scenes import index_of, relief, write_scene

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.poses.pose_errors import PoseErrors
from aerial_depth_pipeline.evaluation.report.domain_report import DomainReport
from aerial_depth_pipeline.evaluation.report.sections import answers
from aerial_depth_pipeline.evaluation.report.verdict import how_split, verdict, warnings
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.formats.split_record import SplitRecord

DEPTHS = [relief(index) for index in range(5)]
SETTINGS = EvaluationSettings(bootstrap_samples=50, size=[40, 24])
ALIGNMENT = "median_per_image"


def report_of(tmp_path, wrong_by: float, scenes: int = 2, trained_on=None) -> DomainReport:
    """A model whose depth is wrong by a share, more in near pixels."""

    def model(image):
        depth = DEPTHS[index_of(image)]
        return 2 * depth * (1 + wrong_by * np.sign(depth - np.median(depth)))

    test = {f"f{n}": write_scene(tmp_path / f"f{n}", DEPTHS) for n in range(scenes)}
    train = {"t": write_scene(tmp_path / "t", DEPTHS)}
    measured = measure(model, test, train, "town", SETTINGS)
    report = DomainReport("town", measured, [], PoseErrors(), pd.DataFrame())
    report.trained_on = trained_on
    return report


def test_a_baseline_that_is_better_comes_first_with_what_to_do(tmp_path):
    said = verdict(report_of(tmp_path, 0.5), ALIGNMENT)
    assert said.startswith("town: mean depth map (0.")
    assert "is better than the model (abs rel 0." in said and "fine-tune" in said


def test_a_model_that_is_better_says_than_what(tmp_path):
    said = verdict(report_of(tmp_path, 0.01), ALIGNMENT)
    assert said.startswith("town: the model (abs rel 0.") and "is better than constant (0." in said
    assert "mean depth map (0." in said and "skill 0." in said


def test_the_flights_own_points_are_named_where_they_are_better(tmp_path):
    report = report_of(tmp_path, 0.1)
    assert "own points" not in verdict(report, ALIGNMENT)
    table = report.measured.table
    own = table[table["contestant"] == "constant"].assign(contestant="own_points")
    own.loc[own["metric"] == "abs_rel", "value"] = 0.012
    report.measured = replace(report.measured, table=pd.concat([table, own]))
    assert "the flight's own points, nothing learned, is better: 0.012" in verdict(
        report, ALIGNMENT
    )


@pytest.mark.parametrize(
    ("surface", "words"),
    [(0.2, "It takes 7[0-9] % off the error of its start"), (0.012, "is as good or better: 0.012")],
)
def test_a_model_that_starts_from_them_is_measured_against_its_start(tmp_path, surface, words):
    report = report_of(tmp_path, 0.05)
    table, rows = report.measured.table, []
    for name, value in (("own_points", surface), ("model_without_points", 0.123)):
        row = table[table["contestant"] == "constant"].assign(contestant=name)
        row.loc[row["metric"] == "abs_rel", "value"] = value
        rows.append(row)
    report.measured = replace(report.measured, table=pd.concat([table, *rows]))
    said = verdict(report, ALIGNMENT)
    assert re.search(words, said) and said.endswith("From one picture it has 0.123.")


@pytest.mark.parametrize(("scenes", "enough"), [(1, False), (2, True)])
def test_one_flight_or_few_images_are_not_enough_to_tell(tmp_path, scenes, enough):
    said = " ".join(warnings(report_of(tmp_path, 0.1, scenes)))
    assert ("not enough to tell" in said) != enough


def test_flights_that_were_trained_on_are_named_in_every_caption(tmp_path):
    report = report_of(tmp_path, 0.1, trained_on=frozenset({"f1", "x"}))
    assert report.seen == ["f1"]
    assert report.basis.startswith("1 of 2 flights that the model was trained on, against exact")
    assert warnings(report)[0].startswith("f1: the model was trained on other moments")
    report.trained_on = frozenset()
    assert report.basis.startswith("flights unknown to the model, against") and not warnings(report)


def test_both_headlines_say_what_was_taken_from_the_reference(tmp_path):
    said = answers(report_of(tmp_path, 0.0), ALIGNMENT)
    (shape,) = [sentence for sentence in said if sentence.startswith("Shape")]
    (metres,) = [sentence for sentence in said if sentence.startswith("Metres")]
    assert "with each image's scale taken from the reference" in shape and "0.0 %" in shape
    # Twice too far at a median distance of about 50 m
    assert "without alignment" in metres and "100 % on average" in metres
    assert "m at a median distance of" in metres


@pytest.mark.parametrize(("seen", "leaky"), [(0.96, True), (0.04, False), (None, False)])
def test_ground_that_training_saw_is_said_and_above_a_tenth_stands_in_every_caption(
    tmp_path, seen, leaky
):
    report = report_of(tmp_path, 0.1)
    assert how_split(report) == []
    report.split, words = SplitRecord("time", seen, ["positions"]), "training saw 96 % of the"
    assert (words in " ".join(warnings(report))) == leaky
    report.trained_on = frozenset()
    assert (words in report.basis) == leaky
    said = " ".join(answers(report, ALIGNMENT))
    assert "Split: blocks of time are held out" in said
    known = "not known" if seen is None else f"{100 * seen:.0f} % of the tested ground"
    assert known in said
