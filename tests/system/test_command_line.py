"""What the command line says before anything is computed."""

import re
import subprocess
import sys

import pytest

FORBIDDEN = ("torch", "lightning", "mlflow.server", "pycolmap", "cv2", "timm", "trimesh")


def test_registry_list_imports_nothing_heavy(new_project) -> None:
    script = (
        "import sys, runpy\n"
        "sys.argv = ['kedro', 'registry', 'list']\n"
        "try:\n    runpy.run_module('kedro', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        f"print('LOADED', [name for name in {FORBIDDEN!r} if name in sys.modules])\n"
    )
    project = new_project()
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "LOADED []" in done.stdout, done.stdout + done.stderr
    steps = (
        "frame_extraction",
        "ground_truth",
        "triplets",
        "train",
        "evaluation",
        "predict",
        "export",
        "simulate",
        "nightly",
        "rollback",
    )
    for name in ("__default__", "demo", "prepare", *steps):
        assert re.search(rf"^- {name}$", done.stdout, re.M), done.stdout


@pytest.mark.slow
def test_no_footage_gets_a_friendly_sentence(new_project) -> None:
    output = new_project().kedro("run", succeed=False)
    assert "Traceback" not in output
    assert (
        "data/01_raw/<domain>/<scene>/video.mp4" in output
        and "make demo" in output
        and "globals.yml" in output
    )


@pytest.mark.slow
def test_unknown_parameter_names_the_closest(new_project) -> None:
    project = new_project()
    output = project.kedro("run", "--params=train.batchsize=4", succeed=False)
    assert "Traceback" not in output
    assert "train.batchsize" in output and "train.batch_size" in output


@pytest.mark.slow
def test_bad_domain_names_are_refused(new_project) -> None:
    project = new_project()
    project.configure("bad", ["../../etc"], {})
    output = project.kedro("run", "--env=bad", succeed=False)
    assert "Traceback" not in output and "'../../etc'" in output


@pytest.mark.slow
def test_training_without_triplets_says_what_to_do(new_project) -> None:
    output = new_project().kedro("run", "--pipeline=train", succeed=False)
    assert "Traceback" not in output and "--pipelines=prepare" in output


@pytest.mark.slow
def test_a_failed_run_is_marked_failed(new_project) -> None:
    import mlflow

    project = new_project()
    project.kedro("run", "--pipelines=train", succeed=False)
    runs = mlflow.MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}").search_runs(["1"])
    assert [(run.info.status, run.info.run_name) for run in runs] == [("FAILED", "train")]
    assert "no triplets" in runs[0].data.tags["failure"]
