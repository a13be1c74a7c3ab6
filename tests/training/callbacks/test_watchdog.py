"""Every fault that the watchdog knows, provoked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tests.worlds.tiny_world import write_domain

from aerial_depth_pipeline.geometry.poses import rotation_from_axis_angle
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.training import fit as fit_module
from aerial_depth_pipeline.training.callbacks.watchdog import TrainingFault, Watchdog
from aerial_depth_pipeline.training.fit import check_calibration
from aerial_depth_pipeline.training.probe import Probe
from aerial_depth_pipeline.training.settings import (
    AugmentationSettings,
    LossSettings,
    PoseSettings,
    TrainSettings,
    WatchdogSettings,
)
from aerial_depth_pipeline.training.train import train

HEALTHY = {
    "total": 0.1,
    "warped": 0.1,
    "unwarped": 0.3,
    "used": 0.9,
    "relief": 0.3,
    "at_an_end": 0.0,
    "motion": 0.05,
}


def watch(steps=60, warm_up=0, correlation=None, **wrong):
    """The fault found, and the step at which it was found, in a training whose figures are `wrong`
    from step 10 on."""
    watchdog = Watchdog(WatchdogSettings(), warm_up)
    for step in range(1, steps + 1):
        fault = watchdog.observe(
            step, HEALTHY | (wrong if step >= 10 else {}), correlation if step % 10 == 0 else None
        )
        if fault is not None:
            return fault, step
    return None, steps


def test_a_healthy_training_is_left_alone():
    assert watch(correlation=0.8) == (None, 60)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("not_finite", {"total": float("nan")}),
        ("not_finite", {"total": float("inf")}),
        ("flat", {"relief": 1e-4}),
        ("saturated", {"at_an_end": 0.99}),
        ("pose_zero", {"motion": 1e-7}),
        ("mask_empty", {"used": 0.001}),
        ("no_gain", {"warped": 0.31}),
    ],
)
def test_every_fault_is_named_within_fifty_steps(name, wrong):
    fault, step = watch(**wrong)
    assert fault.fault == name and step <= 60
    assert f"step {step}" in str(fault)


def test_inverted_depth_is_named_after_three_measurements():
    fault, step = watch(correlation=-0.6)
    assert (fault.fault, step) == ("inverted", 30)
    assert "near and far" in str(fault) and "two_view" in str(fault)


def test_what_every_young_training_shows_counts_only_after_the_warm_up():
    assert watch(warm_up=100, relief=1e-4, warped=0.31, motion=0.0, correlation=-0.6)[0] is None
    assert watch(warm_up=100, total=float("nan"))[0].fault == "not_finite"


def test_a_passing_weakness_is_no_fault():
    watchdog = Watchdog(WatchdogSettings(patience=20), 0)
    figures = [HEALTHY | {"used": 0.0 if step % 20 else 0.5} for step in range(100)]
    assert all(watchdog.observe(step, terms) is None for step, terms in enumerate(figures))


def test_the_probe_measures_whether_near_is_near():
    torch.manual_seed(0)
    nearness = torch.rand(2, 16, 16)
    mask = torch.rand(2, 16, 16) > 0.3
    probe = Probe(torch.rand(2, 3, 16, 16), nearness, mask)
    assert probe.correlation(0.1 + 3 * nearness[:, None]) == pytest.approx(1, abs=1e-4)
    assert probe.correlation(5 - nearness[:, None]) == pytest.approx(-1, abs=1e-4)
    assert probe.correlation(torch.ones(2, 1, 16, 16)) == 0


def test_a_calibration_of_another_size_is_refused():
    K = np.array([[150.0, 0, 96], [0, 150, 64], [0, 0, 1]])
    check_calibration(K, 192, 128, "a.jpg")
    with pytest.raises(TrainingFault, match=r"a\.jpg does not fit.*about 192x128") as found:
        check_calibration(K, 384, 256, "a.jpg")
    assert found.value.fault == "calibration"


def run(folder, tmp_path, **changes):
    defaults = {
        "network": NetworkSettings(
            encoder="test_resnet",
            decoder_channels=[8, 8, 16, 16, 32],
            pose_channels=16,
            start="none",
        ),
        "batch_size": 4,
        "steps": 50,
        "threads": 1,
        "warm_up": 0.0,
        "precision": "32",
    }
    return train({"tiny": folder}, TrainSettings(**(defaults | changes)), tmp_path / "checkpoints")


@pytest.fixture
def domain(tmp_path) -> Path:
    return write_domain(tmp_path / "tiny", worlds=[1], triplets=6, validation=0)


def _still(folder):
    for path in folder.glob("world_1/*.jpg"):
        frames = np.split(np.asarray(Image.open(path)), 3, axis=1)
        Image.fromarray(np.concatenate([frames[1]] * 3, 1)).save(path, quality=100, subsampling=0)


def _wrong_poses(folder):
    poses = pd.read_parquet(folder / "poses.parquet")
    turn = rotation_from_axis_angle(torch.tensor([[0.1, 0.15, 0.3]]))[0].numpy()
    columns = [f"t{r}{c}" for r in range(3) for c in range(3)]
    poses[columns] = (turn @ poses[columns].to_numpy().reshape(-1, 3, 3)).reshape(-1, 9)
    poses.to_parquet(folder / "poses.parquet")


def _wrong_calibration(folder):
    for path in folder.glob("world_1/*_cam.txt"):
        path.write_text(",".join(str(2 * float(x)) for x in path.read_text().split(",")))


def _nothing(folder):
    pass


FIXED = PoseSettings(rescale_scenes=False, refine=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "harm", "changes"),
    [
        ("not_finite", _nothing, {"learning_rate": 1e30, "gradient_clip": 0.0}),
        ("flat", _nothing, {"loss": LossSettings(smoothness=1e4), "learning_rate": 1e-3}),
        (
            "saturated",
            _nothing,
            {
                "network": NetworkSettings(encoder="test_resnet", initial_depth=99.9, start="none"),
                "pose": FIXED,
            },
        ),
        ("pose_zero", _nothing, {"pose": PoseSettings(source="learned", learned_scale=1e-9)}),
        ("mask_empty", _still, {}),
        ("no_gain", _wrong_poses, {}),
        ("calibration", _wrong_calibration, {}),
    ],
)
def test_a_harmed_training_stops_within_fifty_steps(domain, tmp_path, name, harm, changes):
    harm(domain)
    with pytest.raises(TrainingFault) as found:
        run(domain, tmp_path, **changes)
    assert found.value.fault == name


@pytest.mark.slow
def test_inverted_depth_stops_the_training(domain, tmp_path, monkeypatch):
    make = fit_module.make_probe

    def reversed_probe(*arguments):
        probe = make(*arguments)
        return Probe(probe.images_B3HW, -probe.nearness_BHW, probe.mask_BHW)

    monkeypatch.setattr(fit_module, "make_probe", reversed_probe)
    with pytest.raises(TrainingFault) as found:
        run(
            domain,
            tmp_path,
            learning_rate=2e-3,
            loss=LossSettings(depth_hint=1.0),
            augmentation=AugmentationSettings(flip=0.0),
        )
    assert found.value.fault == "inverted"


@pytest.mark.slow
def test_rewinding_goes_back_with_half_the_rate_and_gives_up_in_the_end(domain, tmp_path, caplog):
    watchdog = WatchdogSettings(action="rewind", rewinds=2, patience=8)
    with caplog.at_level("WARNING"), pytest.raises(TrainingFault) as found:
        run(
            domain,
            tmp_path,
            steps=90,
            loss=LossSettings(smoothness=1e4),
            learning_rate=1e-3,
            watchdog=watchdog,
            checkpoint_every=1,
        )
    assert found.value.fault == "flat"
    assert [r.message[-4:] for r in caplog.records if "half the learning rate" in r.message] == [
        "(1).",
        "(2).",
    ]
