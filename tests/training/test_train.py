"""Training on a tiny world: data, determinism, resuming, and that depth is learned."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.worlds.tiny_world import World, abs_rel, calibration, orbit, write_domain

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import read_json, write_json
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.training.kernels import compiling
from aerial_depth_pipeline.training.launch import run_rank
from aerial_depth_pipeline.training.module import compose_poses, learning_rate_at
from aerial_depth_pipeline.training.samples import read_triplets
from aerial_depth_pipeline.training.scene_scale import scene_depths, with_step_lengths
from aerial_depth_pipeline.training.settings import (
    AugmentationSettings,
    LossSettings,
    PoseSettings,
    TrainSettings,
    WatchdogSettings,
)
from aerial_depth_pipeline.training.store import TripletBatches, TripletStore
from aerial_depth_pipeline.training.train import train
from aerial_depth_pipeline.training.triplet_sweep import depth_hint

SMALL = NetworkSettings(
    encoder="test_resnet",
    decoder_channels=[8, 8, 16, 16, 32],
    pose_channels=16,
    start="none",
    scales=2,
)
WIDTH, HEIGHT = 64, 32
# The plane sweeps before the first step have tests of their own.
FIXED = PoseSettings(rescale_scenes=False, refine=True)


def settings(**changes) -> TrainSettings:
    defaults = {
        "network": SMALL,
        "batch_size": 4,
        "steps": 6,
        "checkpoint_every": 2,
        "validate_every": 3,
        "log_every": 1,
        "threads": 1,
        "pose": FIXED,
        "watchdog": WatchdogSettings(enabled=False),
    }
    return TrainSettings(**(defaults | changes))


@pytest.fixture(scope="module")
def domain(tmp_path_factory) -> Path:
    """As small as the networks take it: what is learned does not matter, only how."""
    folder = tmp_path_factory.mktemp("tiny") / "tiny"
    return write_domain(folder, worlds=[1, 2], triplets=7, width=WIDTH, height=HEIGHT)


@pytest.fixture(scope="module")
def sharp_domain(tmp_path_factory) -> Path:
    """Large enough to measure depth by matching."""
    return write_domain(tmp_path_factory.mktemp("sharp") / "tiny", worlds=[1, 2], triplets=7)


class Recorder:
    """Stands in for a Lightning logger: what was logged at which step."""

    def __init__(self):
        self.metrics = {}

    def log_metrics(self, metrics, step):
        for name, value in metrics.items():
            self.metrics.setdefault(name, {})[step] = value


def run(domain, folder, validate=None, **changes):
    recorder = Recorder()
    model = train({"tiny": domain}, settings(**changes), folder, recorder, validate)
    return model, recorder.metrics


def test_training_returns_a_model_logs_its_terms_and_saves(domain, tmp_path):
    calls = []

    def validate(model):
        calls.append(model)
        return {"abs_rel": 0.5 / len(calls)}

    model, metrics = run(domain, tmp_path, validate)
    assert isinstance(model, DepthModel) and (model.width, model.height) == (WIDTH, HEIGHT)
    assert model.metadata["step"] == 6 and model.metadata["domains"] == ["tiny"]
    assert sorted(metrics["train/total"]) == [1, 2, 3, 4, 5, 6]
    assert {
        "train/photometric",
        "train/smoothness",
        "train/learning_rate",
        "val/photometric",
    } <= set(metrics)
    assert metrics["val/abs_rel"] == {3: 0.5, 6: 0.25}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.pt", "last.pt"]
    torch.load(tmp_path / "last.pt", weights_only=True)
    assert model(np.zeros((50, 70, 3), np.uint8)).shape == (50, 70)


def test_the_same_seed_gives_a_bit_equal_loss_curve_and_model(domain, tmp_path):
    first, metrics = run(domain, tmp_path / "a", steps=4)
    again, metrics_again = run(domain, tmp_path / "b", steps=4)
    _, metrics_other = run(domain, tmp_path / "c", seed=1, steps=1)
    assert metrics["train/total"] == metrics_again["train/total"]
    assert metrics["val/photometric"] == metrics_again["val/photometric"]
    assert metrics["train/total"][1] != metrics_other["train/total"][1]
    weights, weights_again = first.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)


class _Stop(Exception):
    pass


@pytest.mark.parametrize(
    "changes", [{}, {"ema": 0.9, "precision": "32"}, {"cache_gigabytes": 0.0, "accumulate": 2}]
)
def test_a_stopped_training_continues_to_the_same_model(domain, tmp_path, changes):
    changes = changes | {"steps": 4}
    undisturbed, expected = run(domain, tmp_path / "a", **changes)

    def stop(model):
        raise _Stop

    # Validation comes at step 3, the last checkpoint is from step 2.
    with pytest.raises(_Stop):
        run(domain, tmp_path / "b", stop, **changes)
    resumed, metrics = run(domain, tmp_path / "b", **changes)
    assert min(metrics["train/total"]) == 3
    assert all(
        expected["train/total"][step] == value for step, value in metrics["train/total"].items()
    )
    weights, weights_resumed = undisturbed.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(weights[name], weights_resumed[name]) for name in weights)


def test_resume_says_what_it_cannot_do(domain, tmp_path):
    with pytest.raises(UserError, match=r"last\.pt is missing"):
        run(domain, tmp_path, steps=1, resume=True)
    run(domain, tmp_path, steps=1)
    with pytest.raises(UserError, match="other settings or other data"):
        run(domain, tmp_path, steps=1, resume=True, learning_rate=1e-3)
    _, metrics = run(domain, tmp_path, steps=1, resume="auto", learning_rate=1e-3)
    assert min(metrics["train/total"]) == 1
    (tmp_path / "last.pt").write_bytes(b"half a file")
    with pytest.raises(UserError, match=r"last\.pt cannot be read"):
        run(domain, tmp_path, steps=1)
    _, metrics = run(domain, tmp_path, steps=1, resume=False)
    assert min(metrics["train/total"]) == 1


def test_another_fingerprint_of_the_data_starts_anew(domain, tmp_path):
    def stop(model):
        raise _Stop

    with pytest.raises(_Stop):
        train({"tiny": domain}, settings(steps=3), tmp_path, None, stop, fingerprint="a")
    recorder = Recorder()
    train({"tiny": domain}, settings(steps=3), tmp_path, recorder, fingerprint="b")
    assert min(recorder.metrics["train/total"]) == 1


def test_training_starts_from_a_model_and_continues_only_with_the_same(domain, tmp_path):
    initial, _ = run(domain, tmp_path / "initial", steps=2, validate_every=2)
    network = NetworkSettings(
        encoder="resnet50", pretrained=True
    )  # neither built nor fetched: the model's own network is trained
    gentle = {
        "network": network,
        "steps": 2,
        "validate_every": 2,
        "learning_rate": 1e-9,
        "weight_decay": 0.0,
        "schedule": "constant",
        "precision": "32",
    }
    recorder = Recorder()
    tuned = train({"tiny": domain}, settings(**gentle), tmp_path / "a", recorder, initial=initial)
    weights = initial.network.state_dict()
    assert (
        tuned.settings.encoder == "test_resnet"
        and tuned.metadata["settings"]["network"]["encoder"] == "test_resnet"
    )
    for name, value in tuned.network.state_dict().items():
        if name.endswith(("weight", "bias")):
            assert torch.allclose(value, weights[name], atol=1e-6), name
    scratch = Recorder()
    train({"tiny": domain}, settings(**gentle | {"network": SMALL}), tmp_path / "b", scratch)
    assert recorder.metrics["train/photometric"][1] != scratch.metrics["train/photometric"][1]

    def stop(model):
        raise _Stop

    for other, first_step in ((initial, 3), (tuned, 1)):
        folder = tmp_path / f"stopped_{first_step}"
        with pytest.raises(_Stop):
            train({"tiny": domain}, settings(steps=3), folder, None, stop, initial=initial)
        again = Recorder()
        train({"tiny": domain}, settings(steps=3), folder, again, initial=other)
        assert min(again.metrics["train/total"]) == first_step


_KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.training.test_train import settings
from aerial_depth_pipeline.training.train import train
work = Path(sys.argv[2])
train({"tiny": Path(sys.argv[1])}, settings(steps=60), work).save(work / "model")
"""


