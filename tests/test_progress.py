"""Bars appear after two seconds, and leave lines in a log."""

import io
import sys

from aerial_depth_pipeline import progress


def test_quick_work_shows_nothing(capsys) -> None:
    assert list(progress.progress(range(3), "quick")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_log_gets_lines(monkeypatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.progress_bar(None, "slow", total=2) as bar:
        bar.delay = 0
        bar.update(1)
        bar.refresh()
    lines = stream.getvalue().splitlines()
    assert any(line.startswith("slow:  50%") for line in lines) and "\r" not in stream.getvalue()
