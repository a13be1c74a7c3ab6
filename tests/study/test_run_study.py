"""All cells of a study: kept, failed, several at a time; and the budget that is said beforehand."""

import logging

import pytest
from tests.study.test_cells import cell

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.study import budget
from aerial_depth_pipeline.study.run_study import Workshop, run_study


def workshop(domains, measuring, folder, workers=1) -> Workshop:
    def remake(triplets, names):
        raise UserError("no frame is so far from another")

    return Workshop(folder, domains, measuring, remake, workers)


@pytest.fixture(scope="module")
def cells():
    plain = cell("near", samples=2)
    impossible = cell("near", samples=2, triplets={"frame_offset": 99})
    return {
        "plain": plain,
        "impossible": impossible,
        "after": cell("far", samples=2, start=impossible),
    }


def test_a_failure_is_told_and_the_rest_stands_and_is_kept(
    cells, domains, measuring, tmp_path, caplog
):
    with caplog.at_level(logging.INFO):
        outcomes = run_study(list(cells.values()), workshop(domains, measuring, tmp_path))
    found = {name: outcomes[c.fingerprint] for name, c in cells.items()}
    assert found["plain"].result["samples"] == 2
    assert (
        found["impossible"].result is None
        and found["impossible"].reason == "no frame is so far from another"
    )
    assert "the model it starts from" in found["after"].reason
    assert "is left out: no frame is so far from another" in caplog.text
    before = (tmp_path / cells["plain"].fingerprint / "result.json").stat().st_mtime_ns
    run_study(list(cells.values()), workshop(domains, measuring, tmp_path))
    assert (tmp_path / cells["plain"].fingerprint / "result.json").stat().st_mtime_ns == before


def test_the_budget_is_measured_and_said_beforehand(cells, domains, measuring, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        seconds = budget.announce(
            [cells["plain"], cell("near", samples=200)], workshop(domains, measuring, tmp_path)
        )
    assert "Study: 2 runs, 0 of them finished already." in caplog.text
    assert (
        "Study: 1 runs of 200 samples." in caplog.text
        and "at the speed measured on this machine" in caplog.text
    )
    twice = budget.announce(
        [cells["plain"], cell("near", samples=400)], workshop(domains, measuring, tmp_path)
    )
    assert 0 < seconds < twice < 2 * seconds + 1


@pytest.mark.slow
def test_cells_run_side_by_side_with_the_same_results(cells, domains, measuring, tmp_path):
    wanted = [cells["plain"], cell("far", samples=2)]
    together = run_study(wanted, workshop(domains, measuring, tmp_path / "two", workers=2))
    alone = run_study(wanted, workshop(domains, measuring, tmp_path / "one"))
    assert len(together) == 2
    for c in wanted:
        assert [row["value"] for row in together[c.fingerprint].result["rows"]] == [
            row["value"] for row in alone[c.fingerprint].result["rows"]
        ]
