import subprocess
import sys

import pytest

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings


def test_defaults_and_configuration():
    settings = read_settings(
        EvaluationSettings,
        {"caps": [80], "alignments": ["none"], "main_alignment": "none"},
        "evaluation",
    )
    assert settings.caps == [80.0] and settings.seed == 0


@pytest.mark.parametrize(
    "values",
    [
        {"alignments": ["none"]},
        {"alignments": []},
        {"caps": [0.01]},
        {"thresholds": [0]},
        {"minimum_depth": 0},
        {"bootstrap_samples": -1},
        {"size": [10]},
        {"minimum_pixels": 1},
        {"alignments": ["median"], "main_alignment": "median"},
    ],
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(UserError, match="evaluation"):
        read_settings(EvaluationSettings, values, "evaluation")


def test_settings_import_nothing_heavy():
    code = (
        "import sys, aerial_depth_pipeline.evaluation.settings; print([m for m in ('numpy',"
        " 'torch', 'pandas', 'cv2') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
