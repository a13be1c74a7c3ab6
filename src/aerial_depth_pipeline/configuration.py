"""Typed settings read strictly from dictionaries of configuration: an unknown key is an error that
names the closest known one."""

import difflib
import enum
import functools
import logging
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from aerial_depth_pipeline.errors import UserError

logger = logging.getLogger(__name__)

Rules = Iterator[tuple[Any, str]]
"""Conditions on several fields of settings, each with the sentence where it does not hold."""
_WHOLE_NUMBER = re.compile(r"[+-]?\d+(_\d+)*")
_BOUNDS = {
    "ge": "at least",
    "gt": "above",
    "le": "at most",
    "lt": "below",
    "min_length": "of length at least",
    "max_length": "of length at most",
    "pattern": "of the form",
}


class Mark(enum.Enum):
    """What a parameter is to a result: `Annotated[int, Mark.NO_EFFECT]`."""

    NO_EFFECT = "does not change the result"
    MACHINE = "changes last digits only"
    SPEED = "decides on the time of a step"


class Settings(BaseModel):
    """Base of all settings: read-only and strict; the text below a field describes it.

    A renamed field has its former name as `serialization_alias`: configuration may use it for one
    more version, and fingerprints keep it, so that what was made before is still found.

    Raises:
        ValueError: for a value out of its range, or values that contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    FORMER: ClassVar[Mapping[str, tuple[str, Mapping[Any, Any]]]] = {}
    """Fields of an earlier version that became values of another: its name, and what each former
    value is now; others have no meaning any more. The last one named wins."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError("; ".join(self._sentence(e) for e in error.errors())) from error

    @classmethod
    def marked(cls, *marks: Mark) -> set[str]:
        """Names of the fields that carry one of the marks."""
        fields = cls.model_fields.items()
        return {name for name, field in fields if any(mark in field.metadata for mark in marks)}

    def for_fingerprint(self, *without: Mark) -> dict[str, Any]:
        """The values that decide on a result, without fields of these marks, by former names."""
        return self.model_dump(exclude=self.marked(*without), by_alias=True)

    def _rules(self) -> Rules:
        yield from ()

    @model_validator(mode="after")
    def _follow_rules(self) -> Self:
        for holds, sentence in self._rules():
            if not holds:
                raise ValueError(sentence)
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some values changed, checked like the original."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**values | dict(update or {}))

    @staticmethod
    def _sentence(error: Any) -> str:
        context = error.get("ctx", {})
        if "error" in context:
            return str(context["error"])
        limits = "finite" if error["type"] == "finite_number" else _in_words(context)
        name, *inner = error["loc"]
        place = f"{name}{''.join(f'[{key}]' for key in inner)}"
        if not limits:
            return f"{place}: {error['msg']}"
        return f"{place} must be {limits}, not {error['input']!r}"


S = TypeVar("S", bound=Settings)


def limits_of(field: FieldInfo) -> str:
    """The range of a field in words: "at least 0 and below 1"."""
    bounds = ((name, getattr(mark, name, None)) for mark in field.metadata for name in _BOUNDS)
    return _in_words({name: bound for name, bound in bounds if bound is not None})


def _in_words(bounds: Mapping[str, Any]) -> str:
    words = (f"{_BOUNDS[name]} {bound}" for name, bound in bounds.items() if name in _BOUNDS)
    return " and ".join(words)