@pytest.mark.slow
def test_a_killed_process_continues_to_the_same_model(domain, tmp_path):
    command = [sys.executable, "-c", _KILLED, str(domain)]
    repository = str(Path(__file__).resolve().parents[2])

    def start(folder):
        return subprocess.Popen([*command, str(folder), repository], stderr=subprocess.DEVNULL)

    for folder, kills in (("a", 0), ("b", 2)):
        for kill in range(kills):
            process = start(tmp_path / folder)
            last, patience = tmp_path / folder / "last.pt", time.monotonic() + 120
            seen = last.stat().st_mtime_ns if last.exists() else 0
            while (
                not (last.exists() and last.stat().st_mtime_ns > seen)
                and time.monotonic() < patience
            ):
                time.sleep(0.05)
            time.sleep(0.3 + 0.4 * kill)
            assert process.poll() is None, "the training was over before it could be killed"
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert start(tmp_path / folder).wait(timeout=240) == 0
    undisturbed, killed = (
        DepthModel.load(tmp_path / folder / "model").network.state_dict() for folder in ("a", "b")
    )
    assert all(torch.equal(undisturbed[name], killed[name]) for name in undisturbed)


@pytest.mark.slow
def test_two_ranks_train_as_one_process_with_the_same_batch(domain, tmp_path):
    # Without batch normalisation, which has no form for several CPU processes.
    network = NetworkSettings(
        encoder="test_convnext",
        decoder_channels=[8, 8, 16, 16, 32],
        decoder_norm="none",
        pose_channels=16,
        start="none",
    )
    curves, models = [], []
    for devices in (1, 2):
        validated = []

        def validate(model, seen=validated):
            seen.append(model.metadata["step"])
            return {"abs_rel": 0.5}

        changes = {
            "network": network,
            "precision": "32",
            "devices": devices,
            "accelerator": "cpu",
            "keep": "best",
            "monitor": "abs_rel",
        }
        model, metrics = run(domain, tmp_path / str(devices), validate, **changes)
        assert validated == [3, 6]
        curves.append([metrics["train/total"][step] for step in range(1, 7)])
        models.append(model(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)))
    # The loss is a mean over the pixels that count, which are not equally many in both halves of a
    # batch.
    np.testing.assert_allclose(curves[0], curves[1], rtol=0.02)
    np.testing.assert_allclose(models[0], models[1], rtol=0.05)
    with pytest.raises(UserError, match=r"train\.txt is missing"):
        run(tmp_path, tmp_path / "none", devices=2, accelerator="cpu")
    changes |= {"network": SMALL, "steps": 2, "learning_rate": 1e-9}
    tuned = train({"tiny": domain}, settings(**changes), tmp_path / "tuned", initial=model)
    weights = model.network.state_dict()
    assert all(
        torch.allclose(value, weights[name], atol=1e-5)
        for name, value in tuned.network.state_dict().items()
    )


