"""Parts of the loss as single loops, by torch.compile; as they are where that cannot be had."""

import functools
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)

# Compiling takes about a quarter of a minute; shorter trainings are over before that is earned.
_LEAST_STEPS = 150


def pays(steps: int) -> bool:
    """Whether to compile parts of the loss for a training of so many steps: on a CPU with a C++
    compiler, if it is long enough."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    return steps >= _LEAST_STEPS and bool(compiler) and not torch.cuda.is_available()


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled; the function itself where compiling fails."""
    # torch's default cache is a folder of /tmp that anyone may have made.
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = cache / "aerial_depth_pipeline" / "compiled"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache))
    # It misses CUDA where nobody asked for it.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    # No pool of compiler processes for a handful of loops.
    torch._inductor.config.compile_threads = 1
    fast = torch.compile(function, dynamic=False)
    failed = False

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        nonlocal failed
        if not failed:
            try:
                return fast(*arguments)
            except Exception as error:  # torch has many ways to fail
                failed = True
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                log.warning("The loss runs uncompiled and somewhat slower: %s", reason)
        return function(*arguments)

    return call
