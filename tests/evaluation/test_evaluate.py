import logging

import numpy as np
import pandas as pd
import pytest
from tests.worlds.evaluation_scenes import index_of, relief, write_depth, write_scene

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.measuring.aggregate import COLUMNS, spread_table
from aerial_depth_pipeline.evaluation.methods.method import Method, PredictionError
from aerial_depth_pipeline.evaluation.report.tables import format_console, problem_notes
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.evaluation.validation_metrics import validation_metrics

SETTINGS = EvaluationSettings(bootstrap_samples=50, size=[40, 24])
ERRORS = ["abs_rel", "sq_rel", "rmse", "rmse_log", "l1_abs", "l1_rel"]
SHARES = [
    "delta_1.25",
    "delta_1.25_squared",
    "delta_1.25_cubed",
    "accuracy_0.05m",
    "completeness_0.05m",
]


def evaluate(*arguments) -> pd.DataFrame:
    return measure(*arguments).table


def value(
    table: pd.DataFrame,
    metric: str,
    method: str = "model",
    alignment: str = "median_per_image",
    scene: str = "all",
    cap: str = "none",
):
    row = table[
        (table["metric"] == metric)
        & (table["contestant"] == method)
        & (table["alignment"] == alignment)
        & (table["scene"] == scene)
        & (table["cap"] == cap)
    ]
    assert len(row) == 1, f"{len(row)} rows for {method} {alignment} {metric}"
    return float(row["value"].iloc[0])


def complete(depths):
    """What a model says where the reference is silent does not matter; here it says 50."""
    return [np.where(depth > 0, depth, 50).astype(np.float32) for depth in depths]


def test_the_truth_has_no_error_under_any_alignment(references, depths):
    truth = complete(depths)
    table = evaluate(
        lambda image: truth[index_of(image)], {"flight": references}, {}, "town", SETTINGS
    )
    assert list(table.columns) == COLUMNS
    for alignment in SETTINGS.alignments:
        for metric in ERRORS:
            assert value(table, metric, alignment=alignment) == pytest.approx(0, abs=2e-4), (
                alignment,
                metric,
            )
        for metric in SHARES:
            assert value(table, metric, alignment=alignment) == 1, (alignment, metric)
    assert value(table, "correlation") == pytest.approx(1, abs=1e-6)
    assert value(table, "scale_drift") == pytest.approx(0, abs=1e-6)
    assert value(table, "skill_over_plane") == pytest.approx(1, abs=1e-5)


def test_three_times_the_truth_is_the_truth_under_both_medians_and_wrong_without(
    references, depths
):
    truth = complete(depths)
    table = evaluate(
        lambda image: 3 * truth[index_of(image)], {"flight": references}, {}, "town", SETTINGS
    )
    for alignment in ("median_per_image", "median_per_scene", "lstsq_inverse_depth"):
        assert value(table, "abs_rel", alignment=alignment) == pytest.approx(0, abs=1e-5)
        assert value(table, "delta_1.25", alignment=alignment) == 1
    assert value(table, "abs_rel", alignment="none") == pytest.approx(2, rel=1e-5)
    assert value(table, "delta_1.25_cubed", alignment="none") == 0
    assert value(table, "rmse_log", alignment="none") == pytest.approx(np.log(3), rel=1e-5)


def test_one_scale_per_scene_does_not_forgive_a_scale_that_drifts(references, depths):
    truth, factors = complete(depths), [1.0, 1.1, 1.2, 1.3, 1.4]
    table = evaluate(
        lambda image: truth[index_of(image)] / factors[index_of(image)],
        {"flight": references},
        {},
        "town",
        SETTINGS,
    )
    assert value(table, "abs_rel") == pytest.approx(0, abs=1e-5)
    # The scene's factor is the median, 1.2; what is left of each image is its distance from it.
    assert value(table, "abs_rel", alignment="median_per_scene") == pytest.approx(
        np.mean([abs(1.2 / f - 1) for f in factors]), rel=1e-4
    )
    assert value(table, "scale_drift") == pytest.approx(np.std(np.log(factors)), rel=1e-4)


def test_affine_inverse_depth_is_the_truth_under_least_squares_alone(references, depths):
    truth = complete(depths)
    other = Method(
        "affine", lambda frame: 7 / truth[index_of(frame.image)] - 0.3, "affine_inverse_depth"
    )
    table = evaluate(
        lambda image: truth[index_of(image)], {"flight": references}, {}, "town", SETTINGS, [other]
    )
    assert value(table, "abs_rel", "affine", "lstsq_inverse_depth") == pytest.approx(0, abs=1e-4)
    rows = table[(table["contestant"] == "affine") & ~table["metric"].str.startswith("images_")]
    assert set(rows["alignment"]) == {"lstsq_inverse_depth"}  # the others mean nothing for it