def test_a_rank_that_is_not_the_first_says_what_went_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    task = {
        "domains": {"tiny": str(tmp_path)},
        "settings": settings(accelerator="cpu").model_dump(),
        "checkpoints": str(tmp_path / "checkpoints"),
        "fingerprint": "",
        "validated": False,
        "logged": False,
        "initial": False,
    }
    write_json(tmp_path / "task.json", task)
    with pytest.raises(SystemExit):
        run_rank(tmp_path / "task.json")
    assert "train.txt is missing" in read_json(tmp_path / "error_1.json")["message"]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["two_view", "colmap"])
def test_depth_is_learned_on_a_world_that_was_not_seen(tmp_path, source):
    folder = write_domain(
        tmp_path / "tiny",
        worlds=[1, 2, 3],
        triplets=20,
        step_degrees=3.6,
        origin=source,
        validation=0,
    )
    model = train(
        {"tiny": folder},
        TrainSettings(
            batch_size=6,
            steps=90,
            learning_rate=5e-4,
            threads=2,
            network=NetworkSettings(
                pose_trains_encoder=False, decoder_channels=[8, 16, 32, 64, 128], start="none"
            ),
            pose=PoseSettings(source=source, refine=True),
        ),
        tmp_path / "checkpoints",
    )
    K = calibration(96, 64)
    seen = [World.random(9).render(p, K, 96, 64) for p in orbit(6, 60.0)]
    constant = np.mean([abs_rel(np.ones_like(depth), depth) for _, depth in seen])
    learned = np.mean([abs_rel(model(image), depth) for image, depth in seen])
    assert learned < 0.6 * constant


