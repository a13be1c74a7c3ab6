"""The oracle plane is the best one, on the pixels that are measured."""

import numpy as np
import pytest
from tests.worlds.evaluation_scenes import write_scene

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.methods.baselines import tilted_plane
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings

HEIGHT, WIDTH = 48, 80


def ground(relief: float, seed: int = 0) -> np.ndarray:
    """Depth of tilted ground with blocks on it, up to `relief` of the distance high."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    plane = 1 / (0.01 + 0.02 * rows / HEIGHT + 0.002 * columns / WIDTH)
    heights = np.kron(rng.uniform(0, relief, (HEIGHT // 8, WIDTH // 8)), np.ones((8, 8)))
    return (plane * (1 - heights)).astype(np.float32)


def abs_rel(prediction: np.ndarray, reference: np.ndarray) -> float:
    return float((np.abs(prediction - reference) / reference).mean())


def test_a_plane_is_found_exactly():
    depth = ground(0.0)
    np.testing.assert_allclose(tilted_plane(depth), depth, rtol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_plane_has_a_lower_abs_rel(seed):
    depth = ground(0.5, seed)
    best = tilted_plane(depth)
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    rays = np.stack([u / WIDTH - 0.5, v / HEIGHT - 0.5, np.ones_like(u)], -1).reshape(-1, 3)
    fitted = np.linalg.lstsq(rays, 1 / best.reshape(-1).astype(float), rcond=None)[0]
    rng = np.random.default_rng(seed)
    for size in (0.3, 0.1, 0.03, 0.01):
        for _ in range(100):
            plane = rays @ (fitted * (1 + size * rng.normal(size=3)))
            other = 1 / np.maximum(plane, 1e-6).reshape(HEIGHT, WIDTH)
            assert abs_rel(best, depth) < abs_rel(other, depth) + 1e-4


def test_a_plane_has_no_skill_under_a_cap(tmp_path):
    depth = ground(0.6)
    cap = float(np.median(depth))
    references = write_scene(tmp_path, [depth])
    flat = tilted_plane(np.where(depth <= cap, depth, 0))
    settings = EvaluationSettings(caps=[cap], bootstrap_samples=0, size=[40, 24])
    table = measure(lambda image: flat, {"flight": references}, {}, "town", settings).table
    skill = table.query(
        "contestant == 'model' and metric == 'skill_over_plane' and scene == 'all'"
        " and alignment == 'none'"
    ).set_index("cap")["value"]
    assert skill[f"{cap:g}"] == pytest.approx(0, abs=1e-4)
    assert skill["none"] < 0
