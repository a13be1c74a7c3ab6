"""What happens around every run: clear errors, checked parameters, an honest MLflow run, and a
summary at the end."""

import atexit
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import click
from kedro.framework.hooks import hook_impl

from aerial_depth_pipeline.errors import UserError, user_error_behind
from aerial_depth_pipeline.files import lock
from aerial_depth_pipeline.progress import log_beside_bars
from aerial_depth_pipeline.tracking.store import check_store, embedded_store

_STORE_SECONDS = 120.0


class ConfigurationHook:
    """Configuration is checked before anything runs, and MLflow's store made ready by one run at a
    time."""

    @hook_impl(wrapper=True)
    def after_context_created(self, context: Any) -> Iterator[None]:
        log_beside_bars()
        # omegaconf 2.4 warns of its own future at every access.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="omegaconf")
        from aerial_depth_pipeline.pipelines.domains import configured_domains, refuse_braces
        from aerial_depth_pipeline.pipelines.parameters import check_parameters

        project = Path(context.project_path)
        refuse_braces(str(project), "The project's folder")
        configured_domains()
        check_parameters(context.config_loader["parameters"])
        _provide_tracking_locations(project)
        store = context.config_loader["mlflow"].get("server", {}).get("mlflow_tracking_uri")
        check_store(store or os.environ.get("MLFLOW_TRACKING_URI") or "mlruns")
        # Two runs that find no store, or no experiment in it, would both make it.
        with lock(project / ".mlflow.lock", _STORE_SECONDS) or nullcontext():
            return (yield)

    @hook_impl
    def before_pipeline_run(self) -> None:
        command = click.get_current_context(silent=True)
        chosen = {} if command is None else command.params
        if chosen.get("is_async") or (chosen.get("runner_params") or {}).get("is_async"):
            raise UserError(
                "Loading and saving asynchronously (--async) is not possible: steps save each scene"
                " as soon as it is finished. Run the same command without it."
            )


def _provide_tracking_locations(project: Path) -> None:
    """Let `mlflow.yml` name the embedded store by a path that does not depend on where the command
    was typed."""
    from omegaconf import OmegaConf

    server = os.environ.get("MLFLOW_TRACKING_URI")
    OmegaConf.register_new_resolver(
        "tracking_uri", lambda: server or embedded_store(project), replace=True
    )
    beside = None if server else (project / "mlartifacts").as_uri()
    OmegaConf.register_new_resolver(
        "artifact_location", lambda chosen: chosen or beside, replace=True
    )


class RunHook:
    """One MLflow run per `kedro run`, tagged with what it was made from, and marked FAILED however
    it failed."""

    def __init__(self) -> None:
        self._unfinished: str | None = None
        self._registered = False

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        import mlflow

        run = mlflow.active_run()
        if run is None:
            return
        self._unfinished = run.info.run_id
        _close_runs_of_dead_processes(run)
        project = Path(run_params["project_path"])
        mlflow.set_tags(
            {
                "mlflow.runName": _name_of_run(run_params),
                "process": f"{socket.gethostname()}:{os.getpid()}",
                **_commit_tags(project),
                **{key: run_params[key] for key in ("env", "namespaces") if run_params.get(key)},
            }
        )
        mlflow.log_text(_resolved_parameters(catalog), "configuration/parameters.yml")
        if not self._registered:
            # Ctrl-C does not reach Kedro's error hooks, and MLflow's own exit handler would call
            # the run FINISHED. Ours runs before it.
            atexit.register(self._end_unfinished)
            if (
                threading.current_thread() is threading.main_thread()
                and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            ):
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            self._registered = True

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self) -> None:
        import mlflow

        # Lightning and nested runs must not have closed it: what counts is how the pipeline ended.
        if self._unfinished is not None and mlflow.active_run() is not None:
            mlflow.MlflowClient().update_run(self._unfinished, status="RUNNING")
        self._unfinished = None

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        import mlflow

        if self._unfinished is not None:
            message = str(user_error_behind(error) or f"{type(error).__name__}: {error}")
            with suppress(Exception):  # a store that is gone must not hide the run's own error
                mlflow.MlflowClient().set_tag(self._unfinished, "failure", message[:5000])
            with suppress(Exception):
                self._end_unfinished()

    def _end_unfinished(self) -> None:
        import mlflow

        if self._unfinished is not None:
            run_id, self._unfinished = self._unfinished, None
            while (
                mlflow.active_run() is not None
            ):  # kedro-mlflow opens the same run again for every node
                mlflow.end_run("FAILED")
            mlflow.MlflowClient().set_terminated(run_id, "FAILED")


