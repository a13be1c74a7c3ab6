"""Nothing that a recipe registers stays."""

import pytest

from aerial_depth_pipeline.capture.sources import SOURCES
from aerial_depth_pipeline.evaluation.measuring.metrics import METRICS
from aerial_depth_pipeline.mvs.backend_table import BACKENDS
from aerial_depth_pipeline.training.batch import FIELDS
from aerial_depth_pipeline.training.terms import TERMS


@pytest.fixture(autouse=True)
def tables_as_before():
    lists, mappings = (SOURCES, METRICS, TERMS), (BACKENDS, FIELDS)
    before = [list(table) for table in lists], [dict(table) for table in mappings]
    yield
    for table, rows in zip(lists, before[0], strict=True):
        table[:] = rows
    for mapping, rows in zip(mappings, before[1], strict=True):
        mapping.clear()
        mapping.update(rows)
