"""How a night tells the outside what became of it."""

import json
import shlex
import sys
from types import SimpleNamespace

import pytest

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.pipelines.nightly.night_hook import EXIT_BUSY, EXIT_REFUSED, NightHook

TOLD = """
import json, os, sys
facts = {name[13:]: value for name, value in os.environ.items() if name.startswith("AERIAL_NIGHT_")}
json.dump(facts, open(sys.argv[1], "w"))
"""
NIGHT = SimpleNamespace(all_outputs=lambda: {"night_outcome", "night_reports"})


@pytest.fixture
def begun(tmp_path):
    """A hook in whose night the nodes are about to run, what its command was told, and how to begin
    another one."""
    command = shlex.join([sys.executable, "-c", TOLD, str(tmp_path / "told.json")])

    def begin(**settings) -> NightHook:
        content = {
            "params:nightly": {"command": command, **settings},
            "params:work_folder": "work",
            "params:reporting_folder": "data/08_reporting",
        }
        hook = NightHook()
        hook.before_pipeline_run(
            {"project_path": str(tmp_path)}, NIGHT, SimpleNamespace(load=content.__getitem__)
        )
        return hook

    return begin, lambda: json.loads((tmp_path / "told.json").read_text())


def ended(outcome: str) -> dict:
    report = {
        "outcome": outcome,
        "message": "It is done.",
        "champion": "1",
        "version": "2",
        "folder": "night",
    }
    return {"night_outcome": SimpleNamespace(load=lambda: report)}


def test_a_promotion_is_told_and_ends_well(begun) -> None:
    begin, told = begun
    begin().after_pipeline_run(ended("promote"))
    assert told() == {
        "OUTCOME": "promoted",
        "MESSAGE": "It is done.",
        "EXIT_CODE": "0",
        "CHAMPION": "1",
        "VERSION": "2",
        "REPORT": "data/08_reporting/nightly/night/night.html",
    }


def test_a_refusal_has_its_own_exit_code(begun) -> None:
    begin, told = begun
    with pytest.raises(SystemExit) as end:
        begin().after_pipeline_run(ended("refuse"))
    assert (
        end.value.code == EXIT_REFUSED
        and told()["OUTCOME"] == "refused"
        and told()["EXIT_CODE"] == "3"
    )


def test_a_failure_is_told_with_its_sentence_and_only_once(begun, tmp_path) -> None:
    begin, told = begun
    hook = begin()
    error = RuntimeError("while a node ran")
    error.__cause__ = UserError("The disk is full.")
    hook.on_pipeline_error(error)
    assert (
        told()["OUTCOME"] == "failed"
        and told()["MESSAGE"] == "The disk is full."
        and told()["REPORT"] == ""
    )
    (tmp_path / "told.json").unlink()
    hook._end("failed", "The night was interrupted.", {}, 1)  # what happens when the process ends
    assert not (tmp_path / "told.json").exists()


def test_a_second_night_leaves_until_the_first_has_ended(begun, capsys) -> None:
    begin, _ = begun
    first = begin()
    with pytest.raises(SystemExit) as end:
        begin()
    assert end.value.code == EXIT_BUSY and "Another night is at work" in capsys.readouterr().err
    first.after_pipeline_run(ended("nothing new"))
    begin().after_pipeline_run(ended("nothing new"))


@pytest.mark.parametrize(
    "command", ["/no/such/program", "'unbalanced", f"{sys.executable} -c 'raise SystemExit(5)'"]
)
def test_a_command_that_fails_changes_nothing(begun, caplog, command) -> None:
    begin, _ = begun
    begin(command=command).after_pipeline_run(ended("promote"))
    assert "nightly.command" in caplog.text


def test_runs_that_promote_nothing_pass_untouched(tmp_path) -> None:
    hook = NightHook()
    hook.before_pipeline_run(
        {"project_path": str(tmp_path)}, SimpleNamespace(all_outputs=lambda: {"depth_model"}), None
    )
    hook.after_pipeline_run({})
    hook.on_pipeline_error(RuntimeError())
    assert not list(tmp_path.iterdir())
