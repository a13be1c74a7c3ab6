"""Kedro's project settings."""

import warnings

from aerial_depth_pipeline.hooks import ErrorHook, ParametersHook, RunHook, SceneReportHook, SummaryHook
from aerial_depth_pipeline.pipelines.domains import ProjectConfigLoader

# MLflow's advice to authors of models, given whenever kedro-mlflow is imported.
warnings.filterwarnings("ignore", message=".*Add type hints to the `predict` method")

HOOKS = (ErrorHook(), ParametersHook(), RunHook(), SceneReportHook(), SummaryHook())

# No usage statistics are sent anywhere.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

CONF_SOURCE = "conf"
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local", "merge_strategy": {"parameters": "soft"}}
