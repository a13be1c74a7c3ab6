"""Compiled pieces of the loss: the same figures, and no harm where nothing can be compiled."""

import logging
import shutil

import pytest
import torch
from tests.worlds.loss_scene import context_of

from aerial_depth_pipeline.training.kernels import compiling
from aerial_depth_pipeline.training.objective import objective


def loss_and_gradients(fast, learned_pose=False):
    torch.manual_seed(0)
    maps = [(0.9 + 0.2 * torch.rand(3, 1, 32 >> s, 48 >> s)).requires_grad_() for s in range(2)]
    images = (
        torch.nn.functional.interpolate(torch.rand(9, 3, 8, 12), (32, 48), mode="bicubic")
        .clamp(0, 1)
        .unflatten(0, (3, 3))
    )
    K = torch.tensor([[40.0, 0, 24], [0, 40, 16], [0, 0, 1]]).repeat(3, 1, 1)
    T = torch.eye(4).repeat(3, 2, 1, 1)
    T[:, 0, 0, 3], T[:, 1, 0, 3] = 0.05, -0.05
    T.requires_grad_(learned_pose)
    usable = torch.ones(3, 2, dtype=torch.bool)
    scene = {"images": images, "K": K, "T": T, "usable": usable}
    terms = objective(context_of(scene, maps, fast))
    terms["total"].backward()
    return [terms["total"].detach(), *(m.grad for m in maps), *([T.grad] if learned_pose else [])]


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler"
)
@pytest.mark.parametrize("learned_pose", [False, True])
def test_the_compiled_loss_is_the_loss(learned_pose, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(
        "TORCHINDUCTOR_CACHE_DIR", ""
    )  # so that it is put back as it was, whatever is set on the way
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    compiling.compiled.cache_clear()
    plain, fast = loss_and_gradients(False, learned_pose), loss_and_gradients(True, learned_pose)
    assert "uncompiled" not in caplog.text
    for a, b in zip(plain, fast, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-6)
    assert all(
        torch.equal(a, b) for a, b in zip(fast, loss_and_gradients(True, learned_pose), strict=True)
    )
    assert any(
        (tmp_path / "aerial_depth_pipeline" / "compiled").iterdir()
    )  # a folder of the user's own, not one in /tmp


@pytest.mark.parametrize(
    "failure", [RuntimeError("no compiler here"), PermissionError("no compiler here")]
)
def test_where_compiling_fails_the_function_itself_is_used(failure, monkeypatch, caplog):
    def broken(function, **_):
        def call(*_):
            raise failure

        return call

    monkeypatch.setattr(torch, "compile", broken)
    compiling.compiled.cache_clear()
    with caplog.at_level(logging.WARNING):
        fast = loss_and_gradients(True)
    compiling.compiled.cache_clear()
    assert all(torch.equal(a, b) for a, b in zip(loss_and_gradients(False), fast, strict=True))
    assert "uncompiled" in caplog.text and "no compiler here" in caplog.text


def test_compiling_pays_in_long_trainings_with_a_compiler(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/" + name)
    assert compiling.pays(1000) and not compiling.pays(20)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    assert not compiling.pays(1000)
