"""A run that is killed at any moment completes when it is started again, with the same tables."""

import os
import signal
import time
from pathlib import Path

import pytest

from .conftest import SMALL

pytestmark = pytest.mark.slow


def wait_for(process, condition, seconds: float = 600) -> bool:
    """Wait until a condition holds; False if the process ended first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    raise AssertionError("nothing happened in time")


def test_five_kills(finished_project, new_project) -> None:
    undisturbed = finished_project.folder / "data"
    project = new_project()
    project.configure("small", ["town"], SMALL, raw=str(undisturbed / "01_raw"))
    data = project.folder / "data"
    truth, triplets, models = (
        data / "03_primary" / "town",
        data / "05_model_input" / "town",
        data / "06_models",
    )

    def newer(path: Path, than: float) -> bool:
        return path.exists() and path.stat().st_mtime > than

    started = time.time()
    moments = {
        "while frames are written": (data / ".work" / "frame_extraction" / "town").is_dir,
        "while the first scene is reconstructed": lambda: any(
            (data / ".work" / "ground_truth" / "town").glob("*/scratch/*")
        ),
        "between scenes of ground truth": (truth / "town_a" / "ground_truth.json").exists,
        "while triplets are written": (triplets / "town_a").is_dir,
        "during training": lambda: newer(models / "checkpoints" / "last.pt", started),
    }
    for moment, reached in moments.items():
        process = project.start("run", "--env=small")
        assert wait_for(process, reached), f"{moment}: {process.communicate()[0][-4000:]}"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, moment
    output = project.kedro("run", "--env=small")
    assert "Training continues at step" in output
    for name in ("evaluation.csv", "evaluation_per_image.csv"):
        assert (data / "08_reporting" / name).read_bytes() == (
            undisturbed / "08_reporting" / name
        ).read_bytes(), name
    for name in ("train.txt", "val.txt", "test.txt"):
        assert (triplets / name).read_bytes() == (
            undisturbed / "05_model_input" / "town" / name
        ).read_bytes(), name

    import mlflow

    runs = mlflow.MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}").search_runs(["1"])
    assert sorted(run.info.status for run in runs) == ["FAILED"] * 5 + ["FINISHED"]


def test_ctrl_c_marks_the_run_failed(finished_project, new_project) -> None:
    import mlflow

    project = new_project()
    project.configure(
        "small", ["town"], SMALL, raw=str(finished_project.folder / "data" / "01_raw")
    )
    process = project.start("run", "--env=small", "--pipelines=frame_extraction,ground_truth")
    assert wait_for(process, (project.folder / "data" / ".work" / "ground_truth").is_dir)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode != 0
    runs = mlflow.MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}").search_runs(["1"])
    assert [run.info.status for run in runs] == ["FAILED"]
