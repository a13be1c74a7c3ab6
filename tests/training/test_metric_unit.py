"""A model is metric only where its scenes agree on what a training unit is."""

from pathlib import Path

import numpy as np
import pytest

from aerial_depth_pipeline.training.samples import Triplet
from aerial_depth_pipeline.training.scene_scale import metres_per_unit


def scene(name: str, step_metres: float, count: int = 5) -> list[Triplet]:
    """Triplets with unit translations whose steps are so many metres long."""
    T = np.tile(np.eye(4), (2, 1, 1))
    T[:, 0, 3] = -1, 1
    lengths = np.full(2, step_metres)
    unknown = np.full(3, np.nan)
    usable = np.ones(2, bool)
    triplet = Triplet(name, Path(), np.eye(3), T, usable, lengths, np.ones(2), unknown)
    return [triplet] * count


def unit_of(*scenes: list[Triplet], factors: dict[str, float]):
    return metres_per_unit([triplet for scene in scenes for triplet in scene], factors)


def test_scenes_at_one_height_make_a_metric_model():
    unit = unit_of(scene("t/a", 2.0), scene("t/b", 2.1), factors={"t/a": 0.05, "t/b": 0.05})
    assert unit.metres == pytest.approx(41, rel=1e-9) and unit.spread == pytest.approx(2 / 41)
    assert unit.by_scene == pytest.approx({"t/a": 40, "t/b": 42})


def test_scenes_at_different_heights_make_none():
    # Each is scaled to the network's depth of 1: 20 m and 100 m are both predicted as 1.
    unit = unit_of(scene("t/a", 2.0), scene("t/b", 2.0), factors={"t/a": 1 / 10, "t/b": 1 / 50})
    assert unit.metres is None and unit.by_scene == pytest.approx({"t/a": 20, "t/b": 100})


def test_a_triplet_without_telemetry_changes_nothing():
    known, unknown = scene("t/a", 2.0), scene("t/b", np.nan, count=1)
    unit = unit_of(known, unknown, factors={"t/a": 0.05, "t/b": 1.0})
    assert unit.metres == pytest.approx(40)


def test_metres_of_a_few_say_nothing_about_the_rest():
    known, unknown = scene("t/a", 2.0, count=2), scene("t/b", np.nan, count=9)
    assert unit_of(known, unknown, factors={"t/a": 0.05, "t/b": 1.0}).metres is None
    assert unit_of(unknown, factors={"t/b": 1.0}).metres is None
