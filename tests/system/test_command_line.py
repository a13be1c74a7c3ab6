"""What the command line says before anything is computed."""

import re
import subprocess
import sys
import tarfile

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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a%20b", "a?b", "it's [one] #ü"])
def test_a_project_in_a_folder_of_any_name(new_project, tmp_path, name) -> None:
    project = new_project(f"all/{name}")
    output = project.kedro("run", "--pipelines=frame_extraction", succeed=False)
    assert "no footage" in output and "Traceback" not in output
    assert (project.folder / "mlflow.db").is_file()
    assert [path.name for path in (tmp_path / "all").iterdir() if path.is_dir()] == [name]


@pytest.mark.slow
def test_a_project_in_a_folder_with_curly_brackets_is_refused(new_project) -> None:
    output = new_project("a{b}").kedro("run", succeed=False)
    assert "Traceback" not in output and "curly brackets" in output


@pytest.mark.slow
def test_commands_from_a_subfolder_work_in_the_project(new_project) -> None:
    project = new_project()
    (project.folder / "notebooks").mkdir()
    command = [sys.executable, "-m", "kedro", "run", "--pipelines=frame_extraction"]
    done = subprocess.run(
        command,
        cwd=project.folder / "notebooks",
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "Error: There is no footage" in done.stderr, done.stderr
    assert not list((project.folder / "notebooks").iterdir())
    assert "Add type hints" not in done.stdout + done.stderr


@pytest.mark.slow
def test_runs_that_start_at_once_share_a_new_store(new_project) -> None:
    project = new_project()
    runs = [project.start("run", "--pipelines=frame_extraction") for _ in range(3)]
    for run in runs:
        output, _ = run.communicate(timeout=200)
        assert "Traceback" not in output
        assert "no footage" in output or "already under way in process" in output, output


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--async", "--runner-params=is_async=True"])
def test_loading_asynchronously_is_refused(new_project, option) -> None:
    output = new_project().kedro("run", option, succeed=False)
    assert "Traceback" not in output and "Run the same command without it" in output


@pytest.mark.slow
def test_the_packaged_project_runs_with_a_configuration_from_elsewhere(
    new_project, tmp_path
) -> None:
    project = new_project()
    with tarfile.open(tmp_path / "conf.tar.gz", "w:gz") as archive:
        archive.add(project.folder / "conf", "conf")
    (tmp_path / "elsewhere").mkdir()
    start = [sys.executable, "-m", "aerial_depth_pipeline", "--pipelines=frame_extraction"]

    def run(*options: str) -> str:
        done = subprocess.run(
            [*start, *options],
            cwd=tmp_path / "elsewhere",
            env=project.environment() | {"PYTHONPATH": str(project.folder / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stderr

    assert "Error: There is no configuration at" in run()
    assert "Error: There is no footage" in run(f"--conf-source={tmp_path / 'conf.tar.gz'}")
    assert (tmp_path / "elsewhere" / "mlflow.db").is_file()


@pytest.mark.slow
def test_kedro_viz_shows_layers(new_project) -> None:
    project = new_project()
    project.configure("local", ["town", "woods"], {})
    layers = project.python(
        "from pathlib import Path\n"
        "from kedro_viz.server import load_and_populate_data\n"
        "load_and_populate_data(Path.cwd())\n"
        "from kedro_viz.data_access import data_access_manager as data\n"
        "print(data.get_sorted_layers_for_registered_pipeline('__default__'))\n"
    ).splitlines()[-1]
    order = [layers.find(name) for name in ("01_raw", "02_in", "03_pr", "05_mo", "06_mo", "08_re")]
    assert order == sorted(order) and order[0] > 0, layers
