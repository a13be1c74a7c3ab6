"""Runs: what decides on them, what they train on, and that they go on where they were stopped."""

import dataclasses
import json

import pandas as pd
import pytest
from tests.study.conftest import TRAIN

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.study.compute_run import MODEL, compute_run
from aerial_depth_pipeline.study.run import Replay, Run, changed, train_settings
from aerial_depth_pipeline.study.training_lists import select


def run(*train_on: str, **options) -> Run:
    train = train_settings(changed(TRAIN, options.pop("train", {})), options.pop("seed", 0))
    return Run("a run", train_on, train, **({"samples": 8, "data": "data"} | options))


def test_a_fingerprint_follows_what_decides_on_the_result():
    plain = run("near")
    assert dataclasses.replace(plain, label="another name").fingerprint == plain.fingerprint
    assert run("near", train={"log_every": 7}).fingerprint == plain.fingerprint
    others = [
        run("far"),
        run("near", seed=1),
        run("near", samples=10),
        run("near", data="other"),
        run("near", train={"loss": {"smoothness": 0.1}}),
        run("near", start=run("far")),
        run("near", start=run("far", seed=1)),
        run("near", replay=Replay(("far",), 4, 0.5)),
        run("near", triplets={"frame_offset": 3}),
        run("near", training_triplets=3),
    ]
    assert len({c.fingerprint for c in [plain, *others]}) == len(others) + 1


def lines(folder):
    return [tuple(line.split()) for line in (folder / "train.txt").read_text().splitlines()]


def test_a_selection_joins_domains_and_finds_pictures_and_poses(domains, tmp_path):
    new = select(run("near", "far"), domains, domains, tmp_path / "s")
    assert len(new) == 12 == len(lines(tmp_path / "s"))
    for scene, frame in lines(tmp_path / "s"):
        assert (tmp_path / "s" / scene / f"{frame}.jpg").is_file()
    poses = pd.read_parquet(tmp_path / "s" / "poses.parquet")
    assert set(zip(poses["scene"], poses["frame"], strict=True)) == set(new)


def test_a_learning_curve_takes_triplets_from_the_whole_flight(domains, tmp_path):
    chosen = select(run("near", training_triplets=3), domains, domains, tmp_path / "s")
    assert [frame for _, frame in chosen] == [1, 4, 6] or [frame for _, frame in chosen] == [
        1,
        3,
        6,
    ]


def test_no_triplet_reaches_into_the_time_of_the_test_frames(domains, tmp_path):
    held_out = {"near": dataclasses.replace(domains["near"], test=[("world_1", 4), ("world_1", 5)])}
    chosen = select(run("near"), domains, held_out, tmp_path / "s")
    assert [frame for _, frame in chosen] == [1, 2]  # 3 has 4 as its source, 6 has 5
    everything = {
        "near": dataclasses.replace(domains["near"], test=[("world_1", 1), ("world_1", 6)])
    }
    with pytest.raises(UserError, match="no triplet to train on in near"):
        select(run("near"), domains, everything, tmp_path / "s")


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_replay_fills_batches_with_a_buffer_of_old_triplets(domains, share, tmp_path):
    replaying = run("near", replay=Replay(("far",), 2, share))
    assert {scene for scene, _ in select(replaying, domains, domains, tmp_path / "s")} == {
        "near/world_1"
    }
    old = [line for line in lines(tmp_path / "s") if line[0].startswith("far/")]
    assert len(set(old)) == 2
    assert len(old) / len(lines(tmp_path / "s")) == pytest.approx(share, abs=0.1)
    select(replaying, domains, domains, tmp_path / "again")
    assert lines(tmp_path / "again") == lines(tmp_path / "s")


def test_an_online_selection_keeps_the_order_of_time(domains, tmp_path):
    select(run("near", online_repeats=2), domains, domains, tmp_path / "s")
    assert [int(frame) for _, frame in lines(tmp_path / "s")] == [
        1,
        2,
        1,
        2,
        3,
        4,
        3,
        4,
        5,
        6,
        5,
        6,
    ]
    select(
        run("near", online_repeats=1, replay=Replay(("far",), 3, 0.5)),
        domains,
        domains,
        tmp_path / "s",
    )
    found = lines(tmp_path / "s")
    assert [int(frame) for scene, frame in found if scene == "near/world_1"] == [1, 2, 3, 4, 5, 6]
    assert [scene.split("/")[0] for scene, _ in found] == ["near", "far"] * 6


@pytest.fixture(scope="module")
def base(domains, measuring, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    return folder, compute_run(run("near"), domains, domains, measuring, folder)


def test_a_run_leaves_a_model_its_figures_and_nothing_else(base):
    folder, result = base
    assert sorted(path.name for path in folder.iterdir()) == ["model", "result.json"]
    assert json.loads((folder / "result.json").read_text()) == result
    assert {(row["domain"], row["metric"]) for row in result["rows"]} == {
        (d, m) for d in ("near", "far") for m in ("abs_rel", "delta_1.25")
    }
    assert all(0 < row["value"] < 5 and row["samples"] == 8 for row in result["rows"])
    assert result["seconds"] > 0 and result["triplets"] == 6
    assert DepthModel.load(folder / MODEL).metadata["domains"] == ["near"]


def test_a_curve_begins_with_the_model_it_starts_from(base, domains, measuring, tmp_path):
    tuned = run("far", start=run("near"), points=(2, 6), samples=10)
    result = compute_run(tuned, domains, domains, measuring, tmp_path, base[0] / MODEL)
    assert sorted({row["samples"] for row in result["rows"]}) == [0, 2, 6, 10]
    at = {
        s: {(r["domain"], r["metric"]): r["value"] for r in result["rows"] if r["samples"] == s}
        for s in (0, 10)
    }
    assert at[0] == {(row["domain"], row["metric"]): row["value"] for row in base[1]["rows"]}
    assert at[10] != at[0]
    seconds = [row["seconds"] for row in result["rows"]]
    assert seconds[0] == 0 and seconds == sorted(seconds)


def test_online_every_frame_is_measured_before_it_is_learned_from(
    base, domains, measuring, tmp_path
):
    online = run(
        "far", start=run("near"), online_repeats=1, train={"learning_rate": 1e-2}
    )  # a step that shows in every digit
    result = compute_run(online, domains, domains, measuring, tmp_path, base[0] / MODEL)
    assert [row["frame"] for row in result["frames"]] == [1, 2, 3, 4, 5, 6]
    assert all(row["abs_rel"] == row["base_abs_rel"] for row in result["frames"][:2])
    assert all(row["abs_rel"] != row["base_abs_rel"] for row in result["frames"][2:])
    assert result["samples"] == 6


class Stop(Exception):
    pass


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_result(base, domains, measuring, tmp_path):
    tuned = run("far", start=run("near"), points=(4, 8), samples=12)

    class Stopping:
        def log_metrics(self, metrics, step):
            if step == 5:
                raise Stop

    undisturbed = compute_run(tuned, domains, domains, measuring, tmp_path / "a", base[0] / MODEL)
    with pytest.raises(Stop):
        compute_run(tuned, domains, domains, measuring, tmp_path / "b", base[0] / MODEL, Stopping())
    steps = []

    class Noting:
        def log_metrics(self, metrics, step):
            steps.append(step)

    resumed = compute_run(
        tuned, domains, domains, measuring, tmp_path / "b", base[0] / MODEL, Noting()
    )
    assert min(steps) == 5  # the last checkpoint is of step 4

    def figures(result):
        return [(r["samples"], r["domain"], r["metric"], r["value"]) for r in result["rows"]]

    assert figures(resumed) == figures(undisturbed)
