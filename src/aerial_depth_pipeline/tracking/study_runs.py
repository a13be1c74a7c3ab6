"""A nested MLflow run for each run of a study."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import mlflow
from mlflow.entities import Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from aerial_depth_pipeline.study.planning import last_rows
from aerial_depth_pipeline.study.run import Run
from aerial_depth_pipeline.study.run_study import FunctionLogger
from aerial_depth_pipeline.tracking.runs import log_metrics

_TAG = "study.cell"
_KEPT_PARAMETERS = ("batch_size", "accumulate", "learning_rate", "schedule", "seed", "trainable")


class StudyRuns:
    """Keeps a record of runs below the run that is active when this is made.

    A run that goes on after its study was stopped continues its MLflow run, a finished one keeps
    it; both move below the run of the study that uses them now. Nothing depends on MLflow's
    idea of an active run, since runs may run in threads.
    """

    def __init__(self) -> None:
        parent = mlflow.active_run()
        assert parent is not None
        self._client = mlflow.MlflowClient()
        self._parent, self._experiment = parent.info.run_id, parent.info.experiment_id

    @contextmanager
    def running(self, run: Run) -> Iterator[FunctionLogger]:
        """The MLflow run of a run, open; it ends as FAILED if the run does."""
        run_id = self._mlflow_run(run)
        try:
            yield FunctionLogger(partial(log_metrics, run_id=run_id))
        except BaseException as error:
            self._client.set_tag(run_id, "failure", str(error)[:5000] or type(error).__name__)
            self._client.set_terminated(run_id, "FAILED")
            raise

    def finished(self, run: Run, result: Mapping[str, Any]) -> None:
        """Log what was measured at the end, and end the run."""
        run_id = self._mlflow_run(run)
        figures = {
            f"{row['domain']}/{row['alignment']}/{row['metric']}": row["value"]
            for row in last_rows(result)
        }
        spent = {name: result[name] for name in ("samples", "seconds")}
        log_metrics(figures | spent, run.steps, run_id)
        if "failure" in self._client.get_run(run_id).data.tags:
            self._client.delete_tag(run_id, "failure")
        self._client.set_terminated(run_id, "FINISHED")

    def _mlflow_run(self, run: Run) -> str:
        found = self._client.search_runs(
            [self._experiment], f"tags.`{_TAG}` = '{run.fingerprint}'", max_results=1
        )
        tags = {
            MLFLOW_PARENT_RUN_ID: self._parent,
            MLFLOW_RUN_NAME: run.label,
            _TAG: run.fingerprint,
            "process": f"{socket.gethostname()}:{os.getpid()}",
        }
        replay = run.replay
        about = {
            "train_on": ", ".join(run.train_on),
            "samples": run.samples,
            "start": run.start.label if run.start else "",
            "replay": "",
        }
        if replay is not None:
            about["replay"] = f"{replay.triplets} triplets of {', '.join(replay.domains)}"
        about |= {name: getattr(run.train, name) for name in _KEPT_PARAMETERS}
        known = found or [self._client.create_run(self._experiment, None, tags, run.label)]
        run_id = known[0].info.run_id
        self._client.log_batch(
            run_id,
            tags=[RunTag(name, value) for name, value in tags.items()],
            # MLflow refuses to change a parameter: an earlier study has logged them.
            params=[] if found else [Param(k, str(value)[:500]) for k, value in about.items()],
        )
        self._client.update_run(run_id, status="RUNNING")
        return run_id
