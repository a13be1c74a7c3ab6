"""docs/extending.md: a metric is a row."""

import numpy as np
import pytest
from tests.worlds.evaluation_scenes import index_of, relief, write_scene

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.measuring.metrics import METRICS, Metric
from aerial_depth_pipeline.evaluation.report.tables import format_latex, format_markdown
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings

ROW = Metric(
    "within_5pct", "within 5 %", "high", lambda e: float((e.relative_N < 0.05).mean()), shown=True
)


@pytest.fixture(autouse=True)
def registered():
    METRICS.append(ROW)
    yield
    METRICS.remove(ROW)


def test_a_row_is_measured_averaged_and_best_where_it_is_high(tmp_path):
    depths = [relief(index) for index in range(4)]
    references = write_scene(tmp_path / "flight", depths)
    noise = np.random.default_rng(0).uniform(0.9, 1.1, depths[0].shape)
    settings = EvaluationSettings(bootstrap_samples=20)
    measured = measure(
        lambda image: depths[index_of(image)] * noise, {"flight": references}, {}, "town", settings
    )
    rows = measured.table.query("metric == 'within_5pct' and scene == 'all' and cap == 'none'")
    value = rows.set_index(["contestant", "alignment"])["value"]
    assert value["model", "median_per_image"] == pytest.approx(0.5, abs=0.05)
    assert value["constant", "median_per_image"] < 0.4
    metrics = ("within_5pct",)
    table = format_markdown(measured.table, "town", "median_per_image", metrics=metrics)
    model = next(line for line in table.splitlines() if line.startswith("| `model`"))
    assert "| method | within 5 % |" in table and "**" in model  # the highest is the best
    latex = format_latex(measured.table, "town", "median_per_image", metrics=metrics)
    assert r"within 5 \%" in latex
    assert "within 5 % |" in format_markdown(measured.table, "town", "none")  # the main table
