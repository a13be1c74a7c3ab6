"""Versions in an MLflow registry, and the choice of the model that predicts."""

import json

import mlflow
import numpy as np
import pytest
import torch
from kedro.io import DatasetError

from aerial_depth_pipeline.datasets.trained_model import DepthModelDataset
from aerial_depth_pipeline.errors import UserError, user_error_behind
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.pipelines.predict.nodes import choose_model
from aerial_depth_pipeline.tracking import registry

NAME = "depth"


def model(name: str) -> DepthModel:
    torch.manual_seed(0)
    settings = NetworkSettings(encoder="test_resnet", decoder_channels=[4, 4, 8, 8, 8])
    return DepthModel(DepthNetwork(settings), settings, 64, 32, {"name": name})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A registry with versions 1 (first champion), 2 (its child, in service) and 3 (its training
    was stopped)."""
    folder = tmp_path_factory.mktemp("registry")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = mlflow.create_experiment(
        "nights", artifact_location=(folder / "artifacts").as_uri()
    )
    assert registry.champion_of(NAME) is None and registry.versions_of(NAME) == []
    with pytest.raises(UserError, match="no champion"):
        registry.roll_back(NAME)
    with pytest.raises(UserError, match="do not disable tracking"):
        registry.register(NAME, folder, {})
    for number, (decision, parent) in enumerate(
        [("promote", ""), ("promote", "1"), (registry.STOPPED, "2")], 1
    ):
        made = folder / str(number)
        made.mkdir()
        if decision != registry.STOPPED:
            model(f"version {number}").save(made)
        (made / registry.RECORD).write_text(
            json.dumps({"scenes": {f"town/{number}": {"fingerprint": "f"}}})
        )
        with mlflow.start_run(experiment_id=experiment):
            assert registry.register(NAME, made, {"decision": decision, "parent": parent}) == str(
                number
            )
        if decision == "promote":
            registry.promote(NAME, str(number))
    yield folder
    mlflow.set_tracking_uri(before)


def test_versions_carry_model_record_and_tags(store) -> None:
    versions = registry.versions_of(NAME)
    assert [int(version.version) for version in versions] == [1, 2, 3]
    assert registry.read_record(versions[2]) == {"scenes": {"town/3": {"fingerprint": "f"}}}
    assert registry.load_version(versions[0]).metadata["name"] == "version 1"
    champion = registry.champion_of(NAME)
    assert int(champion.version) == 2 and champion.tags["parent"] == "1"
    assert (
        int(mlflow.MlflowClient().get_model_version_by_alias(NAME, registry.CHALLENGER).version)
        == 3
    )


def test_the_model_that_predicts_is_the_champion_unless_told_otherwise(
    store, tmp_path, caplog
) -> None:
    caplog.set_level("INFO")
    DepthModelDataset(str(tmp_path / "depth_model")).save(model("trained"))
    trained = str(tmp_path / "depth_model")

    def choose(wish, name=NAME, trained=trained):
        return choose_model({"model": wish}, name, trained)

    wishes = {
        None: "version 2",
        1: "version 1",
        "trained": "trained",
        trained: "trained",
    }
    assert {wish: choose(wish).metadata["name"] for wish in wishes} == wishes
    sentences = [record.message for record in caplog.records if "The model is" in record.message]
    assert sentences[0] == "The model is version 2 of 'depth', the champion." and len(
        sentences
    ) == len(wishes)
    assert choose(1)(np.zeros((20, 30, 3), np.uint8)).shape == (20, 30)
    with pytest.raises(UserError, match="no version 9 of 'depth'"):
        choose(9)
    assert choose(None, "nobody").metadata["name"] == "trained"
    assert "no champion" in caplog.records[-1].message
    with pytest.raises(DatasetError, match="No trained model") as refusal:
        choose(None, "nobody", str(tmp_path / "none"))
    assert "--pipelines=train" in str(user_error_behind(refusal.value))


def test_rolling_back_and_forth(store) -> None:
    with pytest.raises(UserError, match="There are the versions 1, 2:"):
        registry.roll_back(NAME, 3)  # no model
    assert registry.roll_back(NAME) == ("2", "1")
    assert int(registry.champion_of(NAME).version) == 1
    assert registry.versions_of(NAME)[1].tags["decision"] == registry.ROLLED_BACK
    with pytest.raises(UserError, match="cannot be rolled back to an earlier champion"):
        registry.roll_back(NAME)
    assert registry.roll_back(NAME, 2) == ("1", "2")
    assert int(registry.champion_of(NAME).version) == 2
