"""What happens around a night: one at a time, a word to the outside at its end, and an exit code
that says how it ended."""

import atexit
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import IO

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import user_error_behind
from aerial_depth_pipeline.files import lock, lock_holder
from aerial_depth_pipeline.pipelines.node_types import Json
from aerial_depth_pipeline.retraining.settings import NightlySettings

logger = logging.getLogger(__name__)

EXIT_FAILED, EXIT_REFUSED = 1, 3
EXIT_BUSY = 75  # sysexits.h: try again later


class NightHook:
    """Guards runs that may change what is in service; others, such as a task of a night that only
    prepares scenes, pass untouched."""

    def __init__(self) -> None:
        self._lock: IO[str] | None = None
        self._settings: NightlySettings | None = None
        self._reporting = ""

    @hook_impl(tryfirst=True)  # before an MLflow run is opened
    def before_pipeline_run(
        self, run_params: Json, pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        if "night_outcome" not in pipeline.all_outputs():
            return
        settings = read_settings(NightlySettings, catalog.load("params:nightly"), "nightly")
        work = Path(run_params["project_path"]) / catalog.load("params:work_folder")
        path = work / "nightly" / "lock"
        self._lock = lock(path, settings.wait_seconds)
        if self._lock is None:
            sys.stderr.write(
                f"\nAnother night is at work (process {lock_holder(path)}); this one leaves. Raise"
                " nightly.wait_seconds to wait for it.\n"
            )
            raise SystemExit(EXIT_BUSY)
        self._settings = settings
        self._reporting = str(catalog.load("params:reporting_folder"))
        # Ctrl-C and SIGTERM do not reach Kedro's error hooks.
        atexit.register(self._end, "failed", "The night was interrupted.", {}, EXIT_FAILED)

    @hook_impl(trylast=True)
    def after_pipeline_run(self, run_result: Json) -> None:
        if self._settings is None:
            return
        report = run_result["night_outcome"].load()
        outcome = {"promote": "promoted", "refuse": "refused"}.get(report["outcome"], "nothing_new")
        code = EXIT_REFUSED if outcome == "refused" else 0
        self._end(outcome, report["message"], report, code)
        if code:
            raise SystemExit(code)

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        message = str(user_error_behind(error) or f"{type(error).__name__}: {error}")
        self._end("failed", message, {}, EXIT_FAILED)

    def _end(self, outcome: str, message: str, report: Json, code: int) -> None:
        """Tell the outside, once, and let the next night begin."""
        settings, self._settings = self._settings, None
        if settings is None:
            return
        if settings.command:
            page = f"{self._reporting}/nightly/{report['folder']}/night.html" if report else ""
            facts = {
                "OUTCOME": outcome,
                "MESSAGE": message,
                "EXIT_CODE": str(code),
                "CHAMPION": str(report.get("champion") or ""),
                "VERSION": str(report.get("version") or ""),
                "REPORT": page,
            }
            _run(settings.command, settings.command_seconds, facts)
        if self._lock is not None:
            self._lock.close()


def _run(command: str, seconds: float, facts: dict[str, str]) -> None:
    """Tell a command the facts; that it fails changes nothing about the night."""
    environment = os.environ | {f"AERIAL_NIGHT_{name}": value for name, value in facts.items()}
    try:
        done = subprocess.run(shlex.split(command), env=environment, timeout=seconds, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        logger.warning("nightly.command could not be run: %s", error)
        return
    if done.returncode:
        logger.warning("nightly.command ended with code %d.", done.returncode)
