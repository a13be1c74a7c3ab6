"""A nested MLflow run for each cell of a study."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from aerial_depth_pipeline.study.cells import Cell
from aerial_depth_pipeline.tracking.runs import active_run_id

_CELL = "study.cell"
_KEPT_PARAMETERS = ("batch_size", "accumulate", "learning_rate", "schedule", "seed", "trainable")


class CellRuns:
    """Keeps a record of cells below the run that is active when this is made.

    A cell that goes on after its study was stopped continues its run, and a cell that is finished
    keeps it; both move below the run of the study that uses them now. Nothing depends on MLflow's
    idea of an active run, since cells may run in threads.
    """

    def __init__(self) -> None:
        parent = mlflow.get_run(active_run_id())
        self._client = mlflow.MlflowClient()
        self._parent, self._experiment = parent.info.run_id, parent.info.experiment_id

    @contextmanager
    def running(self, cell: Cell) -> Iterator["_RunLogger"]:
        """The cell's run, open; it ends as FAILED if the cell does."""
        run_id = self._run_of(cell)
        try:
            yield _RunLogger(self._client, run_id)
        except BaseException as error:
            self._client.set_tag(run_id, "failure", str(error)[:5000] or type(error).__name__)
            self._client.set_terminated(run_id, "FAILED")
            raise

    def finished(self, cell: Cell, result: Mapping[str, Any], kept: bool) -> None:
        """Log what was measured at the end, and end the run; the run of a cell that was kept is
        complete already."""
        run_id = self._run_of(cell)
        end = max((row["samples"] for row in result["rows"]), default=0)
        figures = {
            f"{row['domain']}/{row['alignment']}/{row['metric']}": row["value"]
            for row in result["rows"]
            if row["samples"] == end
        }
        _RunLogger(self._client, run_id).log_metrics(
            figures | {"samples": result["samples"], "seconds": result["seconds"]}, cell.steps
        )
        if "failure" in self._client.get_run(run_id).data.tags:
            self._client.delete_tag(run_id, "failure")
        self._client.set_terminated(run_id, "FINISHED")

    def _run_of(self, cell: Cell) -> str:
        found = self._client.search_runs(
            [self._experiment], f"tags.`{_CELL}` = '{cell.fingerprint}'", max_results=1
        )
        tags = {
            MLFLOW_PARENT_RUN_ID: self._parent,
            MLFLOW_RUN_NAME: cell.label,
            _CELL: cell.fingerprint,
            "process": f"{socket.gethostname()}:{os.getpid()}",
        }
        run_id = (
            found[0].info.run_id
            if found
            else self._client.create_run(
                self._experiment, tags=tags, run_name=cell.label
            ).info.run_id
        )
        parameters = {} if found else _parameters(cell)
        self._client.log_batch(
            run_id,
            tags=[RunTag(name, value) for name, value in tags.items()],
            params=[Param(name, str(value)[:500]) for name, value in parameters.items()],
        )
        self._client.update_run(run_id, status="RUNNING")
        return run_id


def _parameters(cell: Cell) -> dict[str, Any]:
    settings = {name: getattr(cell.train, name) for name in _KEPT_PARAMETERS}
    replay = (
        ""
        if cell.replay is None
        else f"{cell.replay.triplets} triplets of {', '.join(cell.replay.domains)}"
    )
    start = "" if cell.start is None else cell.start.label
    return {
        "train_on": ", ".join(cell.train_on),
        "samples": cell.samples,
        "start": start,
        "replay": replay,
    } | settings


class _RunLogger:
    """Sends figures to one run."""

    def __init__(self, client: mlflow.MlflowClient, run_id: str) -> None:
        self._client, self._run_id = client, run_id

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log figures of a step; those that are not finite are left out."""
        finite = {
            name: float(value)
            for name, value in metrics.items()
            if abs(float(value)) < float("inf")
        }
        now = mlflow.utils.time.get_current_time_millis()
        self._client.log_batch(
            self._run_id,
            metrics=[Metric(name, value, now, step or 0) for name, value in finite.items()],
        )
