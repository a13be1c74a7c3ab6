"""The systemd units and the cron line start a night in the project's folder."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from aerial_depth_pipeline.pipelines.nightly.night_hook import EXIT_BUSY, EXIT_REFUSED

from .conftest import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
PLACE = "/srv/aerial_depth_pipeline"
NIGHT = "run --pipelines=nightly"


@pytest.fixture
def installed(tmp_path) -> Path:
    """A folder with a `kedro` that writes down how it was called, and fails where a file `fail`
    lies there."""
    kedro = tmp_path / ".venv" / "bin" / "kedro"
    kedro.parent.mkdir(parents=True)
    kedro.write_text('#!/bin/sh\necho "$PWD $*" >> called\necho "a night"\ntest ! -e fail\n')
    kedro.chmod(0o755)
    (tmp_path / "data").mkdir()
    return tmp_path


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str
    parsed.read_string((DEPLOY / "systemd" / name).read_text())
    return parsed


def test_the_pipeline_that_is_scheduled_exists() -> None:
    assert (
        REPOSITORY / "src" / "aerial_depth_pipeline" / "pipelines" / "nightly" / "pipeline.py"
    ).is_file()


def test_the_timer_starts_the_service_and_makes_up_for_missed_nights() -> None:
    service, timer = unit("aerial-depth-nightly.service"), unit("aerial-depth-nightly.timer")
    assert service["Service"]["ExecStart"] == f"{PLACE}/.venv/bin/kedro {NIGHT}"
    assert (
        service["Service"]["WorkingDirectory"] == PLACE and service["Service"]["Type"] == "oneshot"
    )
    assert service["Service"]["SuccessExitStatus"].split() == [str(EXIT_REFUSED), str(EXIT_BUSY)]
    assert (
        timer["Timer"]["Persistent"] == "true" and timer["Install"]["WantedBy"] == "timers.target"
    )


def test_systemd_accepts_the_units(installed) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("aerial-depth-nightly.service", "aerial-depth-nightly.timer"):
        (installed / name).write_text(
            (DEPLOY / "systemd" / name).read_text().replace(PLACE, str(installed))
        )
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            installed / "aerial-depth-nightly.timer",
            installed / "aerial-depth-nightly.service",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    calendar = unit("aerial-depth-nightly.timer")["Timer"]["OnCalendar"]
    assert (
        subprocess.run(
            ["systemd-analyze", "calendar", calendar], capture_output=True, check=False
        ).returncode
        == 0
    )


def test_the_cron_line_runs_a_night_and_mails_only_when_one_fails(installed) -> None:
    (line,) = [
        line
        for line in (DEPLOY / "cron" / "aerial-depth-nightly").read_text().splitlines()
        if re.match(r"[\d*]", line)
    ]
    *when, user, command = line.split(None, 6)
    assert (
        [field == "*" or field.isdigit() for field in when] == [True] * 5
        and user == "aerial"
        and "%" not in command
    )
    command = command.replace(PLACE, str(installed))

    def run() -> str:
        return subprocess.run(
            ["sh", "-c", command],
            cwd="/",
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert run() == ""
    assert (installed / "called").read_text() == f"{installed} {NIGHT}\n"
    (installed / "fail").touch()
    assert run() == "a night\na night\n"  # both are in the log
