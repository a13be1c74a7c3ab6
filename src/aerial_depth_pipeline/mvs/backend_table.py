"""The backends of dense depth by name. Nothing heavy is imported here: settings read it."""

import importlib
from typing import TYPE_CHECKING

from aerial_depth_pipeline.errors import UserError

if TYPE_CHECKING:
    from aerial_depth_pipeline.mvs.backends.backend import Backend

_ROOM = "aerial_depth_pipeline.mvs.backends"
BACKENDS: dict[str, str] = {
    "plane_sweep": f"{_ROOM}.plane_sweep:PlaneSweep",
    "sgbm": f"{_ROOM}.sgbm:Sgbm",
    "patch_match": f"{_ROOM}.patch_match:PatchMatch",
}
"""Name → `module:class`; a backend from elsewhere enters its own line."""
AUTOMATIC = ("patch_match", "plane_sweep")
"""What `auto` tries, in this order."""


def backend(name: str) -> "Backend":
    """The backend of this name; `auto` is the first that can run here.

    Raises:
        UserError: if it cannot run here.
    """
    for candidate in AUTOMATIC if name == "auto" else (name,):
        chosen = _load(candidate)
        reason = chosen.why_not_here()
        if not reason:
            return chosen
    raise UserError(f"ground_truth.dense.backend is {name}, but {reason}")


def why_not_here(name: str) -> str:
    """Why a backend cannot run on this machine; empty where it can."""
    return _load(name).why_not_here()


def _load(name: str) -> "Backend":
    module, _, kind = BACKENDS[name].partition(":")
    return getattr(importlib.import_module(module), kind)()
