"""From dictionaries of configuration to typed settings: an unknown key is an error that names the
closest known one."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import yaml

from aerial_depth_pipeline.errors import UserError

Settings = TypeVar("Settings")


def read_settings(
    settings_class: type[Settings], values: Mapping[str, Any], where: str
) -> Settings:
    """Make the dataclass `settings_class` from a dictionary of configuration.

    Args:
        settings_class: a dataclass whose fields carry types; a field that is itself a dataclass
            reads a nested dictionary, `list[T]` of a dataclass a list of dictionaries, `Literal` a
            choice. A list may also be text with spaces between its items, since commas separate the
            parameters of `kedro run --params`.
        values: the dictionary; keys that are left out take the field's default.
        where: the name of the parameter group, for messages (`train`, `triplets.split`).

    Raises:
        UserError: for an unknown key (naming the closest known one), a missing key without a
            default, or a value of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise UserError(
            f"Parameter group '{where}' must be a mapping of keys to values, not {values!r}."
        )
    hints = typing.get_type_hints(settings_class)
    fields = {field.name: field for field in dataclasses.fields(settings_class)}
    for key in values:
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.0)
            raise UserError(
                f"Unknown parameter '{where}.{key}'. Did you mean '{where}.{close[0]}'? Known keys:"
                f" {', '.join(sorted(fields))}."
            )
    arguments = {}
    for name, field in fields.items():
        if name in values:
            arguments[name] = _convert(values[name], hints[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(
                f"Parameter '{where}.{name}' is missing; add it to conf/base/parameters_*.yml."
            )
    try:
        return settings_class(**arguments)
    except ValueError as error:
        raise UserError(f"Parameter group '{where}': {error}") from error


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, options, where)
    if origin is typing.Literal:
        if value not in options:
            close = difflib.get_close_matches(
                str(value), [str(o) for o in options], n=1, cutoff=0.0
            )
            raise UserError(
                f"Parameter '{where}' is {value!r}; it must be one of {list(options)}. Did you mean"
                f" '{close[0]}'?"
            )
        return value
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else read_settings(hint, value, where)
    if origin in (list, tuple):
        if isinstance(value, str) and len(value.split()) > 1:
            value = [yaml.safe_load(item) for item in value.split()]
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise UserError(f"Parameter '{where}' is {value!r}; it must be a list.")
        inner = options[0] if options else Any
        return origin(
            _convert(item, inner, f"{where}[{index}]") for index, item in enumerate(value)
        )
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping):
            raise UserError(f"Parameter '{where}' is {value!r}; it must be a mapping.")
        inner = options[1] if options else Any
        return {key: _convert(item, inner, f"{where}.{key}") for key, item in value.items()}
    return _convert_scalar(value, hint, where)


def _convert_union(value: Any, options: tuple[Any, ...], where: str) -> Any:
    if value is None and type(None) in options:
        return None
    errors = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _convert(value, option, where)
        except UserError as error:
            errors.append(error)
    raise errors[0]


def _convert_scalar(value: Any, hint: Any, where: str) -> Any:
    if hint is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3 as text
        except ValueError:
            pass
    if isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool):
        return value
    raise UserError(f"Parameter '{where}' is {value!r}; it must be of type {hint.__name__}.")
