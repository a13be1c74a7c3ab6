"""The scene on which terms and augmentation are tried."""

from collections.abc import Iterator
from functools import partial

import pytest
from tests.worlds.loss_scene import rendered_triplet

from aerial_depth_pipeline.training import scene_scale
from aerial_depth_pipeline.training.samples import Triplet


@pytest.fixture(scope="session")
def scene():
    return rendered_triplet()


def _remembered(measure, known: dict, scene: str, triplets: list[Triplet]) -> float:
    key = (scene, *((t.image, t.T_S44.tobytes(), t.usable_S.tobytes()) for t in triplets))
    if key not in known:
        known[key] = measure(scene, triplets)
    return known[key]


@pytest.fixture(scope="module", autouse=True)
def depths_are_measured_once() -> Iterator[None]:
    """The plane sweeps before the first step, a third of a short training, are the same for every
    training on the same files."""
    with pytest.MonkeyPatch.context() as patch:
        measure = partial(_remembered, scene_scale._median_depth, {})
        patch.setattr(scene_scale, "_median_depth", measure)
        yield