@pytest.mark.slow
def test_the_attitude_tells_the_slope_that_training_flights_did_not_show(tmp_path):
    folder = write_domain(
        tmp_path / "tiny", worlds=[1, 2], triplets=16, step_degrees=3.6, validation=0
    )
    model = train(
        {"tiny": folder},
        TrainSettings(
            batch_size=6,
            steps=60,
            learning_rate=5e-4,
            threads=2,
            network=NetworkSettings(start="level_ground"),
            pose=PoseSettings(refine=False),
        ),
        tmp_path / "checkpoints",
    )
    K = calibration(96, 64)

    def error(radius: float, height: float, told: bool) -> float:
        values = []
        for pose in orbit(6, 60.0, radius, height):
            image, depth = World.random(9).render(pose, K, 96, 64)
            slope = ground_slope(torch.tensor(pose[:3, 2])[None], torch.tensor(K)[None], 64, 96)[
                0
            ].numpy()
            values.append(abs_rel(model(image, slope if told else None), depth))
        return float(np.mean(values))

    # 63 degrees down instead of 35. A picture alone does not say so, though the estimate helps a
    # little.
    assert error(40.0, 80.0, told=True) < 0.9 * error(40.0, 80.0, told=False)
    assert error(75.0, 55.0, told=True) < 1.1 * error(75.0, 55.0, told=False)


def test_the_median_depth_of_a_scene_is_measured_in_steps(sharp_domain):
    depths = scene_depths(
        with_step_lengths(
            read_triplets("tiny", sharp_domain, "train", PoseSettings()), PoseSettings()
        )
    )
    K = calibration(96, 64)
    for seed in (1, 2):
        poses = orbit(9, 3.0, start=37.0 * seed)
        step = np.linalg.norm(np.linalg.inv(poses[1])[:3, 3] - np.linalg.inv(poses[0])[:3, 3])
        true_depth = np.median([World.random(seed).render(p, K, 96, 64)[1] for p in poses])
        assert depths[f"tiny/world_{seed}"] == pytest.approx(true_depth / step, rel=0.25)


def test_the_median_depth_follows_the_unit_of_the_poses(tmp_path):
    folder = write_domain(
        tmp_path / "metric", worlds=[1], triplets=4, origin="colmap", validation=0
    )
    depths = scene_depths(read_triplets("metric", folder, "train", PoseSettings(source="colmap")))
    true = [
        World.random(1).render(p, calibration(96, 64), 96, 64)[1] for p in orbit(6, 3.0, start=37.0)
    ]
    assert depths["metric/world_1"] == pytest.approx(np.median(true), rel=0.25)


def test_the_depth_hint_is_close_to_the_true_depth_where_it_is_sure(sharp_domain):
    pose_settings = PoseSettings()
    triplets = with_step_lengths(
        read_triplets("tiny", sharp_domain, "train", pose_settings), pose_settings
    )
    typical = scene_depths(triplets)["tiny/world_1"]
    found = depth_hint(triplets[2], typical).float().numpy()
    true = World.random(1).render(orbit(9, 3.0, start=37.0)[3], calibration(96, 64), 96, 64)[1]
    sure = found > 0
    relative = found[sure] / np.median(found[sure]) * true[sure] / np.median(true[sure])
    assert sure.mean() > 0.3
    assert np.median(np.abs(relative - 1)) < 0.06


