"""Settings are read strictly: a slip of the pen is an error that names what was meant."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError


@dataclass(frozen=True)
class Inner:
    weight: float = 0.5


@dataclass(frozen=True)
class Outer:
    steps: int
    offset: int | Literal["auto"] = "auto"
    kind: Literal["town", "country"] = "town"
    inner: Inner = field(default_factory=Inner)
    names: list[str] = field(default_factory=list)
    cap: float | None = None
    on: bool = True
    seeds: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError("steps must be at least 1")


def test_values_defaults_and_conversions() -> None:
    settings = read_settings(
        Outer,
        {"steps": 3, "offset": 2, "inner": {"weight": "1e-3"}, "names": ["a"], "cap": 80},
        "train",
    )
    assert settings == Outer(3, 2, "town", Inner(1e-3), ["a"], 80.0, True)


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
