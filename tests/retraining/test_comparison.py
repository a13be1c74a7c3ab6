"""Champion and challenger on the same held-out images."""

import numpy as np
import pytest
from tests.worlds.evaluation_scenes import index_of, relief, write_scene

from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.retraining.challenger import Challenger, judge
from aerial_depth_pipeline.retraining.comparison import comparison_picture, measure_hold_out
from aerial_depth_pipeline.retraining.decision import decide
from aerial_depth_pipeline.retraining.plan import Plan, SceneRecord
from aerial_depth_pipeline.retraining.settings import NightlySettings

DEPTHS = [relief(index) for index in range(6)]
SETTINGS = EvaluationSettings(workers=1)


def wrong_by(share: float):
    """A model whose depth is wrong by a share, here too near and there too far; in units of its
    own."""
    sign = np.where(np.indices(DEPTHS[0].shape).sum(0) // 8 % 2, 1, -1)
    return lambda image: 7 * DEPTHS[index_of(image)] * (1 + share * sign)


@pytest.fixture
def hold_out(tmp_path):
    return {
        "town": {"a": write_scene(tmp_path / "town", DEPTHS)},
        "rural": {"b": write_scene(tmp_path / "rural", DEPTHS[:2])},
    }


def test_errors_are_paired_by_image_and_kept_apart_by_domain(hold_out) -> None:
    measured = measure_hold_out(wrong_by(0.2), wrong_by(0.1), hold_out, {}, SETTINGS)
    errors = measured.errors()
    assert {domain: len(pairs) for domain, pairs in errors.items()} == {"town": 6, "rural": 2}
    np.testing.assert_allclose(errors["town"]["incumbent"], 0.2, atol=0.03)
    np.testing.assert_allclose(errors["town"]["challenger"], 0.1, atol=0.03)
    assert decide(errors, {}, NightlySettings()).promote
    backwards = measure_hold_out(wrong_by(0.1), wrong_by(0.2), hold_out, {}, SETTINGS).errors()
    assert not decide(backwards, {}, NightlySettings()).promote
    picture = comparison_picture(wrong_by(0.2), wrong_by(0.1), measured)
    assert picture.startswith(b"\x89PNG")


def test_a_first_model_is_measured_beside_a_baseline(hold_out) -> None:
    constant = measure_hold_out(None, wrong_by(0.02), hold_out, {}, SETTINGS).errors()
    assert decide(constant, {}, NightlySettings(), margin=0.0).promote
    poor = measure_hold_out(None, wrong_by(0.6), hold_out, {}, SETTINGS).errors()
    assert not decide(poor, {}, NightlySettings(), margin=0.0).promote
    mean_map = measure_hold_out(
        None, wrong_by(0.02), hold_out, hold_out, SETTINGS, "mean_depth_map"
    ).errors()
    assert mean_map["town"]["incumbent"].mean() < constant["town"]["incumbent"].mean()


def test_a_challenger_without_depth_and_a_scene_without_references(hold_out, caplog) -> None:
    def silent(image):
        return np.full(DEPTHS[0].shape, np.nan) if index_of(image) == 3 else wrong_by(0.1)(image)

    measured = measure_hold_out(
        wrong_by(0.2), silent, hold_out | {"empty": {"c": []}}, {}, SETTINGS
    )
    pairs = measured.errors()["town"]
    assert pairs["incumbent"].notna().all() and np.isnan(pairs["challenger"].iloc[3])
    assert "empty: none of the held-out frames has reference depth" in caplog.text
    assert "no depth for 1 images" in decide(measured.errors(), {}, NightlySettings()).reasons[0]
    nothing = measure_hold_out(wrong_by(0.2), wrong_by(0.1), {"empty": {"c": []}}, {}, SETTINGS)
    assert (
        nothing.errors() == {} and comparison_picture(wrong_by(0.2), wrong_by(0.1), nothing) is None
    )


def test_metres_are_compared_where_both_models_have_them(hold_out) -> None:
    class Model:
        def __init__(self, unit: str) -> None:
            self.metadata = {"unit": unit}

        def __call__(self, image):
            return wrong_by(0.1)(image)

    both = measure_hold_out(Model("metres"), Model("metres"), hold_out, {}, SETTINGS)
    np.testing.assert_allclose(
        both.errors(metres=True)["town"][["incumbent", "challenger"]], 6, atol=1
    )
    one = measure_hold_out(Model("metres"), Model("training units"), hold_out, {}, SETTINGS)
    assert one.errors(metres=True) == {} and len(one.errors()["town"]) == 6


@pytest.mark.parametrize(("keep", "promoted"), [(True, False), (False, True)])
def test_a_challenger_that_loses_the_champion_s_metres(hold_out, keep, promoted) -> None:
    class Model:
        def __init__(self, share: float, unit: str) -> None:
            self.metadata, self.predict = {"unit": unit}, wrong_by(share)

        def __call__(self, image):
            return self.predict(image)

    targets = {
        "town/a": SceneRecord("new", [1], [], [0]),
        "rural/b": SceneRecord("n", [1], [], [0]),
    }
    plan = Plan("night", "1", targets, {}, {}, {}, {})
    challenger = Challenger(Model(0.1, "training units"), Model(0.2, "metres"))
    references_of = {name: lambda _, scenes=scenes: scenes for name, scenes in hold_out.items()}
    settings = NightlySettings(keep_metres=keep)
    decision = judge(plan, challenger, references_of, settings, SETTINGS).decision
    assert decision.promote == promoted
    assert ("lost the champion's metres" in decision.reasons[0]) == keep