def read_settings(settings_class: type[S], values: Mapping[str, Any], where: str) -> S:
    """Make settings from a dictionary of configuration.

    Args:
        settings_class: a field that is itself settings reads a nested dictionary. A list may also
            be text with spaces between its items, since commas separate the parameters of `kedro
            run --params`; a number may be text ('1e-3', which YAML takes for one).
        values: keys that are left out take the field's default.
        where: the name of the parameter group, for messages (`train`, `triplets.split`).

    Raises:
        UserError: for an unknown key (naming the closest known one), a missing key without a
            default, or a value of the wrong type or out of its range.
    """
    if isinstance(values, settings_class):
        return values
    if not isinstance(values, Mapping):
        raise UserError(
            f"Parameter group '{where}' must be a mapping of keys to values, not {values!r}."
        )
    fields = settings_class.model_fields
    values = present_names(settings_class, values, where)
    for key in values:
        if key not in fields:
            raise UserError(
                f"Unknown parameter '{where}.{key}'.{did_you_mean(key, fields, f'{where}.')} Known"
                f" keys: {', '.join(sorted(fields))}."
            )
    for name, field in fields.items():
        if name not in values and field.is_required():
            raise UserError(
                f"Parameter '{where}.{name}' is missing; add it to conf/base/parameters_*.yml."
            )
    arguments = {
        name: _convert(values[name], field.annotation, f"{where}.{name}")
        for name, field in fields.items()
        if name in values
    }
    try:
        return settings_class(**arguments)
    except ValueError as error:
        raise UserError(f"Parameter group '{where}': {error}") from error


def present_names(
    settings_class: type[Settings], values: Mapping[str, Any], where: str, warn: bool = True
) -> dict[str, Any]:
    """Nested values by present keys. A former key is the user's and wins over that of conf/base;
    changes of several origins are renamed before they are merged."""
    result = dict(values)
    for old, (present, meanings) in settings_class.FORMER.items():
        if old in result:
            meaning = meanings.get(result.pop(old))
            if warn:
                _warn_of_name(f"{where}.{old}", f"{where}.{present}")
            if meaning is not None:
                result[present] = meaning
    for name, field in settings_class.model_fields.items():
        former, kind = field.serialization_alias, field.annotation
        if former and former in values:
            if warn:
                _warn_of_name(f"{where}.{former}", f"{where}.{name}")
            result[name] = result.pop(former)
        inner = result.get(name)
        if isinstance(kind, type) and issubclass(kind, Settings) and isinstance(inner, Mapping):
            result[name] = present_names(kind, inner, f"{where}.{name}", warn)
    return result


@functools.cache  # once a name
def _warn_of_name(old: str, new: str) -> None:
    logger.warning(
        "Parameter '%s' is now called '%s'; the old name goes with the next version.", old, new
    )


def did_you_mean(name: Any, known: Iterable[Any], prefix: str = "") -> str:
    """A sentence that names the closest of the `known` names."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.0)
    return f" Did you mean '{prefix}{close[0]}'?"


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        return _convert(value, options[0], where)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, options, where)
    if origin is typing.Literal:
        if value in options:
            return value
        raise UserError(
            f"Parameter '{where}' is {value!r}; it must be one of {list(options)}."
            + did_you_mean(value, options)
        )
    if origin in (list, tuple):
        if isinstance(value, str) and len(value.split()) > 1:
            value = [item if options[0] is str else _number(item) for item in value.split()]
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise UserError(f"Parameter '{where}' is {value!r}; it must be a list.")
        return origin(_convert(item, options[0], f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise UserError(f"Parameter '{where}' is {value!r}; it must be a mapping.")
        return {key: _convert(item, options[1], f"{where}.{key}") for key, item in value.items()}
    if issubclass(hint, Settings):
        return read_settings(hint, value, where)
    return _convert_scalar(value, hint, where)


def _convert_union(value: Any, options: tuple[Any, ...], where: str) -> Any:
    if value is None and type(None) in options:
        return None
    if type(value) in options:
        return value
    errors = []
    for option in options:
        try:
            return _convert(value, option, where)
        except UserError as error:
            errors.append(error)
    raise errors[0]


def _convert_scalar(value: Any, hint: type, where: str) -> Any:
    if hint is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3 as text
        except ValueError:
            pass
    if hint is int and isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value)  # 1_000, which may also be a folder's name
    if hint is str and type(value) is int:
        return str(value)  # 20240501, a folder's name that YAML takes for a number
    if isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool):
        return value
    quotes = "; put it in quotes" if hint is str and isinstance(value, bool | float) else ""
    raise UserError(
        f"Parameter '{where}' is {value!r}; it must be of type {hint.__name__}{quotes}."
    )


def _number(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
