"""Kedro's project settings."""

import logging
import sys
import warnings
from typing import Any

from aerial_depth_pipeline import interruption
from aerial_depth_pipeline.hooks import ConfigurationHook, RunHook, SceneReportHook, SummaryHook
from aerial_depth_pipeline.pipelines.config_loader import ProjectConfigLoader
from aerial_depth_pipeline.pipelines.nightly.night_hook import NightHook

if sys.argv[1:2] == ["run"]:  # not a notebook, whose Ctrl-C ends one cell
    interruption.guard()

# Notes of other packages to each other's developers.
warnings.filterwarnings("ignore", message="register_new_resolver\\(\\) is deprecated")
warnings.filterwarnings(
    "ignore", message="One or more dataset names contain '.'"
)  # nodes that join domains name what is in their lanes

# MLflow's advice to authors of models, given at every command; it sets filters of its own aside.
_show_warning = warnings.showwarning


def _without_advice(message: Warning | str, *where: Any, **more: Any) -> None:
    if "Add type hints to the `predict` method" not in str(message):
        _show_warning(message, *where, **more)


warnings.showwarning = _without_advice

# A hint of Kedro's to an option that steps over scenes cannot have.
logging.getLogger("kedro.runner.sequential_runner").addFilter(
    lambda record: "--async" not in record.getMessage()
)

HOOKS = (ConfigurationHook(), RunHook(), SceneReportHook(), SummaryHook(), NightHook())

# No usage statistics are sent anywhere.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

CONF_SOURCE = "conf"
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"mlflow": ["mlflow*", "mlflow*/**", "**/mlflow*"]},
    "merge_strategy": {"parameters": "soft"},
}
