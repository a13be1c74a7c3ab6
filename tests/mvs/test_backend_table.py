"""The table of dense backends."""

import pytest

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.mvs.backend_table import backend
from aerial_depth_pipeline.mvs.backends.patch_match import patch_match_available


def test_auto_works_without_a_gpu_and_patch_match_says_what_it_needs():
    if patch_match_available():
        assert backend("auto").name == "patch_match"
        return
    assert backend("auto").name == "plane_sweep"
    with pytest.raises(UserError, match="CUDA"):
        backend("patch_match")
