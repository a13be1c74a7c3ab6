import copy

import pytest
import torch

from aerial_depth_pipeline.training.kernels import optimizers


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_weights_in_any_order_of_memory_are_trained_as_torch_trains_them_and_nothing_is_copied(
    name,
):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3)
    ).eval()
    model = model.to(memory_format=torch.channels_last)
    twin = copy.deepcopy(model)
    pairs = [(model, getattr(optimizers, name)), (twin, getattr(torch.optim, name))]
    trained = [(m, kind(m.parameters(), lr=1e-2, fused=True)) for m, kind in pairs]
    places = [p.data_ptr() for p in model.parameters()]
    for step in range(3):
        image = torch.rand(2, 3, 9, 9).contiguous(memory_format=torch.channels_last)
        for m, optimizer in trained:
            optimizer.zero_grad()
            m(image).square().mean().backward()
            with torch.profiler.profile(record_shapes=True) as profile:
                optimizer.step()
            if m is model and step > 0:
                copies = [
                    e
                    for e in profile.key_averages(group_by_input_shape=True)
                    if e.key == "aten::copy_"
                ]
                assert not any(len(e.input_shapes[0]) == 4 for e in copies)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True)
    )
    assert places == [p.data_ptr() for p in model.parameters()]
    ours, theirs = (optimizer.state_dict()["state"] for _, optimizer in trained)
    assert all(
        torch.equal(ours[i]["exp_avg"], theirs[i]["exp_avg"]) for i in theirs
    )  # so that checkpoints fit either
