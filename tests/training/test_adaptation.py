"""Training a part of a network: what may change does, what may not stays to the bit."""

import copy

import pytest
import torch
from tests.training.test_train import SMALL, run, settings
from tests.worlds.tiny_world import write_domain

from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.training.adaptation import merge, restrict
from aerial_depth_pipeline.training.store import TripletBatches
from aerial_depth_pipeline.training.train import train


@pytest.fixture(scope="module")
def domain(tmp_path_factory):
    return write_domain(tmp_path_factory.mktemp("tiny") / "tiny", worlds=[1], triplets=6)


@pytest.fixture(scope="module")
def base(domain, tmp_path_factory):
    return run(domain, tmp_path_factory.mktemp("base"), steps=2)[0]


@pytest.mark.parametrize("trainable", ["decoder", "norm", "low_rank"])
def test_only_the_named_part_changes(trainable, domain, base, tmp_path):
    model = train(
        {"tiny": domain}, settings(steps=2, trainable=trainable, rank=2), tmp_path, initial=base
    )
    before, after = base.network.state_dict(), model.network.state_dict()
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    normalisation = {name for name in before if name.rsplit(".", 1)[0] + ".running_mean" in before}
    weights = {name for name in before if before[name].ndim == 4}
    allowed = {
        "decoder": {n for n in before if n.startswith("decoder.")},
        "norm": normalisation,
        "low_rank": weights,
    }[trainable]
    assert changed
    assert changed <= allowed
    if trainable == "norm":
        assert any(name.endswith("running_mean") for name in changed)


def test_a_merged_change_predicts_the_same_and_has_low_rank():
    torch.manual_seed(0)
    model = JointModel(SMALL, with_pose=False)
    plain = {name: value.clone() for name, value in model.depth.state_dict().items()}
    restrict(model, "low_rank", rank=2)
    for name, parameter in model.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.normal_(parameter, std=0.1)
    image = torch.rand(1, 3, 64, 96)
    model.eval()
    with torch.no_grad():
        adapted = model.depth(image)
        merged = merge(model.depth)(image)
    assert torch.allclose(adapted, merged, atol=1e-6)
    assert set(model.depth.state_dict()) == set(plain)
    change = [
        (model.depth.state_dict()[n] - plain[n]).flatten(1) for n in plain if plain[n].ndim == 4
    ]
    assert all(0 < torch.linalg.matrix_rank(c, rtol=1e-4) <= 2 for c in change)


def test_a_merged_copy_leaves_the_original_as_it_is():
    model = JointModel(SMALL, with_pose=False)
    restrict(model, "low_rank", rank=2)
    image = torch.rand(1, 3, 64, 96)
    model.eval()
    with torch.no_grad():
        before = model.depth(image)
        merged = merge(copy.deepcopy(model.depth))
        assert torch.equal(model.depth(image), before)
        assert torch.allclose(merged(image), before, atol=1e-6)
    assert any(name.endswith(".up") for name, _ in model.named_parameters())
    assert not any(name.endswith(".up") for name, _ in merged.named_parameters())


def test_frozen_normalisation_keeps_its_statistics_while_training():
    model = JointModel(SMALL, with_pose=False)
    restrict(model, "decoder", rank=1)
    model.train()
    encoder = [m for m in model.depth.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    decoder = [m for m in model.depth.decoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert encoder and decoder
    assert not any(m.training for m in encoder) and all(m.training for m in decoder)


def test_a_given_order_is_kept():
    batches = TripletBatches(range(5), settings(batch_size=2, steps=4, order="given"))
    assert [batches.indices(step) for step in range(4)] == [[0, 1], [2, 3], [4, 0], [1, 2]]


@pytest.mark.slow
def test_a_stopped_low_rank_training_continues_to_the_same_model(domain, base, tmp_path):
    changes = settings(trainable="low_rank", rank=2)
    undisturbed = train({"tiny": domain}, changes, tmp_path / "a", initial=base)

    class Stop(Exception):
        pass

    def stop(model):
        raise Stop

    with pytest.raises(Stop):
        train({"tiny": domain}, changes, tmp_path / "b", validate=stop, initial=base)
    resumed = train({"tiny": domain}, changes, tmp_path / "b", initial=base)
    weights, expected = resumed.network.state_dict(), undisturbed.network.state_dict()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
