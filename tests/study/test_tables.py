"""Plans and tables: which runs a study has, and what its tables say."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.study.conftest import TRAIN

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.study import ablation, fine_tuning, generalization
from aerial_depth_pipeline.study.planning import Planner, runs_table
from aerial_depth_pipeline.study.run import changed
from aerial_depth_pipeline.study.run_study import Outcome, in_order
from aerial_depth_pipeline.study.settings import StudySettings
from aerial_depth_pipeline.study.study_report import StudyTables, conclusions, study_page
from aerial_depth_pipeline.triplets.settings import TripletSettings


def planner(domains, measuring, names=("near", "far"), **study) -> Planner:
    settings = read_settings(StudySettings, {"seeds": [0], "samples": 8} | study, "study")
    footage = {name: dataclasses.replace(domains["near"], domain=name) for name in names}
    return Planner(settings, TRAIN, {"width": 96, "frame_offset": "auto"}, footage, measuring)


def test_the_matrix_trains_on_each_on_all_but_one_and_on_all():
    assert generalization.training_sets(["a"]) == {"a": ["a"]}
    assert set(generalization.training_sets(["a", "b"])) == {"a", "b", "all"}
    three = generalization.training_sets(["a", "b", "c"])
    assert set(three) == {"a", "b", "c", "all but a", "all but b", "all but c", "all"}
    assert three["all but b"] == ["a", "c"]


def test_parts_share_their_runs(domains, measuring):
    plans = planner(domains, measuring)
    matrix, tuning = generalization.plan(plans), fine_tuning.plan(plans)
    assert tuning["base", False, 0].fingerprint == matrix["near", 0].fingerprint
    assert tuning["in_domain", False, 0].fingerprint == matrix["far", 0].fingerprint
    waves = in_order([*tuning.values(), *matrix.values()])
    assert [len(wave) for wave in waves] == [3, 4]
    assert all(run.start is None for run in waves[0]) and all(
        run.start is not None for run in waves[1]
    )


def test_an_axis_changes_what_the_study_gives_by_a_former_name(domains, measuring):
    axes = {"jitter": {"none": {"train": {"augmentation": {"color_jitter": 0.0}}}, "default": {}}}
    study = {"axes": axes, "ablation": {"axes": ["jitter"]}}
    plans = planner(domains, measuring, train={"augmentation": {"colour": 0.5}}, **study)
    runs = ablation.plan(plans)
    jitter = {name: run.train.augmentation.color_jitter for (_, name, _), run in runs.items()}
    assert jitter == {"none": 0.0, "default": 0.5}


def test_an_axis_takes_three_lines_and_unknown_names_are_errors(domains, measuring):
    axes = {
        "rate": {
            "slow": {"train": {"learning_rate": 1e-5}},
            "default": {},
            "same": {"triplets": {"frame_offset": "auto"}},
        }
    }
    runs = ablation.plan(planner(domains, measuring, axes=axes, ablation={"axes": ["rate"]}))
    assert runs["rate", "slow", 0].train.learning_rate == 1e-5
    assert runs["rate", "default", 0].fingerprint == runs["rate", "same", 0].fingerprint
    with pytest.raises(UserError, match="ablation.axes names speed"):
        planner(domains, measuring, axes=axes, ablation={"axes": ["speed"]})
    wrong = {"rate": {"slow": {"train": {"learning_rat": 1e-5}}}}
    with pytest.raises(UserError, match="Did you mean 'train.learning_rate'"):
        ablation.plan(planner(domains, measuring, axes=wrong, ablation={"axes": ["rate"]}))


def test_fine_tuning_needs_another_domain(domains, measuring):
    with pytest.raises(UserError, match="needs a domain besides 'near'"):
        fine_tuning.plan(planner(domains, measuring, names=["near"]))
    with pytest.raises(UserError, match="'moon', which is not among"):
        fine_tuning.plan(planner(domains, measuring, fine_tuning={"new_domain": "moon"}))


def tuning_table() -> pd.DataFrame:
    """Base 0.5 and in-domain 0.1 on the new domain; a method that falls to 0.3 at 100, 0.18 at 200,
    0.14 at 400 samples."""
    rows = [
        ("base", False, 0, 0, 0.0, "n", "new", 0.5),
        ("base", False, 0, 0, 0.0, "o", "old", 0.2),
    ]
    rows += [
        ("in_domain", False, 0, 800, 80.0, "n", "new", 0.1),
        ("in_domain", False, 0, 800, 80.0, "o", "old", 0.9),
    ]
    for samples, new, old in (
        (0, 0.5, 0.2),
        (100, 0.3, 0.22),
        (200, 0.18, 0.23),
        (400, 0.14, 0.25),
    ):
        rows += [
            ("full", True, 0, samples, samples / 10, "n", "new", new),
            ("full", True, 0, samples, samples / 10, "o", "old", old),
        ]
    table = pd.DataFrame(
        rows, columns=["method", "replay", "seed", "samples", "seconds", "domain", "role", "value"]
    )
    return table.assign(metric="abs_rel")[fine_tuning.COLUMNS]


def test_recovery_is_read_off_the_curve():
    found = fine_tuning.recovery(tuning_table(), "abs_rel").iloc[0]
    assert found["recovered"] == pytest.approx(0.9) and found["forgotten"] == pytest.approx(0.25)
    assert found["samples_0.5"] == pytest.approx(100) and found["seconds_0.5"] == pytest.approx(10)
    assert found["samples_0.8"] == pytest.approx(200)
    assert np.isnan(found["samples_0.95"])


def test_the_conclusions_name_what_recovers_most_and_what_forgets_least():
    with_replay = tuning_table()
    without = with_replay[with_replay["method"] == "full"].assign(replay=False)
    without["value"] += np.where(without["role"] == "new", -0.03, 0.1) * (without["samples"] > 0)
    said = conclusions(StudyTables(fine_tuning=pd.concat([with_replay, without])), "x", "abs_rel")
    assert "(full) recovers 98 %" in said[0] and "75 % more" in said[0]
    assert (
        "least with full with replay: 90 % recovered, abs rel on the old domains 25 % more"
        in said[1]
    )
    assert len(conclusions(StudyTables(fine_tuning=with_replay), "x", "abs_rel")) == 1


def test_without_a_gap_nothing_is_recovered():
    table = tuning_table()
    table.loc[table["method"] == "in_domain", "value"] = 0.6
    found = fine_tuning.recovery(table, "abs_rel").iloc[0]
    assert np.isnan(found["recovered"]) and np.isnan(found["samples_0.5"])
    assert any(
        "there is no gap" in sentence
        for sentence in conclusions(StudyTables(fine_tuning=table), "x", "abs_rel")
    )


def matrix_table() -> pd.DataFrame:
    values = {
        ("a", "a"): 0.1,
        ("a", "b"): 0.4,
        ("b", "a"): 0.15,
        ("b", "b"): 0.2,
        ("all", "a"): 0.11,
        ("all", "b"): 0.19,
    }
    rows = [
        (*pair, seed, "x", "abs_rel", value + seed * 0.02)
        for pair, value in values.items()
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows, columns=generalization.COLUMNS)


def test_the_drop_is_against_the_model_of_the_test_domain():
    found = generalization.drops(matrix_table(), "x", "abs_rel").set_index(
        ["train_domain", "test_domain"]
    )
    assert found.loc[("a", "b"), "mean"] == pytest.approx(0.41) and found.loc[
        ("a", "b"), "std"
    ] == pytest.approx(0.01)
    assert found.loc[("a", "b"), "drop"] == pytest.approx(0.41 / 0.21 - 1)
    assert found.loc[("b", "b"), "drop"] == 0
    sentence = conclusions(StudyTables(generalization=matrix_table()), "x", "abs_rel")[0]
    assert "a model of a has 95 % more abs rel on b" in sentence
    assert "0.010" in study_page(StudyTables(generalization=matrix_table()), "x", ["abs_rel"])
    one_seed = matrix_table()[lambda table: table["seed"] == 0]
    assert "0.000" not in study_page(
        StudyTables(generalization=one_seed), "x", ["abs_rel"]
    )  # one seed has no spread


def test_a_failed_run_has_its_reason_and_the_page_stands(domains, measuring):
    runs = generalization.plan(planner(domains, measuring))
    rows = [
        {
            "samples": 8,
            "seconds": 1.0,
            "domain": "near",
            "alignment": "x",
            "metric": "abs_rel",
            "value": 0.25,
        }
    ]
    outcomes = {
        run.fingerprint: Outcome(run, {"samples": 8, "seconds": 1.0, "triplets": 6, "rows": rows})
        for run in runs.values()
    }
    broken = runs["far", 0]
    outcomes[broken.fingerprint] = Outcome(broken, None, "its flight is <empty>")
    table = generalization.table(runs, outcomes)
    assert set(table["train_domain"]) == {"near", "all"}
    status = runs_table("generalization", list(runs.values()), outcomes)
    assert list(status["status"]) == ["ok", "failed", "ok"]
    page = study_page(StudyTables(generalization=table, runs=status), "x", ["abs_rel"])
    assert "its flight is &lt;empty&gt;" in page and "1 of 3 runs failed" in page
    online = pd.DataFrame(
        [("full", False, 0, i, "s", i, 0.3 / (i + 1), 0.3) for i in range(6)],
        columns=fine_tuning.ONLINE_COLUMNS,
    )
    axis = (
        matrix_table()
        .rename(columns={"train_domain": "setting", "test_domain": "domain"})
        .assign(axis="size")
    )
    full = study_page(
        StudyTables(matrix_table(), tuning_table(), online, axis, status), "x", ["abs_rel"]
    )
    assert full.count("data:image/png") == 4 and not re.search(r"(src|href)=\"(?!data:|#)", full)


def test_every_axis_of_the_project_is_a_training_that_can_be_built(domains, measuring):
    conf = Path(__file__).resolve().parents[2] / "conf" / "base"
    files = [conf / "parameters_study.yml", *sorted((conf / "parameters_study").glob("*.yml"))]
    study = {}
    for path in files:
        study = changed(study, yaml.safe_load(path.read_text())["study"])
    settings = read_settings(StudySettings, study, "study")
    assert set(settings.ablation.axes) == set(settings.axes) == {path.stem for path in files[1:]}
    parameters = {
        name: yaml.safe_load((conf / f"parameters_{name}.yml").read_text())[name]
        for name in ("train", "triplets")
    }
    footage = {name: dataclasses.replace(domains["near"], domain=name) for name in ("near", "far")}
    plans = Planner(settings, parameters["train"], parameters["triplets"], footage, measuring)
    runs = ablation.plan(plans)
    fine_tuning.plan(plans)
    for axis, options in settings.axes.items():
        assert len({runs[axis, str(name), 0].fingerprint for name in options}) == len(options), axis
    for run in runs.values():
        if run.triplets:
            read_settings(TripletSettings, run.triplets, "triplets")