def test_the_constant_baseline_is_the_hand_computed_one(references, depths):
    table = evaluate(
        lambda image: np.ones(image.shape[:2]), {"flight": references}, {}, "town", SETTINGS
    )
    by_hand = []
    for depth in depths:
        known = depth[depth > 0].astype(float)
        by_hand.append(np.mean(np.abs(known - np.median(known)) / known))
    assert value(table, "abs_rel", "constant") == pytest.approx(np.mean(by_hand), rel=1e-5)
    assert value(table, "abs_rel", "model") == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_the_mean_depth_map_knows_the_training_frames_and_the_plane_knows_the_reference(tmp_path):
    rows = np.linspace(0, 1, 48)[:, None]
    plane = np.repeat(1 / (0.01 + 0.02 * rows), 80, 1).astype(np.float32)
    test = write_scene(tmp_path / "test", [plane, plane * 1.5])
    train = write_scene(tmp_path / "train", [plane * 0.5, plane * 1.5])
    settings = EvaluationSettings(bootstrap_samples=0, size=[80, 48])
    table = evaluate(
        lambda image: np.ones(image.shape[:2]), {"test": test}, {"train": train}, "town", settings
    )
    assert value(table, "abs_rel", "mean_depth_map", "none", scene="test") == pytest.approx(
        (0 + 1 / 3) / 2, rel=1e-4
    )
    assert value(table, "abs_rel", "mean_depth_map") == pytest.approx(0, abs=1e-5)
    assert value(table, "abs_rel", "tilted_plane", "none") == pytest.approx(0, abs=1e-5)
    assert table.loc[table["metric"] == "abs_rel", "low"].isna().all()


def test_without_training_references_the_mean_depth_map_is_absent(references, depths):
    table = evaluate(
        lambda image: np.ones(image.shape[:2]), {"flight": references}, {}, "town", SETTINGS
    )
    assert set(table["contestant"]) == {"model", "constant", "tilted_plane"}


def test_skill_is_one_minus_the_ratio_to_the_plane_and_the_interval_holds_it(
    references, depths, tmp_path
):
    scenes = {"flight": references, "other": write_scene(tmp_path / "other", depths)}
    measured = measure(lambda image: 50 + np.zeros(image.shape[:2]), scenes, {}, "town", SETTINGS)
    table = measured.table
    expected = 1 - value(table, "abs_rel") / value(table, "abs_rel", "tilted_plane")
    assert value(table, "skill_over_plane") == pytest.approx(expected)
    row = table[
        (table["metric"] == "skill_over_plane")
        & (table["contestant"] == "model")
        & (table["scene"] == "all")
    ].iloc[0]
    assert row["low"] <= row["value"] <= row["high"]


def test_one_scene_or_a_few_images_have_no_interval(references, depths, tmp_path):
    def low_of(scenes):
        table = evaluate(
            lambda image: depths[index_of(image) % 5] + 1, scenes, {}, "town", SETTINGS
        )
        main = table[(table["metric"] == "abs_rel") & (table["contestant"] == "model")]
        return main.set_index(["scene", "alignment"])["low"].xs("none", level="alignment")

    five = {"flight": references}
    assert low_of(five).isna().all()
    twelve = {"flight": write_scene(tmp_path / "twelve", [depths[i % 5] for i in range(12)])}
    low = low_of(twelve)
    assert np.isnan(low["all"]) and np.isfinite(low["flight"])
    both = low_of(five | {"other": write_scene(tmp_path / "other", depths)})
    assert np.isfinite(both["all"]) and np.isnan(both["flight"])


def test_a_cap_leaves_far_pixels_out_and_clips_predictions_to_it(references, depths):
    settings = EvaluationSettings(caps=[40.0], bootstrap_samples=0)
    table = evaluate(
        lambda image: np.full(image.shape[:2], 1000.0), {"flight": references}, {}, "town", settings
    )
    by_hand = [
        np.mean((40 - near) / near)
        for near in (depth[(depth > 0) & (depth <= 40)].astype(float) for depth in depths)
    ]
    assert value(table, "abs_rel", alignment="none", cap="40") == pytest.approx(
        np.mean(by_hand), rel=1e-5
    )
    capped = table[
        (table["cap"] == "40") & (table["metric"] == "abs_rel") & (table["scene"] == "all")
    ]
    assert capped["coverage"].iloc[0] == pytest.approx(
        np.mean([np.mean((d > 0) & (d <= 40)) for d in depths])
    )


