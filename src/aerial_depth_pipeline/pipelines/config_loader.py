"""The project's configuration from its YAML files: names stay as they are written, and a mistake
ends in a sentence with file and line."""

import io
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from fsspec.utils import glob_translate
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.framework.project import pipelines
from kedro.utils import find_kedro_project
from omegaconf import DictConfig, OmegaConf
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from aerial_depth_pipeline.configuration import did_you_mean
from aerial_depth_pipeline.errors import UserError, show_user_errors_plainly
from aerial_depth_pipeline.pipelines.node_types import Parameters
from aerial_depth_pipeline.pipelines.parameters import FOLDERS

_TEXT, _NUMBER = "tag:yaml.org,2002:str", "tag:yaml.org,2002:int"
_NUMBER_LIKE_NAME = re.compile(r"\d+(_\d+)+|0\d+")  # 2024_06, 0501


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, which also tells the pipelines for which environment they are built.

    Kedro hands `register_pipelines` no configuration, and kedro viz runs no hooks; but whoever
    makes a session makes a loader first.

    Raises:
        UserError: for a file that cannot be read, or an environment that is not there.
    """

    latest: "ProjectConfigLoader | None" = None

    def __init__(self, conf_source: str, *arguments: Any, **options: Any) -> None:
        show_user_errors_plainly()  # here: Kedro's log, set up before, may show tracebacks its way
        if not Path(conf_source).exists() and "://" not in str(conf_source):
            raise UserError(
                f"There is no configuration at {conf_source}. Run in the project's folder, or name"
                " the folder or archive of the configuration with --conf-source."
            )
        super().__init__(conf_source, *arguments, **options)
        type(self).latest = self
        pipelines.configure(
            pipelines._pipelines_module
        )  # forget pipelines that were built for another environment

    def __getitem__(self, key: str) -> Parameters:
        try:
            values = super().__getitem__(key)
        except (UserError, MissingConfigException):
            raise
        except Exception as error:
            if type(error) is KeyError:  # a kind of configuration that nobody asked for
                raise
            where = f"{self.conf_source}/<environment>/{self.config_patterns[key][0]}"
            raise UserError(f"{where} cannot be used: {_brief(error)}. Correct it.") from error
        return _below_project(values) if key == "parameters" else values

    def _read_dir_configs(
        self,
        conf_path: str,
        patterns: Iterable[str],
        key: str,
        processed_files: set[Path],
        read_environment_variables: bool | None = False,
    ) -> dict[Path, DictConfig]:
        """Kedro's glob would take the brackets in a folder's name for its own."""
        folder = Path(conf_path).as_posix()
        if not self._fs.isdir(folder):
            self._check_environment(folder)
            return {}
        wanted = [re.compile(glob_translate(pattern)) for pattern in patterns]
        found = {}
        root = posixpath.abspath(folder) if self._protocol == "file" else folder
        for name in sorted(self._fs.find(folder)):
            relative = PurePosixPath(name).relative_to(root)
            if any(part.startswith(".") for part in relative.parts):
                continue
            if relative.suffix not in (".yml", ".yaml", ".json"):
                continue
            if any(one.fullmatch(str(relative)) for one in wanted):
                config = _read(name, self._fs.cat_file(name))
                if read_environment_variables:
                    self._resolve_environment_variables(config)
                found[Path(name)] = config
                processed_files.add(Path(name))
        self._check_duplicates(key, found)
        return found

    def _check_environment(self, folder: str) -> None:
        """An environment that was asked for has to be there; without one, 'local' may be
        missing."""
        name = PurePosixPath(folder).name
        if name == self.default_run_env and not self.env:
            return
        parent = str(PurePosixPath(folder).parent)
        inside = self._fs.ls(parent, detail=True) if self._fs.isdir(parent) else []
        known = sorted(
            PurePosixPath(entry["name"].rstrip("/")).name
            for entry in inside
            if entry["type"] == "directory"
        )
        raise UserError(
            f"There is no environment '{name}' in {self.conf_source}."
            f"{did_you_mean(name, known) if known else ''} Known are {', '.join(known) or 'none'}."
        )


def _below_project(parameters: Parameters) -> Parameters:
    """Relative folders are below the project, wherever in it the command was typed."""
    here = Path.cwd()
    project = find_kedro_project(here) or here
    if project == here:
        return parameters
    return {
        name: str(project / value)
        if name in FOLDERS and isinstance(value, str) and "://" not in value
        else value
        for name, value in parameters.items()
    }


def _read(name: str, content: bytes) -> DictConfig:
    """The content of a YAML or JSON file."""
    try:
        text = content.decode("utf-8-sig")
        config = OmegaConf.load(io.StringIO(text))
        tree = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{name}, line {line}, is not UTF-8 text; save it as UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
        lines = text.splitlines()
        tabs = mark is not None and mark.line < len(lines) and "\t" in lines[mark.line]
        advice = "it has a tab; indent with spaces" if tabs else error.problem or error.context
        raise UserError(f"{place}: no valid YAML: {advice}.") from error
    except Exception as error:
        raise UserError(f"{name}: no valid YAML: {_brief(error)}.") from error
    if not isinstance(config, DictConfig):
        raise UserError(f"{name} must hold keys with values ('key: value'), not a list.")
    if tree is None or not _keep_names(tree, set()):
        return config
    named = OmegaConf.create(yaml.serialize(tree, allow_unicode=True))
    assert isinstance(named, DictConfig)
    return named


def _keep_names(node: Node, seen: set[int]) -> bool:
    """Make text of keys, and of values like 2024_06, which YAML takes for numbers; whether there
    were any."""
    if id(node) in seen:  # an alias
        return False
    seen.add(id(node))
    changed = False
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value != "<<" and key.tag != _TEXT:
                key.tag, changed = _TEXT, True
            changed |= _keep_names(value, seen)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            changed |= _keep_names(item, seen)
    elif node.tag == _NUMBER and _NUMBER_LIKE_NAME.fullmatch(node.value):
        node.tag, changed = _TEXT, True
    return changed


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
