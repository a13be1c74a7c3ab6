"""The Airflow DAG is what kedro-airflow makes of the pipelines, and Airflow runs it.

Airflow has an environment of its own (`make airflow`), since it dictates versions of packages that
the project uses too; where there is none, the test that needs it is skipped.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import REPOSITORY

pytestmark = pytest.mark.slow

KEPT = REPOSITORY / "deploy" / "airflow"
AIRFLOW = Path(
    os.environ.get("AERIAL_DEPTH_AIRFLOW", REPOSITORY / ".venv-airflow" / "bin" / "airflow")
)


def make_dag(project, env: str, pipeline: str) -> Path:
    project.kedro(
        "airflow",
        "create",
        f"--pipelines={pipeline}",
        f"--env={env}",
        "--target-dir=deploy/airflow",
        f"--jinja-file={KEPT / 'dag.py.j2'}",
    )
    (path,) = (project.folder / "deploy" / "airflow").glob("*.py")
    return path


def tasks_of(path: Path) -> dict[str, tuple[str, list[str]]]:
    assignments = [
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)
    ]
    return next(
        ast.literal_eval(node.value) for node in assignments if node.targets[0].id == "TASKS"
    )


def test_the_dag_in_the_repository_is_the_one_that_the_command_makes(new_project) -> None:
    made = make_dag(new_project(), "demo", "demo")
    kept = KEPT / made.name
    assert kept.read_text() == made.read_text(), "make it again with the command in its first lines"
    tasks = tasks_of(kept)
    steps = {"simulate", "frame_extraction", "ground_truth", "triplets"}
    assert set(tasks) == {
        f"{step}.{domain}" for step in steps for domain in ("town", "countryside")
    } | {"ground_truth.all_domains", "train.all_domains", "evaluation.all_domains"}
    assert tasks["triplets.town"][1] == [
        "frame_extraction.town",
        "ground_truth.town",
    ]  # no other domain's
    assert "train.all_domains" in tasks["evaluation.all_domains"][1]


def test_airflow_imports_the_dag_and_runs_it(finished_project, tmp_path) -> None:
    if not AIRFLOW.is_file():
        pytest.skip(f"Airflow is not there ({AIRFLOW}); 'make airflow' installs it")
    dag = make_dag(finished_project, "small", "demo")
    environment = finished_project.environment() | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dag.parent),
        "AERIAL_DEPTH_KEDRO": str(Path(sys.executable).with_name("kedro")),
    }

    def airflow(*arguments: str) -> str:
        done = subprocess.run(
            [AIRFLOW, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
        return done.stdout

    airflow("db", "migrate")
    # Warnings stand before the last line.
    assert (
        json.loads(
            airflow("dags", "list-import-errors", "--local", "--output=json").splitlines()[-1]
        )
        == []
    )
    (listed,) = json.loads(airflow("dags", "list", "--local", "--output=json").splitlines()[-1])
    assert listed["dag_id"] == "aerial_depth_pipeline_demo_small"
    table = finished_project.folder / "data" / "08_reporting" / "evaluation.csv"
    before = table.read_text()
    table.unlink()
    airflow("dags", "test", listed["dag_id"])
    assert table.read_text() == before  # the same data, settings and seeds