def test_a_depth_hint_shows_the_way_at_first(domain, tmp_path):
    guided = LossSettings(depth_hint=0.5, depth_hint_until=0.5)
    _, metrics = run(
        domain,
        tmp_path,
        loss=guided,
        pose=PoseSettings(),
        augmentation=AugmentationSettings(zoom=1.3),
    )
    assert sorted(metrics["train/guide"]) == [1, 2, 3]
    assert (
        metrics["train/total"][1]
        > metrics["train/photometric"][1] + 0.1 * metrics["train/guide"][1]
    )
    with pytest.raises(UserError, match="depth_hint needs given poses"):
        run(domain, tmp_path, loss=guided, pose=PoseSettings(source="learned"))


def test_batches_depend_on_seed_and_step_alone_and_cover_every_triplet(domain, monkeypatch):
    triplets = read_triplets("tiny", domain, "train", PoseSettings())
    units = dict.fromkeys((t.scene for t in triplets), 1.0)
    store, decoded = TripletStore(triplets, units, 1.0), TripletStore(triplets, units, 0.0)
    assert len(store) == 10
    of_seed = settings(steps=10, seed=5)
    batches = TripletBatches(store, of_seed)
    seen = [i for step in range(5) for i in batches.indices(step)]
    assert sorted(seen) == sorted(2 * list(range(10)))
    late, whole = next(iter(TripletBatches(store, of_seed, first_step=3))), list(batches)
    assert all(torch.equal(late[name], whole[3][name]) for name in late)
    halves = []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        halves.append(next(iter(TripletBatches(store, settings(steps=10, seed=5, devices=2)))))
    joined = torch.stack([half["random"] for half in halves], 1).flatten(0, 1)
    assert torch.equal(joined, whole[0]["random"])
    for a, b in zip(TripletBatches(decoded, of_seed), whole, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in b)


def test_pairs_without_a_reliable_pose_are_left_out(domain, tmp_path):
    import shutil

    folder = tmp_path / "tiny"
    shutil.copytree(domain, folder)
    poses = pd.read_parquet(folder / "poses.parquet")
    first = (poses["scene"] == "world_1") & (poses["frame"] == 1)
    second = (poses["scene"] == "world_1") & (poses["frame"] == 2)
    poses.loc[first, "inliers"] = 10
    poses.loc[second & (poses["source_frame"] == 3), "t00"] = np.nan
    poses.to_parquet(folder / "poses.parquet")
    triplets = {
        (t.scene, t.image.stem): t for t in read_triplets("tiny", folder, "train", PoseSettings())
    }
    assert ("tiny/world_1", "000001") not in triplets
    assert triplets["tiny/world_1", "000002"].usable_S.tolist() == [True, False]
    assert triplets["tiny/world_1", "000003"].usable_S.tolist() == [True, True]
    assert len(read_triplets("tiny", folder, "train", PoseSettings(source="learned"))) == 10


def test_missing_data_is_named(domain, tmp_path):
    with pytest.raises(UserError, match=r"train\.txt is missing.*pipelines=prepare"):
        read_triplets("none", tmp_path, "train", PoseSettings())
    with pytest.raises(UserError, match="holds no poses of origin 'colmap'"):
        read_triplets("tiny", domain, "train", PoseSettings(source="colmap"))
    (tmp_path / "train.txt").write_text("")
    (tmp_path / "val.txt").write_text("")
    with pytest.raises(UserError, match="no triplet to train on"):
        train(
            {"empty": tmp_path},
            settings(pose=PoseSettings(source="learned")),
            tmp_path / "checkpoints",
        )