def test_lengths_are_left_out_where_the_reference_is_not_metric(tmp_path, depths):
    references = write_scene(tmp_path / "flight", depths, kind="plane_sweep", metric=False)
    table = evaluate(
        lambda image: np.ones(image.shape[:2]), {"flight": references}, {}, "town", SETTINGS
    )
    metrics = set(table["metric"])
    assert {"abs_rel", "rmse_log", "delta_1.25", "l1_rel"} <= metrics
    assert not metrics & {"rmse", "sq_rel", "l1_abs"} and not any(
        name.startswith(("accuracy", "completeness")) for name in metrics
    )


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_scene_units_may_have_any_size(tmp_path, depths, unit):
    references = write_scene(
        tmp_path / "flight",
        [depth * np.float32(unit) for depth in depths],
        kind="plane_sweep",
        metric=False,
    )
    settings = EvaluationSettings(bootstrap_samples=0, caps=[40.0])
    truth = complete(depths)
    measured = measure(
        lambda image: truth[index_of(image)], {"flight": references}, {}, "town", settings
    )
    assert measured.problems.empty
    assert value(measured.table, "abs_rel") == pytest.approx(0, abs=1e-4)
    assert value(measured.table, "abs_rel", alignment="lstsq_inverse_depth") == pytest.approx(
        0, abs=1e-3
    )
    assert set(measured.table["cap"]) == {"none"}  # a cap of 40 metres means nothing here


def test_a_model_that_says_nothing_leaves_the_others_measured_and_is_named(references):
    measured = measure(
        lambda image: np.zeros(image.shape[:2]), {"flight": references}, {}, "town", SETTINGS
    )
    assert set(measured.per_image["contestant"]) == {"constant", "tilted_plane"}
    assert problem_notes(measured.table, "town") == ["model: of 5 predictions 5 empty."]


def test_a_domain_is_the_mean_over_images_not_over_scenes(tmp_path, depths):
    a = write_scene(tmp_path / "a", depths[:4])
    b = write_scene(tmp_path / "b", depths[4:])
    table = evaluate(lambda image: np.ones(image.shape[:2]), {"a": a, "b": b}, {}, "town", SETTINGS)
    expected = 0.8 * value(table, "abs_rel", scene="a") + 0.2 * value(table, "abs_rel", scene="b")
    assert value(table, "abs_rel") == pytest.approx(expected)


def test_scenes_without_references_are_named_and_a_domain_without_any_is_an_error(
    references, caplog
):
    with caplog.at_level(logging.WARNING):
        evaluate(
            lambda image: np.ones(image.shape[:2]),
            {"flight": references, "meadow": []},
            {},
            "town",
            SETTINGS,
        )
    assert any("meadow" in message for message in caplog.messages)
    with pytest.raises(UserError, match="'town' has no test frame with reference depth"):
        evaluate(lambda image: np.ones(image.shape[:2]), {"meadow": []}, {}, "town", SETTINGS)


def test_predictions_of_another_size_are_brought_to_the_references(references, depths):
    smooth = np.repeat(np.linspace(30, 60, 48, dtype=np.float32)[:, None], 80, 1)
    full = evaluate(lambda image: smooth, {"flight": references}, {}, "town", SETTINGS)
    half = evaluate(
        lambda image: (smooth[::2, ::2] + smooth[1::2, ::2]) / 2,
        {"flight": references},
        {},
        "town",
        SETTINGS,
    )
    assert value(half, "abs_rel") == pytest.approx(value(full, "abs_rel"), rel=2e-3)


def test_bad_predictions_are_named_counted_and_kept_out_of_the_averages(references, depths, caplog):
    truth = complete(depths)

    def flawed(image):
        index = index_of(image)
        if index == 0:
            return np.full(image.shape[:2], np.nan)
        if index == 1:
            return truth[index][:, :40]
        prediction = 2 * truth[index]
        if index == 2:
            prediction[20:30] = np.nan
            prediction[30:32] = -1
        return prediction

    with caplog.at_level(logging.WARNING):
        measured = measure(flawed, {"flight": references}, {}, "town", SETTINGS)
    problems = measured.problems[["contestant", "frame", "problem"]].values.tolist()
    assert problems == [["model", 0, "empty"], ["model", 10, "mis-sized"], ["model", 20, "holes"]]
    assert value(measured.table, "abs_rel") == pytest.approx(0, abs=1e-5)
    row = measured.table[
        (measured.table["metric"] == "abs_rel") & (measured.table["contestant"] == "model")
    ].iloc[0]
    assert row["images"] == 3
    for problem in ("empty", "mis_sized", "holes"):
        assert value(measured.table, f"images_{problem}", alignment="none") == 1
    assert value(measured.table, "completeness_0.5m") == pytest.approx(
        np.mean([1, 1, (38 - 12) / 38]), rel=1e-3
    )
    assert any(
        "model has mis-sized predictions for 1 of 5 frames" in message
        for message in caplog.messages
    )
    assert problem_notes(measured.table, "town") == [
        "model: of 5 predictions 1 empty, 1 with holes, 1 mis-sized."
    ]
    assert format_console(measured.table, "town", "none").endswith("1 with holes, 1 mis-sized.")


