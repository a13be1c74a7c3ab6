"""Airflow DAG of the pipeline "demo" in the environment "demo": a group for each step, in it a task for each domain.

Made by kedro-airflow. Do not edit it; make it again, for instance when domains were added:

    kedro airflow create --pipelines=demo --env=demo --target-dir=deploy/airflow --jinja-file=deploy/airflow/dag.py.j2

Every task is a `kedro run` in the project's own virtual environment, whose packages need not agree with Airflow's.
"""

import os
import shlex
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, TaskGroup

PROJECT = Path(os.environ.get("AERIAL_DEPTH_PROJECT", Path(__file__).resolve().parents[2]))
KEDRO = os.environ.get("AERIAL_DEPTH_KEDRO", str(PROJECT / ".venv" / "bin" / "kedro"))

# Task: its nodes, and the tasks that come before it.
TASKS = {
    "simulate.countryside": (
        "countryside.simulate_flights",
        [],
    ),
    "simulate.town": (
        "town.simulate_flights",
        [],
    ),
    "frame_extraction.countryside": (
        "countryside.extract_frames",
        [
            "simulate.countryside",
        ],
    ),
    "frame_extraction.town": (
        "town.extract_frames",
        [
            "simulate.town",
        ],
    ),
    "ground_truth.countryside": (
        "countryside.build_ground_truth",
        [
            "frame_extraction.countryside",
        ],
    ),
    "ground_truth.town": (
        "town.build_ground_truth",
        [
            "frame_extraction.town",
        ],
    ),
    "triplets.countryside": (
        "countryside.draw_triplets,countryside.make_triplets,countryside.split_triplets",
        [
            "frame_extraction.countryside",
            "ground_truth.countryside",
        ],
    ),
    "ground_truth.all_domains": (
        "report_ground_truth",
        [
            "frame_extraction.countryside",
            "frame_extraction.town",
            "ground_truth.countryside",
            "ground_truth.town",
        ],
    ),
    "triplets.town": (
        "town.draw_triplets,town.make_triplets,town.split_triplets",
        [
            "frame_extraction.town",
            "ground_truth.town",
        ],
    ),
    "train.all_domains": (
        "train_depth_model",
        [
            "frame_extraction.countryside",
            "frame_extraction.town",
            "ground_truth.countryside",
            "ground_truth.town",
            "triplets.countryside",
            "triplets.town",
        ],
    ),
    "evaluation.all_domains": (
        "evaluate_depth_model",
        [
            "frame_extraction.countryside",
            "frame_extraction.town",
            "ground_truth.countryside",
            "ground_truth.town",
            "train.all_domains",
            "triplets.countryside",
            "triplets.town",
        ],
    ),
}

with DAG(
    dag_id="aerial_depth_pipeline_demo_demo",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,  # of one machine; more where there are several
) as dag:
    groups, tasks = {}, {}
    for task, (nodes, _) in TASKS.items():
        step, domain = task.split(".")
        if step not in groups:
            groups[step] = TaskGroup(step)
        command = [KEDRO, "run", "--env=demo", "--pipelines=demo", f"--nodes={nodes}"]
        tasks[task] = BashOperator(
            task_id=domain,
            task_group=groups[step],
            bash_command=shlex.join(command),
            cwd=str(PROJECT),
            # A night refused its challenger, or another night is still at work.
            skip_on_exit_code=[3, 75],
        )
    for task, (_, earlier) in TASKS.items():
        [tasks[name] for name in earlier] >> tasks[task]