def test_corrections_of_given_poses_are_bounded_and_start_at_none():
    torch.manual_seed(0)
    given = torch.eye(4).repeat(3, 2, 1, 1)
    given[..., :3, 3] = torch.tensor([0.03, -0.01, 0.02])
    pose_settings = PoseSettings(rotation_limit=0.01, translation_limit=0.3)
    assert torch.allclose(compose_poses(torch.zeros(3, 2, 6), given, pose_settings), given)
    corrected = compose_poses(torch.full((3, 2, 6), 1e4), given, pose_settings)
    length = given[0, 0, :3, 3].norm()
    assert (corrected - given)[..., :3, 3].abs().max() <= 0.3001 * length
    assert (
        torch.acos(
            ((corrected[..., :3, :3].diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1)
        ).max()
        <= 0.0175
    )
    learned = compose_poses(
        torch.ones(1, 1, 6), given[:1, :1], PoseSettings(source="learned", learned_scale=0.01)
    )
    assert torch.allclose(learned[0, 0, :3, 3], torch.full((3,), 0.01))


def test_the_learning_rate_warms_up_and_falls():
    s = settings(steps=100, learning_rate=1e-3, warm_up=0.1)
    rates = [learning_rate_at(step, s) for step in range(100)]
    assert rates[0] < 2e-4 and max(rates) == pytest.approx(1e-3) and rates.index(max(rates)) == 10
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False)) and rates[-1] < 2e-5
    stepped = [
        learning_rate_at(
            step, settings(steps=100, schedule="step", warm_up=0.0, learning_rate=1e-3)
        )
        for step in (0, 74, 75, 99)
    ]
    assert stepped == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler"
)
def test_a_compiled_training_repeats_bit_for_bit(domain, tmp_path, monkeypatch):
    changes = {"precision": "32", "steps": 4, "validate_every": 4}
    plain = run(domain, tmp_path / "plain", **changes)[1]["train/total"]
    monkeypatch.setattr(compiling, "_LEAST_STEPS", 1)
    first, second = (
        run(domain, tmp_path / name, **changes)[1]["train/total"] for name in ("first", "second")
    )
    assert first == second
    assert list(first.values()) == pytest.approx(list(plain.values()), rel=1e-3)
    assert first != plain  # it was compiled


@pytest.mark.parametrize("optimizer", ["adamw", "adam"])
def test_the_encoder_learns_at_its_share_of_the_rate(domain, tmp_path, optimizer):
    torch.manual_seed(0)
    start = dict(JointModel(SMALL, False).depth.named_parameters())
    moved = {}
    for share in (1.0, 0.1, 0.0):
        pose = PoseSettings(rescale_scenes=False, refine=False)
        model, _ = run(
            domain,
            tmp_path / str(share),
            optimizer=optimizer,
            encoder_rate=share,
            pose=pose,
            steps=2,
            validate_every=2,
        )
        change = {
            name: float((value - start[name]).abs().mean())
            for name, value in model.network.named_parameters()
        }
        moved[share] = [
            sum(v for n, v in change.items() if n.startswith(part))
            for part in ("encoder", "decoder")
        ]
    assert moved[0.0][0] == 0
    assert 0.02 < moved[0.1][0] / moved[1.0][0] < 0.3
    assert all(decoder > 0.3 * moved[1.0][1] for _, decoder in moved.values())


def test_the_best_model_is_kept_where_wanted(domain, tmp_path):
    figures = iter([0.1, 0.9])
    best, _ = run(
        domain, tmp_path, lambda model: {"abs_rel": next(figures)}, keep="best", monitor="abs_rel"
    )
    assert best.metadata["step"] == 3
    kept = torch.load(tmp_path / "best.pt", weights_only=True)
    assert kept["step"] == 3
    mine = best.network.state_dict()
    assert all(torch.equal(kept["model"][f"depth.{name}"], value) for name, value in mine.items())


def test_training_ends_early_when_validation_gets_no_better(domain, tmp_path):
    figures = [0.5, 0.3, 0.4, 0.35, 0.2]
    changes = {
        "early_stopping": 2,
        "monitor": "abs_rel",
        "validate_every": 1,
        "steps": 9,
        "keep": "best",
    }
    best, metrics = run(
        domain,
        tmp_path / "a",
        lambda model: {"abs_rel": figures[model.metadata["step"] - 1]},
        **changes,
    )
    assert sorted(metrics["val/abs_rel"]) == sorted(metrics["train/total"]) == [1, 2, 3, 4]
    assert best.metadata["step"] == 2
    assert torch.load(tmp_path / "a" / "last.pt", weights_only=True)["step"] == 4

    def dies(model):
        if model.metadata["step"] == 4 and not resumed:
            raise _Stop
        return {"abs_rel": figures[model.metadata["step"] - 1]}

    # The count goes on where it was: the checkpoint of step 2 knows the best figure, the validation
    # of step 3 was already no better.
    resumed = False
    with pytest.raises(_Stop):
        run(domain, tmp_path / "b", dies, checkpoint_every=3, **changes)
    resumed = True
    _, metrics = run(domain, tmp_path / "b", dies, checkpoint_every=3, **changes)
    assert sorted(metrics["train/total"]) == [4]


