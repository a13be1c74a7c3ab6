"""Every outcome of the decision between champion and challenger."""

import numpy as np
import pandas as pd
import pytest

from aerial_depth_pipeline.retraining.decision import compare, decide
from aerial_depth_pipeline.retraining.settings import NightlySettings

SETTINGS = NightlySettings(margin=0.02, tolerance=0.02, minimum_images=5)


def table(pairs_N2: np.ndarray, scenes: int = 3) -> pd.DataFrame:
    """Errors as `decide` takes them, of images that follow each other in scenes."""
    names = [f"scene {scene}" for scene in np.arange(len(pairs_N2)) * scenes // len(pairs_N2)]
    return pd.DataFrame(pairs_N2, columns=["incumbent", "challenger"]).assign(scene=names)


def errors(
    images: int, change: float, noise: float = 0.01, seed: int = 0, scenes: int = 3
) -> pd.DataFrame:
    """Errors of a challenger that changes abs_rel by a share, differently on every image."""
    generator = np.random.default_rng(seed)
    incumbent = generator.uniform(0.05, 0.4, images)
    changes = 1 + change + noise * generator.standard_normal(images)
    return table(np.stack([incumbent, incumbent * changes], 1), scenes)


def test_better_on_the_new_and_no_worse_on_the_old_is_promoted() -> None:
    decision = decide(
        {"town": errors(30, -0.2)}, {"town": errors(40, 0.0), "rural": errors(30, -0.05)}, SETTINGS
    )
    assert decision.promote and "better on the new scenes" in decision.reasons[0]
    assert set(decision.figures) == {"new", "old", "old/town", "old/rural"}
    new = decision.figures["new"]
    assert (
        new.change == pytest.approx(-0.2, abs=0.01)
        and new.low < new.change < new.high < -0.15
        and new.images == 30
    )


def test_better_by_less_than_the_margin_is_refused() -> None:
    decision = decide(
        {"town": errors(30, -0.015, noise=0.001)}, {"town": errors(40, 0.0, noise=0.001)}, SETTINGS
    )
    assert decision.figures["new"].high < 0  # better beyond doubt, but not by enough
    assert not decision.promote and "by 2.0 %" in decision.reasons[0]


def test_a_gain_that_may_be_luck_is_refused() -> None:
    changes = np.array([-0.6, -0.5, -0.4, 0.3, 0.3, 0.1])
    lucky = table(np.stack([np.full(6, 0.2), 0.2 * (1 + changes)], 1))
    decision = decide({"town": lucky}, {}, SETTINGS)
    assert decision.figures["new"].change < -0.02 < decision.figures["new"].high
    assert not decision.promote and "not surely better" in decision.reasons[0]


def test_the_interval_is_paired() -> None:
    """Images differ by far more than the models do; on the same images the difference is certain
    all the same."""
    assert decide({"town": errors(30, -0.05, noise=0.01)}, {}, SETTINGS).promote


@pytest.mark.parametrize("old", [errors(40, 0.1), errors(40, 0.019, noise=0.2)])
def test_worse_on_the_old_or_perhaps_worse_is_refused(old) -> None:
    decision = decide({"town": errors(30, -0.2)}, {"town": old}, SETTINGS)
    assert not decision.promote and len(decision.reasons) >= 1
    assert any("old hold-out" in reason for reason in decision.reasons)


def test_a_lost_domain_is_not_hidden_by_a_larger_one() -> None:
    decision = decide(
        {"town": errors(30, -0.2)},
        {"town": errors(600, -0.2, scenes=30), "rural": errors(20, 0.2)},
        SETTINGS,
    )
    assert decision.figures["old"].high < SETTINGS.tolerance
    assert not decision.promote and "old domain rural" in decision.reasons[0]


@pytest.mark.parametrize(("new", "old"), [(4, 40), (0, 40), (30, 4)])
def test_too_few_images_are_no_evidence(new, old) -> None:
    decision = decide({"town": errors(new, -0.5)}, {"town": errors(old, -0.5)}, SETTINGS)
    assert not decision.promote and "are needed to tell skill from luck" in decision.reasons[0]


def test_without_an_old_hold_out_the_new_decide_and_the_reason_says_so() -> None:
    decision = decide({"town": errors(30, -0.2)}, {}, SETTINGS)
    assert decision.promote and "no old hold-out" in decision.reasons[0]


def test_a_challenger_that_falls_silent_is_refused() -> None:
    silent = errors(30, -0.2)
    silent.loc[3, "challenger"] = np.nan
    assert "no depth for 1 images" in decide({"town": silent}, {}, SETTINGS).reasons[0]
    unmeasured = errors(30, -0.2)
    unmeasured.loc[3, ["incumbent", "challenger"]] = (
        np.nan
    )  # neither: says nothing of the challenger
    assert decide({"town": unmeasured}, {}, SETTINGS).promote


def test_a_first_model_must_only_be_better_than_the_baseline() -> None:
    assert decide({"town": errors(30, -0.01, noise=0.002)}, {}, SETTINGS, margin=0.0).promote
    assert not decide({"town": errors(30, 0.01)}, {}, SETTINGS, margin=0.0).promote


def test_the_decision_does_not_depend_on_chance_beyond_the_seed() -> None:
    first, again = (decide({"town": errors(30, -0.03, noise=0.05)}, {}, SETTINGS) for _ in range(2))
    assert first == again
    assert compare(table(np.empty((0, 2))), SETTINGS) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"replay": 1.0},
        {"hold_out": 0.0},
        {"margin": -0.1},
        {"registered_model": "a/b"},
        {"minimum_images": 1},
        {"wait_seconds": -1},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NightlySettings(**wrong)


def test_without_a_true_gain_at_most_one_night_in_twenty_promotes() -> None:
    """A challenger as good as the champion, whose errors differ by 5 % from scene to scene."""
    generator = np.random.default_rng(3)
    promoted, nights = 0, 300
    settings = SETTINGS.model_copy(update={"bootstrap_samples": 300})
    for _ in range(nights):
        scenes = int(generator.integers(2, 6))
        of_scene = np.repeat(1 + 0.05 * generator.standard_normal(scenes), 12)
        changes = of_scene + 0.01 * generator.standard_normal(len(of_scene))
        incumbent = generator.uniform(0.05, 0.4, len(of_scene))
        new = table(np.stack([incumbent, incumbent * changes], 1), scenes)
        promoted += decide({"town": new}, {}, settings, margin=0.0).promote
    assert promoted <= 0.05 * nights


def test_a_challenger_whose_metres_are_worse_is_refused() -> None:
    """Median alignment forgives a wrong scale."""
    new, old = {"town": errors(30, -0.2)}, {"town": errors(40, 0.0)}
    decision = decide(new, old, SETTINGS, metres={"town": errors(40, 0.5)})
    assert not decision.promote and "Its metres are surely worse" in decision.reasons[0]
    assert decide(new, old, SETTINGS, metres={"town": errors(40, -0.1)}).promote
