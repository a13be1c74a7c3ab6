"""The start from the flight's own points: its unit, how it follows augmentation, what is hidden."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.training.test_train import SMALL, Recorder, settings
from tests.worlds.tiny_world import World, calibration, orbit, write_domain

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.geometry.poses import camera_center
from aerial_depth_pipeline.geometry.surface import relative_start
from aerial_depth_pipeline.training.batch import crop, flip, rotate
from aerial_depth_pipeline.training.samples import read_triplets
from aerial_depth_pipeline.training.scene_scale import with_step_lengths
from aerial_depth_pipeline.training.settings import PoseSettings
from aerial_depth_pipeline.training.start import (
    held_out_error,
    hold_back,
    points_of_targets,
    starts,
    take_start,
)
from aerial_depth_pipeline.training.train import train

WIDTH, HEIGHT, STEP = 96, 64, 3.0
POSES = orbit(7, STEP, start=37.0)
STEP_M = float(np.linalg.norm(camera_center(POSES[1]) - camera_center(POSES[0])))


def depth_of(frame: int) -> np.ndarray:
    K = calibration(WIDTH, HEIGHT)
    return World.random(1).render(POSES[frame], K, WIDTH, HEIGHT)[1]


def write_points(folder, unit: float = 1.0) -> None:
    """Exact points of all frames but the last two, as of frames of twice the size."""
    random, tables = np.random.default_rng(0), []
    for frame in range(1, 4):
        x, y = random.integers(0, WIDTH, 600), random.integers(0, HEIGHT, 600)
        inverse = unit / depth_of(frame)[y, x]
        table = {"frame": frame, "x": 2 * x + 1.0, "y": 2 * y + 1.0, "inverse_depth": inverse}
        tables.append(pd.DataFrame(table | {"deviation": 0.01 * inverse, "views": 2}))
    whole = pd.concat(tables).assign(metric=unit == 1.0, width=2 * WIDTH, height=2 * HEIGHT)
    whole.to_parquet(folder / "world_1" / "own_points.parquet")


@pytest.fixture(scope="module")
def domain(tmp_path_factory):
    folder = write_domain(tmp_path_factory.mktemp("tiny") / "tiny", worlds=[1], triplets=5)
    # Poses of length 1: so long is a step in the points' unit.
    write_points(folder, unit=STEP_M)
    return folder


@pytest.fixture(scope="module")
def triplets(domain):
    found = [t for s in ("train", "val") for t in read_triplets("tiny", domain, s, PoseSettings())]
    return with_step_lengths(found, PoseSettings())


def test_the_start_is_in_training_units(triplets):
    factors = {"tiny/world_1": 0.05}
    found = starts(points_of_targets(triplets, factors), triplets)
    step = np.linalg.norm(triplets[0].T_S44[0, :3, 3]) * 0.05
    metres = STEP_M / step
    for row, triplet in zip(found, triplets, strict=True):
        frame = int(triplet.image.stem)
        if frame > 3:
            assert not row.any()
            continue
        ratio = row[0].numpy() * depth_of(frame) / metres
        assert np.median(ratio) == pytest.approx(1, abs=0.02)
        assert np.abs(ratio - 1).mean() < 0.05
        assert row[1].max() == 1 and row[1].min() < 0.9


def test_poses_that_are_longer_than_the_stored_ones_bring_their_unit(triplets):
    longer = [replace(t, length_factor=4.0) for t in triplets]
    factors = {"tiny/world_1": 1.0}
    found, expected = (
        starts(points_of_targets(longer, factors), longer)[:, 0],
        starts(points_of_targets(triplets, factors), triplets)[:, 0] / 4,
    )
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0)


def batch_of(triplets):
    points = points_of_targets(triplets[:2], {"tiny/world_1": 0.05})
    start = starts(points, triplets[:2]).float()
    count = len(start)
    return {
        "images": torch.rand(count, 3, 3, HEIGHT, WIDTH),
        "K": torch.tensor(calibration(WIDTH, HEIGHT)).float().expand(count, 3, 3),
        "start": start,
        "random": torch.linspace(0, 1, 16).repeat(count, 1),
    }


def test_the_start_follows_the_image(triplets):
    batch = batch_of(triplets)
    start = batch["start"]
    torch.testing.assert_close(
        flip(batch, torch.tensor([True, False]))["start"][0], start[0].flip(-1)
    )
    piece = crop(batch, torch.tensor([2.0, 2.0]), torch.zeros(2, 2))["start"]
    corner = start[:, :, 8:24, 12:36].mean((2, 3))
    torch.testing.assert_close(piece[:, :, 16:48, 24:72].mean((2, 3)), corner, rtol=0.02, atol=0)
    turned = rotate(batch, torch.tensor([[0.0, 0.0, np.pi]] * 2).float())["start"]
    middle = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(turned[middle], start.flip(-1, -2)[middle], rtol=0.1, atol=0.1)


def test_the_share_that_hides_its_points(triplets):
    batch = batch_of(triplets)
    start, unit = take_start(batch, 0.0, 2.0)
    _, median = relative_start(batch["start"])
    torch.testing.assert_close(unit.flatten(), 2 * median)
    assert start[:, 0].flatten(1).median(1).values.sub(1).abs().max() < 1e-3
    hidden, unit = take_start(batch, 1.0, 2.0)
    assert not hidden.any() and (unit == 1).all()
    assert take_start({}, 0.5, 1.0) == (None, None)


def test_a_training_starts_from_the_points_and_keeps_them(domain, tmp_path):
    network = SMALL.model_copy(update={"start": "points"})
    changed = settings(network=network, steps=2, pose=PoseSettings())
    model = train({"tiny": domain}, changed, tmp_path, None)
    assert model.takes_start and model.settings.start == "points"
    widened = next(iter(model.network.encoder.body.parameters()))
    assert widened.shape[1] == 5 and widened[:, 3:].abs().max() > 0


def test_without_points_it_says_what_to_do(tmp_path):
    folder = write_domain(tmp_path / "tiny", worlds=[1], triplets=4)
    network = SMALL.model_copy(update={"start": "points"})
    with pytest.raises(UserError, match="own_points.parquet.*Make the triplets again"):
        train({"tiny": folder}, settings(network=network, pose=PoseSettings()), tmp_path, None)


def test_points_have_the_unit_of_two_view_poses(tmp_path):
    folder = write_domain(tmp_path / "tiny", worlds=[1], triplets=4)
    write_points(folder)
    changed = settings(
        network=SMALL.model_copy(update={"start": "points"}), pose=PoseSettings(source="learned")
    )
    with pytest.raises(UserError, match="two_view"):
        train({"tiny": folder}, changed, tmp_path / "run", None)


@pytest.mark.parametrize("with_points", [True, False])
def test_auto_starts_from_points_where_there_are_any(with_points, tmp_path):
    folder = write_domain(tmp_path / "tiny", worlds=[1], triplets=4)
    if with_points:
        write_points(folder, unit=STEP_M)
    network = SMALL.model_copy(update={"start": "auto"})
    changed = settings(network=network, pose=PoseSettings(), steps=2)
    model = train({"tiny": folder}, changed, tmp_path / "run", None)
    assert model.settings.start == ("points" if with_points else "level_ground")
    # Fine-tuned where there are none, it stays what it is.
    other = write_domain(tmp_path / "other", worlds=[1], triplets=4)
    again = train({"tiny": other}, changed, tmp_path / "again", None, initial=model)
    assert again.settings == model.settings


def test_points_that_are_held_back_tell_the_error_without_ground_truth(triplets):
    factors = {"tiny/world_1": 0.05}
    points = points_of_targets(triplets, factors)
    shown, fields = hold_back(points)
    assert [len(p.inverse_N) if p else 0 for p in shown] == [480, 480, 480, 0, 0]
    assert (fields["held_out_inverse"] > 0).sum(1).tolist() == [120, 120, 120, 0, 0]
    true = torch.stack([torch.tensor(1 / depth_of(f)) for f in range(1, 6)])[:, None].float()
    assert held_out_error(7 * true, fields) < 0.01
    tilted = true * torch.linspace(0.8, 1.25, HEIGHT)[:, None]
    assert 0.05 < held_out_error(tilted, fields) < 0.15
    nothing = {name: value[3:] for name, value in fields.items()}
    assert held_out_error(true[3:], nothing).isnan()


def test_validation_logs_the_error_at_points_for_any_network(tmp_path):
    folder = write_domain(tmp_path / "tiny", worlds=[1], triplets=5, validation=3)
    write_points(folder, unit=STEP_M)
    recorder = Recorder()
    train({"tiny": folder}, settings(pose=PoseSettings(), steps=3), tmp_path / "run", recorder)
    assert 0 < recorder.metrics["val/points"][3] < 1


def test_a_training_without_validation_needs_no_points(tmp_path):
    folder = write_domain(tmp_path / "tiny", worlds=[1], triplets=4, validation=0)
    changed = settings(steps=2, pose=PoseSettings())
    assert train({"tiny": folder}, changed, tmp_path / "run", None) is not None
