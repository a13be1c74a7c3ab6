"""A small project in a folder of its own, run through the command line as users do."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from .forked_kedro import Kedro

REPOSITORY = Path(__file__).resolve().parents[2]

# Small enough for CI, large enough that every step has real work.
SMALL = {
    "frame_extraction": {"stride": 1, "min_motion": 0.0},
    "ground_truth": {
        # One thread: the same model to the bit however busy the machine is.
        "sfm": {"max_views": 12, "max_features": 2048, "threads": 1},
        "dense": {"max_depth_maps": 4, "sources": 3},
    },
    "triplets": {
        "width": 96,
        "height": 64,
        "split": {
            "by": "scene",
            "val": 0.0,
            "test": 0.0,
            "val_scenes": ["town_b"],
            "test_scenes": ["town_c"],
        },
    },
    "train": {
        "batch_size": 4,
        "steps": 30,
        "validate_every": 10,
        "checkpoint_every": 5,
        "log_every": 1,
    },
    "evaluation": {"bootstrap_samples": 50},
    "simulate": {
        "town": {
            name: {
                "world": "town",
                "world_seed": seed,
                "seed": seed,
                "frames": 24,
                "width": 192,
                "height": 112,
                "depth_every": 1,
            }
            for seed, name in enumerate(("town_a", "town_b", "town_c"))
        }
    },
}


class Project:
    """A copy of the project's configuration in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        for name in ("conf", "pyproject.toml", ".telemetry"):
            source = REPOSITORY / name
            shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(
                source, folder / name
            )
        # A copy: Kedro refuses sources that lie outside of the project.
        shutil.copytree(
            REPOSITORY / "src",
            folder / "src",
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )

    def configure(self, env: str, domains: list[str], parameters: dict, **globals_: str) -> None:
        """Write an environment."""
        conf = self.folder / "conf" / env
        conf.mkdir(exist_ok=True)
        (conf / "globals.yml").write_text(yaml.safe_dump({"domains": domains, **globals_}))
        (conf / "parameters.yml").write_text(yaml.safe_dump(parameters))

    def environment(self) -> dict[str, str]:
        """Environment variables of a run."""
        return {**os.environ, "PYTHONPATH": "", "MLFLOW_TRACKING_URI": "", "KEDRO_ENV": ""}

    def python(self, script: str) -> str:
        """What a Python script prints that runs in the project's folder; it has to succeed."""
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str) -> Kedro:
        """`kedro …` in a process group of its own."""
        return Kedro(self.folder, list(arguments), self.environment())

    def kedro(self, *arguments: str, succeed: bool = True, timeout: float = 900) -> str:
        """Run `kedro …` and give what it printed."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=timeout)
        if succeed:
            assert process.returncode == 0, output[-6000:]
        else:
            assert process.returncode != 0, output[-6000:]
        return output


@pytest.fixture
def new_project(tmp_path: Path) -> Callable[[str], Project]:
    """Makes projects in temporary folders."""
    return lambda name="project": Project(tmp_path / name)


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project on which the whole chain ran once, from simulated video to the report."""
    project = Project(tmp_path_factory.mktemp("system") / "project")
    project.configure("small", ["town"], SMALL)
    project.output = project.kedro("run", "--env=small", "--pipelines=demo")
    yield project
