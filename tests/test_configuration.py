"""Settings are read strictly: a slip of the pen is an error that names what was meant."""

import subprocess
import sys
from typing import Annotated, Literal

import pytest
from pydantic import Field

from aerial_depth_pipeline.configuration import Mark, Settings, read_settings
from aerial_depth_pipeline.errors import UserError


class Inner(Settings):
    weight: float = Field(0.5, serialization_alias="wt")


class Outer(Settings):
    FORMER = {"rural": ("kind", {True: "country", False: "town"})}

    steps: int = Field(ge=1)
    offset: int | Literal["auto"] = "auto"
    kind: Literal["town", "country"] = "town"
    inner: Inner = Inner()
    names: list[str] = []
    cap: float | None = None
    on: Annotated[bool, Mark.NO_EFFECT] = True
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


def test_a_former_name_is_understood_with_a_warning_and_wins_over_the_base(caplog) -> None:
    values = {"steps": 1, "inner": {"weight": 0.5, "wt": 0.25}}
    for _ in range(2):
        settings = read_settings(Outer, values, "train")
        assert settings.inner.weight == 0.25
    (record,) = caplog.records
    assert "'train.inner.wt' is now called 'train.inner.weight'" in record.getMessage()
    assert settings.model_dump()["inner"] == {"weight": 0.25}
    assert settings.for_fingerprint(Mark.NO_EFFECT)["inner"] == {"wt": 0.25}
    assert "on" in settings.for_fingerprint() and "on" not in settings.for_fingerprint(*Mark)


def test_a_former_field_becomes_a_value_of_another(caplog) -> None:
    assert read_settings(Outer, {"steps": 1, "kind": "town", "rural": True}, "train").kind == (
        "country"
    )
    (record,) = caplog.records
    assert "'train.rural' is now called 'train.kind'" in record.getMessage()
    # A value that means nothing any more leaves the default.
    assert read_settings(Outer, {"steps": 1, "rural": "so so"}, "train").kind == "town"


def test_a_copy_is_checked_and_dumps_as_it_was_declared() -> None:
    settings = Outer(steps=3)
    assert list(settings.model_dump()) == list(Outer.model_fields)
    assert settings.model_copy(update={"steps": 4}).steps == 4
    with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
        settings.model_copy(update={"steps": 0})


def test_marks_name_their_fields() -> None:
    assert Outer.marked(Mark.NO_EFFECT) == {"on"} and not Outer.marked(Mark.SPEED)


def test_parameters_are_checked_before_anything_heavy_is_imported() -> None:
    code = (
        "import sys, aerial_depth_pipeline.pipelines.parameters;"
        "print(*{'numpy', 'torch', 'pandas', 'cv2', 'scipy', 'timm'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    assert not subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
