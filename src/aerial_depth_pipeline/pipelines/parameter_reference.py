"""The reference of all parameters for people (docs/parameters.md) and for editors
(conf/parameters.schema.json), written by `python -m
aerial_depth_pipeline.pipelines.parameter_reference` in the project's folder."""

import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import create_model

from aerial_depth_pipeline.configuration import Mark, Settings, limits_of
from aerial_depth_pipeline.pipelines.node_types import Json
from aerial_depth_pipeline.pipelines.parameters import FOLDERS, GROUPS
from aerial_depth_pipeline.simulation.settings import FlightSettings

DOCUMENT, SCHEMA = Path("docs/parameters.md"), Path("conf/parameters.schema.json")
_HEAD = """# Parameters

Every key of `conf/*/parameters*.yml`, made from the settings in the code by `python -m
aerial_depth_pipeline.pipelines.parameter_reference`; do not edit it. `conf/base` names the keys
that are turned most; a key that is left out has its default. For one run: `kedro run
--params=train.steps=500,train.loss.smoothness=0.01`. Editors complete the YAML files with
`conf/parameters.schema.json`.
"""
_TABLE = "| key | type | default | what it does |\n|---|---|---|---|\n"


def reference() -> str:
    """The content of docs/parameters.md."""
    groups = GROUPS | {"simulate": FlightSettings}
    parts = [_HEAD]
    for group, settings in groups.items():
        where = "simulate.<domain>.<scene>" if group == "simulate" else group
        text = " ".join((settings.__doc__ or "").split())
        parts.append(f"## {where}\n\n{text}\n\n{_TABLE}" + "".join(_rows(settings, "")))
    folders = "".join(f"| `{name}` | {text} |\n" for name, text in FOLDERS.items())
    return "\n".join([*parts, f"## Folders\n\n| key | what it is |\n|---|---|\n{folders}"])


def schema() -> Json:
    """The JSON schema of the YAML files."""
    fields: Json = {group: (settings, settings()) for group, settings in GROUPS.items()}
    fields["simulate"] = (dict[str, dict[str, FlightSettings]], {})
    fields |= {name: (str, "") for name in FOLDERS}
    return create_model("Parameters", __config__={"extra": "forbid"}, **fields).model_json_schema(
        by_alias=False
    )


def main() -> None:
    """Write both files."""
    DOCUMENT.write_text(reference(), encoding="utf-8")
    SCHEMA.write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rows(settings: type[Settings], prefix: str) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        marks = [mark.value for mark in field.metadata if isinstance(mark, Mark)]
        inner, path = _inner(field.annotation, f"{prefix}{name}")
        if inner is not None and path == f"{prefix}{name}":
            yield from _rows(inner, f"{path}.")
            continue
        text = " ".join((field.description or "").split())
        note = f" *({'; '.join(marks)})*" if marks else ""
        kind = _kind(field.annotation) + (f", {limits_of(field)}" if limits_of(field) else "")
        default = f"`{json.dumps(field.default, ensure_ascii=False, default=str)}`"
        default = "required" if field.is_required() else default
        cells = (f"`{prefix}{name}`", kind, default, text + note)
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"
        if inner is not None:
            yield from _rows(inner, f"{path}.")


def _inner(hint: object, path: str) -> tuple[type[Settings] | None, str]:
    """The settings inside a type, and the path to them: `methods[]`, `axes.<name>.<name>`."""
    if isinstance(hint, type) and issubclass(hint, Settings):
        return hint, path
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, tuple):
        return _inner(options[0], f"{path}[]")
    if origin is dict:
        return _inner(options[1], f"{path}.<name>")
    return None, path


def _kind(hint: object) -> str:
    """A type in words."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if hint is type(None):
        return "null"
    if origin is Annotated:
        limits = [limits_of(option) for option in options[1:] if hasattr(option, "metadata")]
        return ", ".join([_kind(options[0]), *limits])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_kind, options))
    if origin is typing.Literal:
        return ", ".join(f"`{json.dumps(option).strip(chr(34))}`" for option in options)
    if origin in (list, tuple):
        return f"list of {_kind(options[0])}"
    if origin is dict:
        return "mapping"
    names: dict[object, str] = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
    }
    return names.get(hint, "mapping")


if __name__ == "__main__":
    main()