def test_a_damaged_reference_counts_for_nobody(references, caplog):
    references[1].depth.write_bytes(b"not a picture")
    write_depth(references[3].depth, np.zeros((48, 80), np.float32))
    with caplog.at_level(logging.WARNING):
        measured = measure(
            lambda image: np.ones(image.shape[:2]), {"flight": references}, {}, "town", SETTINGS
        )
    assert set(measured.per_image["frame"]) == {0, 20, 40}
    assert measured.problems[["contestant", "frame", "problem"]].values.tolist() == [
        ["reference", 10, "damaged"],
        ["reference", 30, "empty"],
    ]


def test_damaged_companions_do_not_stop_the_measuring(references, tmp_path, caplog):
    train = write_scene(tmp_path / "other", [relief(7), relief(8)])
    train[0].depth.write_bytes(b"rubbish")
    (references[0].scene_folder / "camera.yaml").write_text("model: [")
    (references[0].scene_folder / "poses.csv").write_text("frame\n1\n")
    with caplog.at_level(logging.WARNING):
        measured = measure(
            lambda image: np.ones(image.shape[:2]),
            {"flight": references},
            {"other": train},
            "town",
            SETTINGS,
        )
    assert {"model", "mean_depth_map"} <= set(measured.table["contestant"])
    assert any("camera.yaml" in message for message in caplog.messages)
    assert any("mean depth map does without one" in message for message in caplog.messages)


def test_two_contestants_of_one_name_are_refused(references):
    other = Method("model", lambda frame: np.ones(frame.depth.shape))
    with pytest.raises(ValueError, match="two methods are called 'model'"):
        evaluate(
            lambda image: np.ones(image.shape[:2]),
            {"flight": references},
            {},
            "town",
            SETTINGS,
            [other],
        )


def test_the_spread_over_images(references):
    measured = measure(
        lambda image: np.ones(image.shape[:2]), {"flight": references}, {}, "town", SETTINGS
    )
    spread = spread_table(measured.per_image, SETTINGS.thresholds).set_index(
        ["contestant", "scene", "alignment", "metric"]
    )
    row = spread.loc[("model", "flight", "median_per_image", "abs_rel")]
    values = measured.per_image.query("contestant == 'model' and alignment == 'median_per_image'")[
        "abs_rel"
    ]
    assert row["mean"] == pytest.approx(values.mean()) and row["std"] == pytest.approx(
        values.std(ddof=0)
    )
    assert row["p95"] == pytest.approx(np.percentile(values, 95)) and row["images"] == 5


def test_figures_to_watch_a_training_by_agree_with_the_table(references):
    def model(image):
        return relief(index_of(image), seed=3)

    table = evaluate(model, {"flight": references}, {}, "town", SETTINGS)
    figures = validation_metrics(model, [("town", reference) for reference in references])
    for metric in ("abs_rel", "delta_1.25", "correlation"):
        assert figures[f"town/{metric}"] == pytest.approx(value(table, metric), rel=1e-6)
    assert figures["abs_rel"] == figures["town/abs_rel"]


def test_the_same_seed_gives_the_same_table(references):
    def model(image):
        return relief(index_of(image), seed=1)

    first = evaluate(model, {"flight": references}, {}, "town", SETTINGS)
    second = evaluate(model, {"flight": references}, {}, "town", SETTINGS)
    pd.testing.assert_frame_equal(first, second)


def test_a_full_temporary_disk_is_one_sentence(references, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(UserError, match="TMPDIR"):
        evaluate(
            lambda image: np.ones(image.shape[:2]), {"flight": references}, {}, "town", SETTINGS
        )


@pytest.mark.parametrize(("unit", "metric"), [("model units", True), ("metres", False)])
def test_without_alignment_only_metres_are_measured_against_metres(tmp_path, depths, unit, metric):
    class Model:
        metadata = {"unit": unit}

        def __call__(self, image):
            return depths[index_of(image)]

    references = write_scene(tmp_path / "flight", depths, metric=metric)
    table = measure(Model(), {"flight": references}, {}, "town", SETTINGS).table
    measured = table[table["metric"] == "abs_rel"].groupby("contestant")["alignment"].agg(set)
    assert "none" not in measured["model"] and "median_per_image" in measured["model"]
    assert ("none" in measured["tilted_plane"]) == metric
    assert "none" not in measured["constant"]  # without training references it has no unit


def test_a_cheap_method_may_have_no_prediction_for_some_frames(references, depths):
    def some(frame):
        if frame.reference.frame == 10:
            raise PredictionError("left out", "its attitude is not known")
        return np.ones(depths[0].shape)

    method = Method("sometimes", some, cheap=True)
    table = evaluate(None, {"flight": references}, {}, "town", SETTINGS, [method])
    assert value(table, "abs_rel", "sometimes", "median_per_scene") > 0
