"""Evaluating many images takes memory that does not grow with their number (speed:
`benchmarks/evaluation.py`)."""

import tracemalloc

import numpy as np
import pytest
from tests.worlds.evaluation_scenes import relief, write_scene

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings

SETTINGS = EvaluationSettings(workers=2)


@pytest.fixture(scope="module")
def flight(tmp_path_factory):
    """As many references of 768×448 as one wants, over eight files."""
    files = write_scene(
        tmp_path_factory.mktemp("speed") / "flight", [relief(i, 0, 448, 768) for i in range(8)]
    )

    def references(count):
        return [
            Reference(i, files[i % 8].image, files[i % 8].depth, "exact", True)
            for i in range(count)
        ]

    return references


def evaluate(references):
    slope = np.repeat(np.linspace(90, 30, 448, dtype=np.float32)[:, None], 768, 1)
    return measure(
        lambda image: slope, {"flight": references}, {"other": references[:2]}, "town", SETTINGS
    )


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(flight):
    peaks = []
    evaluate(flight(4))
    for count in (8, 40):
        tracemalloc.start()
        evaluate(flight(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    image = 448 * 768 * 4
    assert peaks[1] - peaks[0] < 2 * image, f"peaks {peaks}: 32 more images of {image} bytes"
