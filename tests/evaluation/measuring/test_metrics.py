import numpy as np
import pytest
import torch
import torchmetrics.functional as tm

from aerial_depth_pipeline.evaluation.measuring.depth_alignment import fit_inverse_depth
from aerial_depth_pipeline.evaluation.measuring.metrics import image_metrics

THRESHOLDS = [0.5, 0.1]


def test_against_torchmetrics(pair):
    reference, prediction = pair
    ours = image_metrics(reference, prediction, len(reference), THRESHOLDS, True)
    truth, guess = torch.from_numpy(reference).double(), torch.from_numpy(prediction).double()
    assert ours["abs_rel"] == pytest.approx(
        float(tm.mean_absolute_percentage_error(guess, truth)), rel=1e-5
    )
    assert ours["rmse"] == pytest.approx(
        float(tm.mean_squared_error(guess, truth, squared=False)), rel=1e-5
    )
    assert ours["rmse_log"] == pytest.approx(
        float(tm.mean_squared_error(guess.log(), truth.log(), squared=False)), rel=1e-5
    )
    assert ours["l1_abs"] == pytest.approx(float(tm.mean_absolute_error(guess, truth)), rel=1e-5)
    r = fit_inverse_depth(reference, 1 / prediction).correlation
    assert r == pytest.approx(float(tm.pearson_corrcoef(1 / guess, 1 / truth)), abs=1e-6)


def test_by_hand():
    reference = np.array([10, 10, 10, 10], np.float32)
    prediction = np.array([10, 10.3, 13, 20], np.float32)
    metrics = image_metrics(reference, prediction, 8, THRESHOLDS, True)
    assert metrics["abs_rel"] == pytest.approx((0 + 0.03 + 0.3 + 1) / 4)
    assert metrics["l1_rel"] == metrics["abs_rel"]
    assert metrics["sq_rel"] == pytest.approx((0 + 0.009 + 0.9 + 10) / 4, rel=1e-5)
    assert metrics["delta_1.25"] == 0.5
    assert metrics["delta_1.25_squared"] == 0.75
    assert metrics["delta_1.25_cubed"] == 0.75
    assert metrics["accuracy_0.5m"] == 0.5 and metrics["accuracy_0.1m"] == 0.25
    # Completeness counts the four reference pixels that have no prediction as well.
    assert metrics["completeness_0.5m"] == 0.25 and metrics["completeness_0.1m"] == 0.125


def test_delta_punishes_too_near_and_too_far_alike():
    reference = np.array([10, 10], np.float32)
    near = image_metrics(reference, reference / 1.3, 2, [], True)
    far = image_metrics(reference, reference * 1.3, 2, [], True)
    assert near["delta_1.25"] == far["delta_1.25"] == 0
    assert near["delta_1.25_squared"] == far["delta_1.25_squared"] == 1


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="common pixels"):
        image_metrics(np.ones(3, np.float32), np.ones(4, np.float32), 4, [], True)
    with pytest.raises(ValueError, match="common pixels"):
        image_metrics(np.ones(0, np.float32), np.ones(0, np.float32), 4, [], True)
