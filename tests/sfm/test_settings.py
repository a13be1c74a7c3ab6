"""Ranges of the settings."""

import pytest

from aerial_depth_pipeline.sfm.settings import SfmSettings


def test_settings_explain_themselves():
    with pytest.raises(ValueError, match="max_views"):
        SfmSettings(max_views=2)
    with pytest.raises(ValueError, match="gps_sigma"):
        SfmSettings(gps_sigma=0)
