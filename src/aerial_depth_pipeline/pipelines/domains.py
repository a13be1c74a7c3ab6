"""The list of domains, which is configuration (`globals.yml`), and the lanes that the pipelines
have for them."""

import os
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.framework.project import pipelines, settings
from kedro.pipeline import Node, Pipeline

from aerial_depth_pipeline.datasets.folders import why_name_is_refused
from aerial_depth_pipeline.errors import UserError


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, which also tells the pipelines for which environment they are built.

    Kedro hands `register_pipelines` no configuration, and kedro viz runs no hooks; but whoever
    makes a session makes a loader first.
    """

    latest: "ProjectConfigLoader | None" = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        type(self).latest = self
        pipelines.configure(
            pipelines._pipelines_module
        )  # forget pipelines that were built for another environment


def configured_domains() -> list[str]:
    """The domains of the current session's environment; without a session (`kedro registry list`)
    those of the project's.

    Raises:
        UserError: if `globals.yml` lists no domain, or one whose name cannot be a folder.
    """
    loader: OmegaConfigLoader | None = ProjectConfigLoader.latest
    if loader is None:
        loader = OmegaConfigLoader(
            str(Path.cwd() / settings.CONF_SOURCE),
            env=os.environ.get("KEDRO_ENV"),
            **settings.CONFIG_LOADER_ARGS,
        )
    try:
        domains = loader["globals"].get("domains")
    except MissingConfigException:
        domains = None
    if not isinstance(domains, list) or not domains:
        raise UserError(
            "conf/base/globals.yml must list the domains, e.g. 'domains: [rural, urban]': folders"
            " below data/01_raw/."
        )
    for domain in domains:
        refused = why_name_is_refused(str(domain))
        if refused or "." in str(domain):
            raise UserError(
                f"globals.yml lists the domain {domain!r}, but"
                f" {refused or 'a domain may not contain a dot'}."
            )
    return [str(domain) for domain in domains]


def lanes(nodes: list[Node], parameters: set[str]) -> Pipeline:
    """The same nodes once for every domain, under the domain's namespace, with shared
    parameters."""
    return sum(
        (
            Pipeline(nodes, namespace=domain, parameters=parameters)
            for domain in configured_domains()
        ),
        Pipeline([]),
    )


def in_every_domain(*names: str) -> list[str]:
    """The named datasets of each domain in turn: the inputs of a node that joins the domains."""
    return [f"{domain}.{name}" for domain in configured_domains() for name in names]
