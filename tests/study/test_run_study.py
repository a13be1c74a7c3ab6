"""All runs of a study: kept, failed, several at a time; and what the log says of the time."""

import dataclasses
import logging
import re
from contextlib import nullcontext

import pytest
from tests.study.test_run import run

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.study.run_study import Workshop, run_study


def workshop(domains, measuring, folder, workers=1) -> Workshop:
    def remake(triplets, names):
        raise UserError("no frame is so far from another")

    return Workshop(folder, domains, measuring, remake, workers)


@pytest.fixture(scope="module")
def runs():
    plain = run("near", samples=2)
    impossible = run("near", samples=2, triplets={"frame_offset": 99})
    return {
        "plain": plain,
        "impossible": impossible,
        "after": run("far", samples=2, start=impossible),
    }


def test_a_failure_is_told_and_the_rest_stands_and_is_kept(
    runs, domains, measuring, tmp_path, caplog
):
    with caplog.at_level(logging.INFO):
        outcomes = run_study(list(runs.values()), workshop(domains, measuring, tmp_path))
    found = {name: outcomes[c.fingerprint] for name, c in runs.items()}
    assert found["plain"].result["samples"] == 2
    assert (
        found["impossible"].result is None
        and found["impossible"].reason == "no frame is so far from another"
    )
    assert "the model it starts from" in found["after"].reason
    assert "is left out: no frame is so far from another" in caplog.text
    before = (tmp_path / runs["plain"].fingerprint / "result.json").stat().st_mtime_ns
    run_study(list(runs.values()), workshop(domains, measuring, tmp_path))
    assert (tmp_path / runs["plain"].fingerprint / "result.json").stat().st_mtime_ns == before


def test_the_log_tells_how_many_runs_there_are_and_how_long_the_rest_takes(
    runs, domains, measuring, tmp_path, caplog
):
    plans = [runs["plain"], run("far", samples=2_000_000)]
    done = run_study(plans[:1], workshop(domains, measuring, tmp_path))
    (tmp_path / plans[0].fingerprint / "result.json").unlink()

    class Unfinished(Exception):
        pass

    class Observer:
        def running(self, planned):
            if planned is plans[1]:
                raise Unfinished
            return nullcontext()

        def finished(self, planned, result):
            assert result["rows"] and planned.label == done[planned.fingerprint].run.label

    with caplog.at_level(logging.INFO):
        run_study(
            plans, dataclasses.replace(workshop(domains, measuring, tmp_path), observer=Observer())
        )
    assert "Study: 2 runs, 0 of them finished already." in caplog.text
    assert re.search(r"Run 1 of 2, .* is done, .*; about \d+ minutes to go", caplog.text)
    assert "is left out: unexpected Unfinished" in caplog.text


@pytest.mark.slow
def test_runs_go_side_by_side_with_the_same_results(runs, domains, measuring, tmp_path):
    wanted = [runs["plain"], run("far", samples=2)]
    together = run_study(wanted, workshop(domains, measuring, tmp_path / "two", workers=2))
    alone = run_study(wanted, workshop(domains, measuring, tmp_path / "one"))
    assert len(together) == 2
    for c in wanted:
        assert [row["value"] for row in together[c.fingerprint].result["rows"]] == [
            row["value"] for row in alone[c.fingerprint].result["rows"]
        ]
