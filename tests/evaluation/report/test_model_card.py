"""The model card says what is known, and admits what is not."""

import pandas as pd
import torch

from aerial_depth_pipeline.datasets.trained_model import DepthModelDataset
from aerial_depth_pipeline.evaluation.report.card_settings import CardSettings
from aerial_depth_pipeline.evaluation.report.model_card import (
    model_card,
    results_of_evaluation,
    sparkline,
)
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings

METADATA = {
    "unit": "training units",
    "domains": ["town"],
    "triplets": 40,
    "data_fingerprint": "abc123",
    "scenes": {"town/a": 40},
    "step": 30,
    "settings": {"batch_size": 4, "learning_rate": 3e-4, "pose": {"source": "two_view"}, "seed": 0},
    "curve": {"train/total": [(1, 0.5), (15, 0.32), (30, 0.1)]},
    "card": {"licence": "CC-BY-4.0"},
}


def model(**metadata) -> DepthModel:
    torch.manual_seed(0)
    settings = NetworkSettings(encoder="test_resnet", decoder_channels=[4, 4, 8, 8, 8])
    return DepthModel(DepthNetwork(settings), settings, 64, 32, METADATA | metadata)


def test_the_card_holds_data_curve_limits_and_licence() -> None:
    card = model_card(model())
    lines = (
        "licence of the weights | CC-BY-4.0",
        "owner | not stated",
        "town/a | 40",
        "fingerprint of the data | abc123",
    )
    for line in lines:
        assert f"| {line} |" in card
    assert "| train/total | 0.5000 (step 1) | █▅▁ | 0.1000 (step 30) |" in card
    assert "not in metres" in card and "Not measured yet" in card and "Not for: Navigation" in card
    metric = model_card(
        model(unit="metres", parent="7"), ["It is good."], CardSettings(name="Ours", licence="MIT")
    )
    assert (
        metric.startswith("# Ours\n")
        and "not in metres" not in metric
        and "| fine-tuned from | version 7 |" in metric
    )
    assert (
        "It is good." in metric
        and "Not measured" not in metric
        and "| licence of the weights | MIT |" in metric
    )


def test_results_carry_intervals() -> None:
    row = {
        "domain": "town",
        "scene": "all",
        "alignment": "median_per_image",
        "cap": "none",
        "images": 9,
        "coverage": 1.0,
    }
    table = pd.DataFrame(
        [
            row
            | {"contestant": "model", "metric": "abs_rel", "value": 0.1, "low": 0.08, "high": 0.12},
            row
            | {
                "contestant": "tilted_plane",
                "metric": "abs_rel",
                "value": 0.2,
                "low": 0.15,
                "high": 0.25,
            },
        ]
    )
    text = "\n".join(results_of_evaluation(table, "median_per_image", {"town": "simulated"}))
    assert (
        "| model | 0.100 [0.080, 0.120] | 100 % | 9 |" in text
        and "| tilted plane | 0.200 [0.150, 0.250] |" in text
    )
    assert "simulated" in text


def test_a_saved_model_has_its_card_beside_it(tmp_path) -> None:
    dataset = DepthModelDataset(str(tmp_path / "depth_model"))
    dataset.save(model())
    assert (tmp_path / "depth_model" / "model_card.md").read_text() == model_card(model())
    assert dataset.load().metadata["curve"]["train/total"][0] == [1, 0.5]


def test_a_curve_in_a_line() -> None:
    assert sparkline([3, 1, 2]) == "█▁▅" and sparkline([1, 1]) == "▁▁"
