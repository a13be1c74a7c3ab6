"""What the command line says before anything is computed."""

import re
import subprocess
import sys

import pytest

from .conftest import REPOSITORY

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


def test_no_footage_gets_a_friendly_sentence(new_project) -> None:
    output = new_project().kedro("run", succeed=False)
    assert "Traceback" not in output
    assert (
        "data/01_raw/<domain>/<scene>/video.mp4" in output
        and "make demo" in output
        and "globals.yml" in output
    )


def test_unknown_parameter_names_the_closest(new_project) -> None:
    project = new_project()
    output = project.kedro("run", "--params=train.batchsize=4", succeed=False)
    assert "Traceback" not in output
    assert "train.batchsize" in output and "train.batch_size" in output


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


def test_only_the_rooms_that_may_import_kedro_and_mlflow() -> None:
    allowed = re.compile(
        r"src/aerial_depth_pipeline/(pipelines/|datasets/|tracking/|settings\.py|pipeline_registry\.py|hooks\.py)"
    )
    offending = []
    for path in (REPOSITORY / "src").rglob("*.py"):
        name = path.relative_to(REPOSITORY).as_posix()
        if not allowed.match(name) and re.search(r"(import|from) (kedro|mlflow)", path.read_text()):
            offending.append(name)
    assert offending == []


MAY_USE = {
    "geometry": set(),
    "formats": {"geometry"},
    "reporting": set(),
    "simulation": {"formats", "geometry"},
    "capture": {"formats", "geometry"},
    "triplets": {"capture", "formats", "geometry"},
    "sfm": {"formats", "geometry"},
    "mvs": {"sfm", "reporting", "formats", "geometry"},
    "networks": {"geometry"},
    "training": {"networks", "formats", "reporting", "geometry"},
    "prediction": {"networks", "capture", "formats", "reporting", "geometry"},
    "evaluation": {"networks", "mvs", "sfm", "formats", "reporting", "geometry"},
    "retraining": {
        "training",
        "evaluation",
        "networks",
        "triplets",
        "capture",
        "formats",
        "reporting",
        "geometry",
    },
    "study": {"training", "evaluation", "networks", "formats", "reporting", "geometry"},
}
ROOMS = list(MAY_USE)


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_between_rooms_point_down(room) -> None:
    found = set()
    for path in (REPOSITORY / "src" / "aerial_depth_pipeline" / room).rglob("*.py"):
        found |= set(
            re.findall(r"^\s*(?:from|import) aerial_depth_pipeline\.(\w+)", path.read_text(), re.M)
        )
    others = {"pipelines", "datasets", "hooks", "settings", "pipeline_registry", *ROOMS} - {room}
    assert found & others <= MAY_USE[room]
    if room == "geometry":
        assert found <= {"geometry"}
