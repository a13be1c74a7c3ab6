"""What conf/base says and what the code does without it are the same, and so says the reference."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.pipelines.parameter_reference import DOCUMENT, SCHEMA, reference, schema
from aerial_depth_pipeline.pipelines.parameters import GROUPS

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
BASE = CONF / "base"
CHOICES = {
    "study.axes": "the axes are files of their own",
    "study.methods": "the ways of fine-tuning are spelled out in YAML",
    "study.ablation.axes": "all axes that there are files for",
    "study.fine_tuning.methods": "all methods of the file",
    "study.fine_tuning.train": "a gentler rate than a training from scratch",
}
"""Keys of conf/base that differ from the code's default on purpose, and why."""


def base_parameters() -> dict[str, Any]:
    shared = yaml.safe_load((BASE / "globals.yml").read_text())
    text = "".join(path.read_text() for path in sorted(BASE.glob("parameters*.yml")))
    for name, value in shared.items():
        text = text.replace(f"${{globals:{name}}}", str(value))
    return yaml.safe_load(text)


def differences(ours: dict[str, Any], theirs: dict[str, Any], where: str) -> list[str]:
    found = []
    for key, value in ours.items():
        name, default = f"{where}.{key}", theirs[key]
        if name in CHOICES or value == default:
            continue
        nested = isinstance(value, dict) and isinstance(default, dict) and default
        found += differences(value, default, name) if nested else [f"{name}: {value} != {default}"]
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_each_value_of_the_base_configuration_is_the_default_or_a_choice(group: str) -> None:
    values = base_parameters()[group]
    if group == "study":  # ablation.axes names files of parameters_study/
        values["ablation"]["axes"] = []
    ours = read_settings(GROUPS[group], values, group).model_dump()
    assert not differences(ours, GROUPS[group]().model_dump(), group)


def test_the_generated_reference_and_schema_are_up_to_date() -> None:
    command = "run 'python -m aerial_depth_pipeline.pipelines.parameter_reference'"
    assert (ROOT / DOCUMENT).read_text() == reference(), command
    assert json.loads((ROOT / SCHEMA).read_text()) == schema(), command


def test_the_reference_tells_range_default_and_what_a_key_does() -> None:
    (row,) = [line for line in reference().splitlines() if line.startswith("| `loss.ssim_weight`")]
    assert "at least 0 and at most 1" in row and "`0.85`" in row and "SSIM" in row


@cache
def validator() -> Any:
    """Of the schema; making and checking it takes longer than what is checked by it."""
    made = schema()
    kind = jsonschema.validators.validator_for(made)
    kind.check_schema(made)
    return kind(made)


YAML_FILES = sorted([*CONF.rglob("parameters*.yml"), *CONF.rglob("parameters_study/*.yml")])


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_each_yaml_file_fits_the_schema_that_it_names(path: Path) -> None:
    first, *_ = path.read_text().splitlines()
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == (ROOT / SCHEMA).resolve()
    validator().validate(yaml.safe_load(path.read_text()))


def test_reference_and_schema_know_no_former_names() -> None:
    former = ("centre_units", "taught_until", "guide_until", "contestants")
    text = reference() + json.dumps(schema())
    assert not [name for name in former if name in text]


def test_the_schema_refuses_a_misspelt_key_and_a_value_out_of_its_range() -> None:
    for wrong in ({"train": {"stepps": 3}}, {"train": {"steps": 0}}, {"trian": {}}):
        with pytest.raises(jsonschema.ValidationError):
            validator().validate(wrong)
