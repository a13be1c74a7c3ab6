"""Kedro's project settings."""

from kedro.config import OmegaConfigLoader

from aerial_depth_pipeline.hooks import ErrorHook, ParametersHook, RunHook, SceneReportHook, SummaryHook

HOOKS = (ErrorHook(), ParametersHook(), RunHook(), SceneReportHook(), SummaryHook())

# No usage statistics are sent anywhere.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

CONF_SOURCE = "conf"
CONFIG_LOADER_CLASS = OmegaConfigLoader
CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local", "merge_strategy": {"parameters": "soft"}}
