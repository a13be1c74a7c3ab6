"""YAML files as people write them: names stay as written, mistakes end in a sentence."""

import random
import shutil
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.pipelines.config_loader import ProjectConfigLoader
from aerial_depth_pipeline.pipelines.domains import domains_of_globals
from aerial_depth_pipeline.pipelines.parameters import check_parameters

CONF = Path(__file__).parents[2] / "conf"
pytestmark = pytest.mark.filterwarnings("ignore:register_new_resolver")
ARGUMENTS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
}


@pytest.fixture(autouse=True)
def no_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders of these tests are no session's, and leave the hook for errors alone."""
    monkeypatch.setattr(ProjectConfigLoader, "latest", None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def loader(conf: Path, env: str | None = None) -> ProjectConfigLoader:
    return ProjectConfigLoader(str(conf), env=env, **ARGUMENTS)


def a_conf(folder: Path, **files: str) -> Path:
    """The base configuration and files of conf/local."""
    shutil.copytree(CONF / "base", folder / "conf" / "base")
    (folder / "conf" / "local").mkdir()
    for name, text in files.items():
        (folder / "conf" / "local" / f"{name}.yml").write_text(text)
    return folder / "conf"


def checked(conf: Path) -> tuple[list[str], dict[str, Any]]:
    """What every run looks at before it begins."""
    read = loader(conf)
    domains = domains_of_globals(read["globals"])
    check_parameters(read["parameters"])
    return domains, read["parameters"]


def test_names_by_date_stay_as_they_are_written(tmp_path: Path) -> None:
    conf = a_conf(
        tmp_path,
        globals="domains: [20240501, 2024_06, '2024_07', 0501]",
        parameters="simulate: {2024_06: {20240501: {world: town, frames: 2}}}\n"
        "triplets: {split: {test_scenes: [2024_06], val_scenes: [20240501]}}\n"
        "train: {steps: 1_000}",
    )
    domains, parameters = checked(conf)
    assert domains == ["20240501", "2024_06", "2024_07", "0501"]
    assert list(parameters["simulate"]) == ["2024_06"]
    assert list(parameters["simulate"]["2024_06"]) == ["20240501"]
    assert parameters["triplets"]["split"]["test_scenes"] == ["2024_06"]


@pytest.mark.parametrize("name", ["a[b]c", "a%20b", "it's", "fürs Werk", "a?b", "a*b"])
def test_a_project_may_lie_in_any_folder(tmp_path: Path, name: str) -> None:
    assert checked(a_conf(tmp_path / name))[0] == ["my_flights"]


def test_a_packaged_configuration_is_read_without_its_local_environment(tmp_path: Path) -> None:
    conf = a_conf(tmp_path, globals="domains: [mine]")
    shutil.rmtree(conf / "local")
    with tarfile.open(tmp_path / "conf.tar.gz", "w:gz") as archive:
        archive.add(conf, "conf")
    assert checked(tmp_path / "conf.tar.gz")[0] == ["my_flights"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"globals": "domains:\n\t- a"}, r"local/globals\.yml, line 2, column 1: .*tab"),
        ({"parameters": "train:\n\tsteps: 3"}, r"local/parameters\.yml, line 2.*tab"),
        ({"parameters": "train: [1, 2"}, r"local/parameters\.yml, line 2"),
        ({"parameters": "train: {}\ntrain: {}"}, r"local/parameters\.yml.*duplicate key"),
        ({"parameters": "- train"}, r"local/parameters\.yml must hold keys"),
        ({"parameters": "train: ${nowhere}"}, r"parameters\* cannot be used: .*nowhere"),
        (
            {"parameters": "a: 1", "parameters_b": "a: 2"},
            r"parameters\* cannot be used: .*uplicate",
        ),
        ({"parameters": "simulate: 5"}, "'simulate' is 5; it must be a mapping"),
        ({"parameters": "work_folder: 5"}, "'work_folder' is 5; it must be"),
        ({"parameters": "predict: {source: 1.5}"}, r"predict\.source.*in quotes"),
        ({"globals": "domains: [yes]"}, "stands in quotes"),
        ({"globals": "domains: [a, a]"}, "twice"),
        ({"globals": "domain: [a]"}, "'domain'. Did you mean 'domains'"),
        ({"globals": "data: 5"}, "'data' is 5"),
        ({"globals": "data: 'my {data}'"}, "curly brackets"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, files: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        checked(a_conf(tmp_path, **files))


def test_text_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    conf = a_conf(tmp_path)
    (conf / "local" / "parameters.yml").write_bytes("# eins\n# für\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"parameters\.yml, line 2, is not UTF-8"):
        checked(conf)


def test_an_environment_that_is_not_there_names_the_closest(tmp_path: Path) -> None:
    conf = a_conf(tmp_path)
    with pytest.raises(UserError, match="no environment 'bse'.*Did you mean 'base'"):
        loader(conf, "bse")
    with pytest.raises(UserError, match="no configuration at .*nowhere"):
        loader(tmp_path / "nowhere")


ODD = ["\t", "[", "}", "null", "-1", "1e999", ".nan", "yes", "2024_06", "${x}", "*a", "é\x00", "''"]


def mutated(text: str, chance: random.Random) -> bytes:
    """The text of a YAML file after a few slips."""
    lines = text.splitlines()
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        key, colon, _ = lines[at].partition(":")
        odd = chance.choice(ODD)
        lines[at] = chance.choice(
            [
                f"{key}{colon} {odd}",
                f"{odd}{lines[at]}",
                key,
                lines[at].lstrip(),
                f"  {lines[at]}",
                chance.choice(lines),
                f"{key}x{colon} {odd}",
            ]
        )
    return "\n".join(lines).encode("utf-16" if chance.random() < 0.04 else "utf-8")


@pytest.mark.parametrize("seed", range(50))
def test_slips_in_yaml_end_in_a_sentence(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    conf = a_conf(tmp_path)
    paths = sorted([conf / "base" / "globals.yml", *(conf / "base").glob("parameters_*.yml")])
    path = paths[0] if seed % 3 == 0 else chance.choice(paths)
    path.write_bytes(mutated(path.read_text(), chance))
    start = time.monotonic()
    try:
        checked(conf)
    except UserError as error:
        assert len(str(error)) > 20
    assert time.monotonic() - start < 5
