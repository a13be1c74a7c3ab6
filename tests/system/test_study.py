"""The study on two simulated domains: stopped in the middle and gone on, with one failing cell, its
tables, its page, its runs."""

import os
import re
import signal
from collections.abc import Iterator

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from .conftest import REPOSITORY, SMALL, Project
from .test_killed import wait_for

pytestmark = pytest.mark.slow

FLIGHT = {"frames": 16, "width": 192, "height": 112, "depth_every": 2}
STUDY = {
    "seeds": [0],
    "samples": 24,
    "test_frames": 4,
    "train": {
        "network": {"encoder": "test_resnet", "decoder_channels": [8, 8, 16, 16, 32], "scales": 1},
        "batch_size": 4,
        "checkpoint_every": 2,
        "watchdog": {"enabled": False},
    },
    "fine_tuning": {
        "samples": 16,
        "points": [8],
        "methods": ["full", "low_rank"],
        "replay_triplets": 4,
        "online": ["full"],
    },
    "ablation": {"axes": ["spacing"], "train_on": ["town"], "samples": 12},
    "axes": {
        "spacing": {
            "default": {},
            "2 frames": {"triplets": {"frame_offset": 2}},
            "far too wide": {"triplets": {"frame_offset": 12}},
            "few": {"training_triplets": 3},
        }
    },
}


def flights(world: str) -> dict:
    return {
        f"{world}_{name}": {"world": world, "world_seed": seed, "seed": seed, **FLIGHT}
        for seed, name in enumerate(("a", "b"))
    }


@pytest.fixture(scope="module")
def studied(tmp_path_factory) -> Iterator[Project]:
    """A project whose study was killed while runs were computed, and started again."""
    project = Project(tmp_path_factory.mktemp("study") / "project")
    split = {"by": "scene", "val": 0.0, "test": 0.0, "test_scenes": ["town_b", "countryside_b"]}
    parameters = {
        "frame_extraction": SMALL["frame_extraction"],
        "triplets": SMALL["triplets"] | {"split": split},
        "train": SMALL["train"],
        "simulate": {"town": flights("town"), "countryside": flights("countryside")},
        "study": STUDY,
    }
    project.configure("small", ["town", "countryside"], parameters)
    project.kedro("run", "--env=small", "--pipelines=simulate,frame_extraction,triplets")
    cells = project.folder / "data" / ".work" / "study" / "cells"
    process = project.start("run", "--env=small", "--pipelines=study")
    assert wait_for(process, lambda: len(list(cells.glob("*/result.json"))) >= 2), (
        process.communicate()[0][-6000:]
    )
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    project.finished_before = {
        path: path.stat().st_mtime_ns for path in cells.glob("*/result.json")
    }
    project.output = project.kedro("run", "--env=small", "--pipelines=study")
    yield project


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.folder / "data" / "08_reporting" / "study" / f"{name}.csv")


def test_it_says_beforehand_what_it_does_and_goes_on_with_the_missing_runs(studied) -> None:
    runs, finished = map(
        int,
        re.search(r"Study: (\d+) runs, (\d+) of them finished already", studied.output).groups(),
    )
    assert runs == 13 and finished == len(studied.finished_before) >= 2
    assert re.search(r"Run \d+ of \d+, .*, is done, \d+ s of training", studied.output)
    assert all(
        path.stat().st_mtime_ns == before for path, before in studied.finished_before.items()
    )


def test_the_tables_keep_the_contract(studied) -> None:
    matrix = table(studied, "generalization")
    assert list(matrix) == ["train_domain", "test_domain", "seed", "alignment", "metric", "value"]
    assert {(a, b) for a, b in zip(matrix["train_domain"], matrix["test_domain"], strict=True)} == {
        (a, b) for a in ("town", "countryside", "all") for b in ("town", "countryside")
    }
    tuning = table(studied, "fine_tuning")
    assert list(tuning) == [
        "method",
        "replay",
        "seed",
        "samples",
        "seconds",
        "domain",
        "role",
        "metric",
        "value",
    ]
    assert set(tuning["method"]) == {"base", "in_domain", "full", "low_rank", "online_full"}
    assert set(zip(tuning["domain"], tuning["role"], strict=True)) == {
        ("countryside", "new"),
        ("town", "old"),
    }
    assert set(tuning.loc[tuning["method"] == "full", "samples"]) == {0, 8, 16}
    start = tuning[(tuning["method"] == "low_rank") & (tuning["samples"] == 0) & tuning["replay"]]
    base = tuning[tuning["method"] == "base"]
    assert list(start["value"]) == list(base["value"])
    ablation = table(studied, "ablation")
    assert list(ablation) == ["axis", "setting", "seed", "domain", "alignment", "metric", "value"]
    assert set(ablation["setting"]) == {"default", "2 frames", "few"}
    assert ablation.groupby("setting")["value"].mean().nunique() == 3


def test_a_failed_cell_is_shown_as_failed_and_the_rest_stands(studied) -> None:
    cells = table(studied, "ablation_cells").set_index("cell")
    assert cells.loc["spacing far too wide, seed 0", "status"] == "failed"
    assert (
        "far too wide"
        in (studied.folder / "data" / "08_reporting" / "study" / "study.html").read_text()
    )
    assert list(cells["status"]).count("ok") == 3
    assert set(table(studied, "generalization_cells")["status"]) == {"ok"}


def test_the_page_holds_everything_and_loads_nothing(studied) -> None:
    page = (studied.folder / "data" / "08_reporting" / "study" / "study.html").read_text()
    for title in ("Conclusions", "Generalization", "Fine-tuning", "Ablation", "Runs"):
        assert f">{title}</h2>" in page
    assert page.count("data:image/png") == 4
    assert not re.search(r"(src|href)=\"(?!data:|#)", page) and "://" not in page


def test_every_run_is_a_nested_run_of_the_last_study(studied) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{studied.folder / 'mlflow.db'}")
    runs = client.search_runs(["1"], order_by=["attributes.start_time"])
    parents = [run for run in runs if run.info.run_name == "study (small)"]
    assert [run.info.status for run in parents] == ["FAILED", "FINISHED"]
    nested = [
        run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[-1].info.run_id
    ]
    by_name = {run.info.run_name: run for run in nested}
    assert len(nested) == len(by_name) == 13
    failed = by_name.pop("spacing far too wide, seed 0")
    assert failed.info.status == "FAILED" and failed.data.tags["failure"]
    assert {run.info.status for run in by_name.values()} == {"FINISHED"}
    assert "countryside/median_per_image/abs_rel" in by_name["train on town, seed 0"].data.metrics
    assert "train/total" in by_name["full with replay on countryside, seed 0"].data.metrics


def test_the_notebook_draws_the_figures_again(studied, monkeypatch) -> None:
    path = REPOSITORY / "notebooks" / "read_the_study.ipynb"
    monkeypatch.setenv("AERIAL_DEPTH_PROJECT", str(studied.folder))
    monkeypatch.setenv("KEDRO_ENV", "small")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    assert any("failed" in output.get("data", {}).get("text/plain", "") for output in outputs)
