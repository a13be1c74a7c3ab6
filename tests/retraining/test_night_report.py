"""The page of a night."""

import json

import numpy as np
import pandas as pd

from aerial_depth_pipeline.reporting.page import Figure
from aerial_depth_pipeline.retraining.challenger import Judgement
from aerial_depth_pipeline.retraining.decision import Decision, decide
from aerial_depth_pipeline.retraining.night_report import write_night
from aerial_depth_pipeline.retraining.plan import SceneRecord, plan_night
from aerial_depth_pipeline.retraining.settings import NightlySettings

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
A, B = SceneRecord("a1", [1, 2, 3], [], [5, 6]), SceneRecord("b1", [1, 2], [], [4])


def night(tmp_path, change: float):
    plan = plan_night("2026-11-23T02-00-00", {"town/a": A, "town/b": B}, "3", {"town/a": A}, {})
    challenger = 0.2 * (1 + change) + 0.001 * np.arange(9)
    new = pd.DataFrame({"scene": "b", "incumbent": 0.2, "challenger": challenger})
    decision = decide({"town": new}, {"town": new}, NightlySettings())
    curve = {"train/total": [(1, 0.5), (40, 0.25)]}
    judgement = Judgement(decision, [Figure("Both", PNG)], "champion")
    left_out = {"town/z": "triplets: no | source"}
    content = write_night(tmp_path / "x", plan, curve, judgement, "4", left_out)
    return content, tmp_path / "x"


def test_page_markdown_and_table_say_the_same(tmp_path) -> None:
    content, folder = night(tmp_path, -0.3)
    assert (
        content == json.loads((folder / "night.json").read_text())
        and content["outcome"] == "promote"
    )
    page, text = (folder / "night.html").read_text(), (folder / "night.md").read_text()
    for form in (page, text):
        assert "Version 4 learned from 1 scene and takes the place of version 3." in form
        assert (
            "town/b" in form
            and "town/z" in form
            and "0.5000" in form
            and "−" not in content["message"]
        )
    assert "data:image/png" in page and "http" not in page.replace("http-equiv", "")
    assert "![Both](picture_1.png)" in text and (folder / "picture_1.png").read_bytes() == PNG
    assert all(
        line.count("|") == 3 for line in text.splitlines() if "town/z" in line
    )  # a bar in a reason does not break the table


def test_a_refusal_gives_its_reasons(tmp_path) -> None:
    content, folder = night(tmp_path, 0.1)
    assert content["outcome"] == "refuse" and "version 3 stays in service" in content["message"]
    assert len(content["reasons"]) == 3  # the new, the old, and the old domain
    assert all(reason in (folder / "night.md").read_text() for reason in content["reasons"])


def test_a_night_without_news_names_what_waits(tmp_path) -> None:
    plan = plan_night(
        "nothing_new", {"town/a": A, "town/b": B}, "3", {"town/a": A}, {("town/b", "b1"): "4"}
    )
    left_out = {"town/z": "triplets: none"}
    content = write_night(
        tmp_path / "x", plan, {}, Judgement(Decision(False, [], {})), None, left_out
    )
    assert content["outcome"] == "nothing new" and not content["reasons"]
    assert (
        content["message"]
        == "Nothing new to learn: version 3 knows all 1 scenes; set aside: town/b; left out:"
        " town/z."
    )
    assert "version 4 learned from it" in (tmp_path / "x" / "night.md").read_text()