def test_early_stopping_needs_a_figure_to_watch(domain, tmp_path):
    with pytest.raises(
        UserError, match=r"early_stopping watches 'abs_rel'.*there are: photometric"
    ):
        run(domain, tmp_path, early_stopping=1, monitor="abs_rel")


def test_a_curriculum_teaches_the_pose_and_then_lets_it_go(domain, tmp_path):
    curriculum = PoseSettings(rescale_scenes=False, refine=True, given_until=0.5, learned_scale=0.1)
    _, metrics = run(domain, tmp_path, pose=curriculum, learning_rate=1e-3)
    assert sorted(metrics["train/pose"]) == [1, 2, 3]
    # At first the given step of length 1 warps; the decoder's own, which starts at none, does so
    # afterwards.
    assert (
        metrics["train/motion"][3] > 0.5
        and metrics["train/motion"][4] < 0.9 * metrics["train/motion"][3]
    )
    with pytest.raises(ValueError, match="needs given poses"):
        PoseSettings(source="learned", given_until=0.5)


def test_images_of_held_out_triplets_are_logged(domain, tmp_path):
    recorder, pictures = Recorder(), {}
    recorder.log_image = lambda name, image, step: pictures.setdefault((name, step), image)
    train({"tiny": domain}, settings(images_every=3, steps=4), tmp_path, recorder)
    assert set(pictures) == {("triplets", 3), ("triplets", 4)}
    picture = pictures["triplets", 3]
    assert picture.shape == (3 * HEIGHT, 5 * WIDTH, 3) and picture.dtype == np.uint8
    assert set(np.unique(picture[:, 4 * WIDTH :])) == {0, 255}


def test_optional_terms_are_trained_with_and_cost_nothing_when_off(domain, tmp_path):
    _, metrics = run(
        domain, tmp_path / "a", loss=LossSettings(consistency=0.5, robust=4.0), steps=2
    )
    both = metrics["train/total"][1]
    assert both == pytest.approx(
        metrics["train/photometric"][1]
        + metrics["train/smoothness"][1]
        + 0.5 * metrics["train/consistency"][1]
    )
    _, plain = run(domain, tmp_path / "b", steps=2)
    assert "train/consistency" not in plain and plain["train/total"][1] != both


def test_sparse_points_take_part_where_scenes_have_them(domain, tmp_path):
    with pytest.raises(UserError, match=r"loss\.sparse needs the sparse points.*no scene has any"):
        run(domain, tmp_path / "none", loss=LossSettings(sparse=0.1))
    known = shutil.copytree(domain, tmp_path / "known")
    frames = [
        int(line.split()[1])
        for line in (known / "train.txt").read_text().splitlines()
        if line.startswith("world_1 ")
    ]
    points = pd.DataFrame(
        np.random.default_rng(0).uniform(-0.3, 0.3, (20, 2)), columns=["x", "y"]
    ).assign(z=1.0)
    pd.concat([points.assign(frame=frame) for frame in frames]).to_parquet(
        known / "world_1" / "points.parquet"
    )
    _, metrics = run(known, tmp_path / "sparse", steps=2, loss=LossSettings(sparse=0.1))
    assert (
        all(np.isfinite(value) for value in metrics["train/sparse"].values())
        and max(metrics["train/sparse"].values()) > 0
    )
    assert "train/sparse" not in run(known, tmp_path / "off", steps=1)[1]


def test_augmentation_is_part_of_the_settings(domain, tmp_path):
    _, plain = run(
        domain,
        tmp_path / "a",
        steps=1,
        augmentation=AugmentationSettings(flip=0.0, color_jitter=0.0),
    )
    _, zoomed = run(
        domain,
        tmp_path / "b",
        steps=1,
        augmentation=AugmentationSettings(flip=0.5, color_jitter=0.3, zoom=1.4),
    )
    assert plain["train/total"][1] != zoomed["train/total"][1]
