"""The list of domains, which is configuration (`globals.yml`), and the lanes that the pipelines have for them."""

import os
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.framework.project import settings
from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.datasets.scene_folders import why_name_is_refused
from aerial_depth_pipeline.errors import UserError

_configured: list[str] | None = None


def configure_domains(config_loader: Any) -> list[str]:
    """Read the domains of a run's configuration and build the pipelines for them from now on.

    Raises:
        UserError: if `globals.yml` lists no domain, or one whose name cannot be a folder.
    """
    global _configured  # noqa: PLW0603 - Kedro builds pipelines without handing them the configuration
    try:
        domains = config_loader["globals"].get("domains")
    except MissingConfigException:
        domains = None
    if not isinstance(domains, list) or not domains:
        raise UserError("conf/base/globals.yml must list the domains, e.g. 'domains: [rural, urban]': folders below data/01_raw/.")
    for domain in domains:
        refused = why_name_is_refused(str(domain))
        if refused or "." in str(domain):
            raise UserError(f"conf/base/globals.yml lists the domain {domain!r}, but {refused or 'a domain may not contain a dot'}.")
    _configured = [str(domain) for domain in domains]
    return _configured


def configured_domains() -> list[str]:
    """The domains of the current run's configuration; without a run (`kedro registry list`) those of the project's."""
    if _configured is not None:
        return _configured
    loader = OmegaConfigLoader(str(Path.cwd() / settings.CONF_SOURCE), env=os.environ.get("KEDRO_ENV"), **settings.CONFIG_LOADER_ARGS)
    return configure_domains(loader)


def lanes(nodes: list[Node], parameters: set[str]) -> Pipeline:
    """The same nodes once for every domain, under the domain's namespace, with shared parameters."""
    return sum(
        (Pipeline(nodes, namespace=domain, parameters=parameters, prefix_datasets_with_namespace=True) for domain in configured_domains()),
        Pipeline([]),
    )
