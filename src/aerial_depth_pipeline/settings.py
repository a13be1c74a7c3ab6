"""Kedro's project settings."""

import warnings

from aerial_depth_pipeline.hooks import ConfigurationHook, RunHook, SceneReportHook, SummaryHook
from aerial_depth_pipeline.pipelines.domains import ProjectConfigLoader
from aerial_depth_pipeline.pipelines.nightly.night_hook import NightHook

# Notes of other packages to each other's developers.
warnings.filterwarnings("ignore", message="register_new_resolver\\(\\) is deprecated")
warnings.filterwarnings(
    "ignore", message="One or more dataset names contain '.'"
)  # nodes that join domains name what is in their lanes

HOOKS = (ConfigurationHook(), RunHook(), SceneReportHook(), SummaryHook(), NightHook())

# No usage statistics are sent anywhere.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

CONF_SOURCE = "conf"
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
}
