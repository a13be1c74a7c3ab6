"""The list of domains, which is configuration (`globals.yml`), and the lanes that the pipelines
have for them."""

import difflib
import os
from pathlib import Path

from kedro.framework.project import settings
from kedro.pipeline import Node, Pipeline
from kedro.utils import find_kedro_project

from aerial_depth_pipeline.datasets.folders import why_name_is_refused
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.pipelines.config_loader import ProjectConfigLoader
from aerial_depth_pipeline.pipelines.node_types import Parameters

TEXTS = ("data", "raw", "work", "artifacts", "registered_model")
"""What `globals.yml` names besides the domains; other keys are the user's own."""


def configured_domains() -> list[str]:
    """The domains of the current session's environment; without a session (`kedro registry list`)
    those of the project's.

    Raises:
        UserError: for a mistake in `globals.yml`.
    """
    loader = ProjectConfigLoader.latest
    if loader is None:
        project = find_kedro_project(Path.cwd()) or Path.cwd()
        loader = ProjectConfigLoader(
            str(project / settings.CONF_SOURCE),
            env=os.environ.get("KEDRO_ENV"),
            **settings.CONFIG_LOADER_ARGS,
        )
    return domains_of_globals(loader["globals"])


def domains_of_globals(shared: Parameters) -> list[str]:
    """Check what `globals.yml` says, and take the domains from it.

    Raises:
        UserError: for a misspelt key, a place that is no text, no domain, or one whose
            name cannot be a folder.
    """
    for key, value in shared.items():
        meant = difflib.get_close_matches(key, ("domains", *TEXTS), n=1, cutoff=0.75)
        if meant and meant[0] != key:
            raise UserError(f"globals.yml: nobody reads '{key}'. Did you mean '{meant[0]}'?")
        if key not in TEXTS or (value is None and key == "artifacts"):
            continue
        if not isinstance(value, str) or not value.strip():
            raise UserError(
                f"globals.yml: '{key}' is {value!r}; it must be text, in quotes if it is a number."
            )
        refuse_braces(value, f"'{key}' in globals.yml")
    domains = shared.get("domains")
    if not isinstance(domains, list) or not domains:
        raise UserError(
            "conf/base/globals.yml must list the domains, e.g. 'domains: [rural, urban]': folders"
            " below data/01_raw/."
        )
    names = []
    for domain in domains:
        if type(domain) not in (str, int):
            raise UserError(
                f"globals.yml lists the domain {domain!r}; a folder's name that YAML takes for"
                " something else stands in quotes."
            )
        refused = why_name_is_refused(str(domain))
        if refused or "." in str(domain):
            raise UserError(
                f"globals.yml lists the domain {domain!r}, but"
                f" {refused or 'a domain may not contain a dot'}."
            )
        if str(domain) in names:
            raise UserError(f"globals.yml lists the domain {domain!r} twice; leave one out.")
        names.append(str(domain))
    return names


def refuse_braces(place: str, what: str) -> None:
    """Kedro's catalog takes braces in a path for the name of a placeholder.

    Raises:
        UserError: where there are some.
    """
    if "{" in place or "}" in place:
        raise UserError(
            f"{what} is {place}; folders with curly brackets cannot be used: rename it."
        )


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
