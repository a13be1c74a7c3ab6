"""What conf/base says and what the code does without it are the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.pipelines.parameters import GROUPS

BASE = Path(__file__).parents[2] / "conf" / "base"
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
