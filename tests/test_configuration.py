"""Settings are read strictly: a slip of the pen is an error that names what was meant."""

from typing import Literal

import pytest
from pydantic import Field

from aerial_depth_pipeline.configuration import Settings, read_settings
from aerial_depth_pipeline.errors import UserError


class Inner(Settings):
    weight: float = 0.5


class Outer(Settings):
    steps: int = Field(ge=1)
    offset: int | Literal["auto"] = "auto"
    kind: Literal["town", "country"] = "town"
    inner: Inner = Inner()
    names: list[str] = []
    cap: float | None = None
    on: bool = True
    seeds: list[int] = []


def test_values_defaults_and_conversions() -> None:
    settings = read_settings(
        Outer,
        {"steps": 3, "offset": 2, "inner": {"weight": "1e-3"}, "names": ["a"], "cap": 80},
        "train",
    )
    assert settings == Outer(steps=3, offset=2, inner=Inner(weight=1e-3), names=["a"], cap=80.0)
    assert type(settings.offset) is int and type(settings.cap) is float


def test_a_list_from_the_command_line_has_spaces_between_its_items() -> None:
    settings = read_settings(Outer, {"steps": 3, "names": "town woods", "seeds": "0 1 2"}, "train")
    assert settings.names == ["town", "woods"] and settings.seeds == [0, 1, 2]
    with pytest.raises(UserError, match=r"train\.seeds\[1\].*must be of type int"):
        read_settings(Outer, {"steps": 3, "seeds": "0 one"}, "train")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 1, "ofset": 2}, r"train\.ofset.*Did you mean 'train\.offset'"),
        ({"steps": 1, "inner": {"wieght": 2}}, r"train\.inner\.wieght.*train\.inner\.weight"),
        ({"steps": 1, "offset": "autp"}, r"train\.offset"),
        ({"steps": 1, "kind": "twon"}, r"Did you mean 'town'"),
        ({"steps": "many"}, r"train\.steps.*type int"),
        ({"steps": True}, r"train\.steps.*type int"),
        ({"steps": 1, "on": 1}, r"train\.on.*type bool"),
        ({"steps": 1, "names": "a"}, r"train\.names.*list"),
        ({"steps": 0}, r"train.*at least 1"),
        ({}, r"train\.steps.*missing"),
        ([1], r"must be a mapping"),
    ],
)
def test_mistakes_are_named(values, message) -> None:
    with pytest.raises(UserError, match=message):
        read_settings(Outer, values, "train")
