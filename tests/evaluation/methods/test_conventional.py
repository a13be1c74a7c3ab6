"""Conventional methods beside an exact reference: computed where they are missing, each with its
own coverage."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from tests.worlds.evaluation_scenes import write_depth

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.methods import conventional
from aerial_depth_pipeline.evaluation.methods.conventional import conventional_methods
from aerial_depth_pipeline.evaluation.methods.method import Frame, PredictionError
from aerial_depth_pipeline.evaluation.references import find_references
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.formats.depth_maps import read_depth

SETTINGS = EvaluationSettings(bootstrap_samples=0, size=[40, 24])


def value(table, method, metric, column="value"):
    rows = table[
        (table["contestant"] == method) & (table["metric"] == metric) & (table["scene"] == "all")
    ]
    return rows[rows["alignment"] == "none"][column].item()


def test_every_method_is_computed_and_stands_in_the_table_with_its_coverage(
    reconstructed_ground, tmp_path
):
    test = {"flight": reconstructed_ground}
    others = conventional_methods(test, SETTINGS, tmp_path)
    assert [other.name for other in others] == [
        "colmap_sparse",
        "plane_sweep",
        "sgbm",
    ]  # patch_match needs CUDA
    measured = measure(None, test, {}, "town", SETTINGS, others)
    assert value(measured.table, "colmap_sparse", "abs_rel", "coverage") < 0.05
    for name in ("plane_sweep", "sgbm"):
        assert value(measured.table, name, "abs_rel") < 0.02, name
        assert 0.3 < value(measured.table, name, "abs_rel", "coverage") < 1, name
        assert value(measured.table, name, "abs_rel", "images") == 5
        bins = set(
            measured.breakdowns.query(
                f"breakdown == 'matching_{name}' and contestant == 'constant'"
            )["bin"]
        )
        assert bins == {f"{name} has depth", f"{name} has none"}
    assert measured.problems.empty  # holes are expected of them


def test_the_plane_is_compared_on_the_pixels_that_a_method_answers(reconstructed_ground, tmp_path):
    measured = measure(
        None,
        {"flight": reconstructed_ground},
        {},
        "town",
        SETTINGS,
        conventional_methods(
            {"flight": reconstructed_ground},
            SETTINGS.model_copy(update={"conventional": ["colmap_sparse"]}),
            tmp_path,
        ),
    )
    rows = measured.per_image.query(
        "contestant == 'colmap_sparse' and alignment == 'median_per_image'"
    )
    expected = 1 - rows["abs_rel"].mean() / rows["plane_abs_rel"].mean()
    skill = measured.table.query(
        "contestant == 'colmap_sparse' and alignment == 'median_per_image' and metric =="
        " 'skill_over_plane' and scene == 'all'"
    )
    assert skill["value"].item() == pytest.approx(expected)


def test_frames_beyond_the_limit_are_left_out_by_name(reconstructed_ground, tmp_path):
    settings = SETTINGS.model_copy(update={"conventional": ["sgbm"], "conventional_frames": 2})
    test = {"flight": reconstructed_ground}
    measured = measure(
        None, test, {}, "town", settings, conventional_methods(test, settings, tmp_path)
    )
    assert measured.problems[["contestant", "frame", "problem"]].values.tolist() == [
        ["sgbm", frame, "left out"] for frame in (10, 20, 30)
    ]
    assert (
        value(measured.table, "sgbm", "images_left_out") == 3
        and value(measured.table, "sgbm", "abs_rel", "images") == 2
    )


@pytest.fixture
def scene_with_sweep(reconstructed_ground, tmp_path):
    """The scene again, with a `depth/` of plane sweep that is 10 % too far and empty on the
    right."""
    root = reconstructed_ground[0].scene_folder.parent
    shutil.copytree(root, tmp_path / "copy")
    truth = tmp_path / "copy" / "truth"
    for reference in reconstructed_ground:
        half = 1.1 * read_depth(reference.depth)
        half[:, 72:] = 0
        write_depth(truth / "depth" / f"{reference.frame:06d}.tiff", half.astype(np.float32))
    (truth / "ground_truth.json").write_text(json.dumps({"backend": "plane_sweep", "metric": True}))
    return find_references(tmp_path / "copy" / "flight", truth)


def test_depth_that_ground_truth_made_is_used_again(scene_with_sweep, tmp_path):
    settings = SETTINGS.model_copy(
        update={"conventional": ["plane_sweep"], "conventional_frames": 1}
    )
    others = conventional_methods({"flight": scene_with_sweep}, settings, tmp_path)
    measured = measure(None, {"flight": scene_with_sweep}, {}, "town", settings, others)
    assert value(measured.table, "plane_sweep", "abs_rel") == pytest.approx(0.1, rel=1e-4)
    assert value(measured.table, "plane_sweep", "abs_rel", "coverage") == pytest.approx(0.5)
    assert value(measured.table, "plane_sweep", "abs_rel", "images") == 5


def test_patch_match_takes_part_where_it_can_run(scene_with_sweep, tmp_path, monkeypatch):
    (scene_with_sweep[0].ground_truth / "ground_truth.json").write_text(
        json.dumps({"backend": "patch_match"})
    )
    settings = SETTINGS.model_copy(update={"conventional": ["patch_match"]})
    assert conventional_methods({"flight": scene_with_sweep}, settings, tmp_path) == []
    monkeypatch.setattr(conventional, "why_not_here", lambda name: "")
    (method,) = conventional_methods({"flight": scene_with_sweep}, settings, tmp_path)
    assert (
        method.name == "patch_match"
        and (method.predict(Frame("flight", scene_with_sweep[0])) > 0).mean() == 0.5
    )


def test_frames_that_were_not_registered_are_missing(reconstructed_ground, tmp_path):
    (method,) = conventional_methods(
        {"flight": reconstructed_ground},
        SETTINGS.model_copy(update={"conventional": ["sgbm"]}),
        tmp_path,
    )
    with pytest.raises(PredictionError, match="was not registered"):
        method.predict(Frame("flight", replace(reconstructed_ground[0], frame=7)))
    with pytest.raises(PredictionError, match="no structure from motion"):
        method.predict(Frame("elsewhere", reconstructed_ground[0]))


def test_matching_is_not_measured_against_itself(scene_with_sweep, tmp_path):
    for reference in scene_with_sweep:
        reference.depth.unlink()
    found = find_references(scene_with_sweep[0].scene_folder, scene_with_sweep[0].ground_truth)
    assert {reference.kind for reference in found} == {"plane_sweep"}
    assert conventional_methods({"flight": found}, SETTINGS, tmp_path) == []
