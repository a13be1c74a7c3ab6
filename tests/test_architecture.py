"""The house keeps its shape: rooms, file sizes, names, one place for each format."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "src" / "aerial_depth_pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))


def modules_with(pattern: str) -> list[str]:
    return [
        module.relative_to(PACKAGE).as_posix()
        for module in MODULES
        if re.search(pattern, module.read_text(), re.MULTILINE)
    ]


def test_rooms_use_only_what_the_contracts_in_pyproject_allow() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_no_module_is_longer_than_350_lines() -> None:
    lengths = {module: len(module.read_text().splitlines()) for module in MODULES}
    assert {module.name: length for module, length in lengths.items() if length > 350} == {}


def test_names_of_numbered_files_are_written_in_one_place() -> None:
    assert len(modules_with(":06d")) <= 2


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"^def write_depth\(", id="depth maps"),
        pytest.param(r"add_stream\(.libx264", id="H.264 videos"),
        pytest.param(r"format binary_little_endian", id="PLY point clouds"),
        pytest.param(r"matplotlib\.colormaps\[", id="plasma"),
        pytest.param(r"6378137", id="WGS 84"),
        pytest.param(r"fcntl\.flock", id="file locks"),
        pytest.param(r"errno\.EDQUOT", id="full disks"),
    ],
)
def test_a_format_is_written_by_one_module(pattern) -> None:
    assert len(modules_with(pattern)) == 1, modules_with(pattern)


def test_nodes_are_typed() -> None:
    lines = [
        line
        for module in (PACKAGE / "pipelines").rglob("*.py")
        for line in module.read_text().splitlines()
        if re.search(r"\bAny\b", line)
    ]
    assert len(lines) <= 8


def test_every_folder_of_tests_mirrors_a_room() -> None:
    others = {"worlds", "system", "extending", "__pycache__"}
    folders = [
        folder.relative_to(REPOSITORY / "tests")
        for folder in (REPOSITORY / "tests").rglob("*")
        if folder.is_dir() and not others & set(folder.relative_to(REPOSITORY / "tests").parts)
    ]
    assert [folder for folder in folders if not (PACKAGE / folder).is_dir()] == []


def test_the_catalog_speaks_kedro() -> None:
    text = (REPOSITORY / "conf" / "base" / "catalog.yml").read_text()
    types = re.findall(r"(?:type|dataset): ([\w.]+\w)", text)
    own = {name for name in types if name.startswith("aerial_depth_pipeline")}
    assert len(own) <= 6
    for name in set(types) - own - {"MemoryDataset"}:
        module, _, kind = f"kedro_datasets.{name}".rpartition(".")
        assert getattr(importlib.import_module(module), kind)