def _name_of_run(run_params: dict[str, Any]) -> str:
    names = run_params.get("pipeline_names") or ["__default__"]
    name = "+".join("prepare+train+evaluation" if n == "__default__" else n for n in names)
    if run_params.get("namespaces"):
        name += " of " + ", ".join(run_params["namespaces"])
    env = run_params.get("env")
    return f"{name} ({env})" if env and env != "local" else name


def _commit_tags(project: Path) -> dict[str, str]:
    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(project), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {
        "mlflow.source.git.commit": commit,
        "code.modified": str(bool(git("status", "--porcelain", "--untracked-files=no"))),
    }


def _resolved_parameters(catalog: Any) -> str:
    import yaml

    return yaml.safe_dump(catalog.load("parameters"), sort_keys=False, allow_unicode=True)


def _close_runs_of_dead_processes(current: Any) -> None:
    """A run whose process was killed cannot say so itself; the next one on the same machine
    does."""
    import mlflow

    client = mlflow.MlflowClient()
    running = client.search_runs(
        [current.info.experiment_id], "attributes.status = 'RUNNING'", max_results=100
    )
    for run in running:
        host, _, process = run.data.tags.get("process", "").rpartition(":")
        if (
            run.info.run_id == current.info.run_id
            or host != socket.gethostname()
            or not re.fullmatch(r"\d+", process)
        ):
            continue
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            client.set_tag(run.info.run_id, "failure", "the process was killed")
            client.set_terminated(run.info.run_id, "FAILED")
        except PermissionError:
            pass


class SceneReportHook:
    """A run fails, with the reasons, when a step has left no scene in any domain, or the split
    names a scene that is not there: before models are trained on nothing or on the wrong
    scenes."""

    def __init__(self) -> None:
        self._pipeline: Any = None

    @hook_impl
    def before_pipeline_run(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    @hook_impl
    def before_node_run(self, node: Any, catalog: Any) -> None:
        if node.namespace is None:  # it joins the domains
            self._check(catalog, self._pipeline.to_nodes(node.name))

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, catalog: Any) -> None:
        self._check(catalog, self._pipeline)

    def _check(self, catalog: Any, pipeline: Any) -> None:
        from aerial_depth_pipeline.pipelines.scenes import check_something_is_left

        reports = {}
        for node in pipeline.nodes:  # in the order of the steps
            for name in node.outputs:
                if name.endswith("_report") and node.namespace is not None:
                    step = name.removeprefix(f"{node.namespace}.").removesuffix("_report")
                    reports[step, node.namespace] = catalog.load(name)
        check_something_is_left(reports)
        if any(name.endswith(".triplet_lists") for name in pipeline.all_outputs()):
            self._check_split(catalog, pipeline)

    def _check_split(self, catalog: Any, pipeline: Any) -> None:
        from aerial_depth_pipeline.configuration import read_settings
        from aerial_depth_pipeline.pipelines.domains import configured_domains
        from aerial_depth_pipeline.triplets.settings import TripletSettings
        from aerial_depth_pipeline.triplets.splits import check_named_scenes

        settings = read_settings(TripletSettings, catalog.load("params:triplets"), "triplets")
        scenes = {domain: catalog.load(f"{domain}.triplets") for domain in configured_domains()}
        made = {node.namespace for node in pipeline.nodes}
        # A domain whose turn is still to come may have the scene.
        if all(domain in made or found for domain, found in scenes.items()):
            check_named_scenes(settings.split, scenes)


class SummaryHook:
    """A run that measured a model ends with its table, its image and where to look further."""

    @hook_impl(trylast=True)
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        if "evaluation_summary" not in pipeline.datasets():
            return
        project = Path(run_params["project_path"])
        reporting = str(catalog.load("params:reporting_folder"))
        if "://" not in reporting:
            reporting = str(project / reporting)
        lines = [""]
        lines.append(
            f"Image (input, prediction, ground truth):   {reporting}/evaluation_panels.png"
        )
        lines.append(f"Report, opens in a browser:               {reporting}/evaluation.html")
        env = run_params.get("env")
        suffix = f" --env={env}" if env and env != "local" else ""
        lines += [
            "Look further, after 'source .venv/bin/activate':",
            f"  kedro mlflow ui{suffix}    runs, curves, comparison        http://127.0.0.1:5000",
            f"  kedro viz run{suffix}      the pipeline, a lane per domain  http://127.0.0.1:4141",
            "",
            catalog.load("evaluation_summary"),
        ]
        sys.stdout.write("\n".join(lines) + "\n")
