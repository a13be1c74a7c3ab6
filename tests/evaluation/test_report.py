import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from evaluation_scenes import index_of, relief, write_scene

from aerial_depth_pipeline.evaluation.evaluate import COLUMNS
from aerial_depth_pipeline.evaluation.report import write_report
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings

SETTINGS = EvaluationSettings(bootstrap_samples=20, size=[40, 24])


def model(image):
    return relief(index_of(image), seed=9)


class Addresses(HTMLParser):
    """Collects whatever a browser would load, and whether tags are balanced."""

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action", "poster")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def report(tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    test = {
        "town": {"a": write_scene(tmp_path / "a", [relief(i) for i in range(3)])},
        "land": {"<b> & co": write_scene(tmp_path / "b", [relief(i, 5) for i in range(2)], "plane_sweep", metric=False)},
    }
    train = {"town": {"c": write_scene(tmp_path / "c", [relief(7)])}}
    return folder, write_report(model, test, train, SETTINGS, folder)


def test_the_report_holds_tables_pictures_and_metrics(report):
    folder, metrics = report
    table = pd.read_csv(folder / "evaluation.csv")
    assert list(table.columns) == COLUMNS
    assert set(table["domain"]) == {"town", "land"}
    assert set(table["alignment"]) == set(SETTINGS.alignments) and set(table["cap"]) == {"none"}  # not read as missing values
    row = table.query(
        "contestant == 'model' and domain == 'land' and scene == 'all' and metric == 'abs_rel' and alignment == 'median_per_image'"
    )
    assert metrics["land/median_per_image/abs_rel"] == pytest.approx(row["value"].item())
    assert "mean_depth_map" in set(table[table["domain"] == "town"]["contestant"])
    for name in ("evaluation_panels.png", "evaluation.md", "evaluation.tex", "evaluation_per_image.csv"):
        assert (folder / name).stat().st_size > 100


def test_the_page_loads_nothing_from_outside_and_escapes_names(report):
    folder, _ = report
    html = (folder / "evaluation.html").read_text(encoding="utf-8")
    addresses = Addresses()
    addresses.feed(html)
    assert addresses.open == []
    assert addresses.found and all(address.startswith(("data:image/", "#")) for address in addresses.found)
    assert not re.search(r"@import|url\(|<script", html)
    assert "<b> & co" not in html and "&lt;b&gt; &amp; co" in html
    assert np.char.count(html, "<table") >= len(SETTINGS.alignments) * 2
