"""Drones are known by their names."""

import pytest

from aerial_depth_pipeline.capture.sources.drone_models import drone_in


@pytest.mark.parametrize(
    ("text", "focal"),
    [
        ("encoder: DJI Mavic3", 24),
        ("FC3411", 22),
        ("Mavic Air 2", 24),
        ("DJI-Air-2S", 22),
        ("FC34110", None),
        ("Mavic", None),
        ("", None),
    ],
)
def test_drones_are_known_by_their_names(text, focal):
    assert drone_in(text) == (None if focal is None else (drone_in(text)[0], focal))
