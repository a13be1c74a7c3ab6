"""The MLflow model registry: versions of the depth model, which one is in service, and what each
has learned from.

A version is a folder of artifacts of the run that made it: the model, and what it has learned from
(`record.json`). Its tags say what became of it: `decision` (`promote`; `refuse`; `rolled back`; or
`stopped`, where the training went wrong and there is no model), `parent` (the version it was
fine-tuned from) and `data.fingerprint`.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from aerial_depth_pipeline.errors import UserError

if TYPE_CHECKING:
    from aerial_depth_pipeline.networks.depth_model import DepthModel

CHAMPION, CHALLENGER = "champion", "challenger"
RECORD = "record.json"
REFUSED, ROLLED_BACK, STOPPED = NOT_IN_SERVICE = "refuse", "rolled back", "stopped"


def champion_of(name: str) -> ModelVersion | None:
    """The version in service, None where there is none."""
    try:
        return _client().get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def versions_of(name: str) -> list[ModelVersion]:
    """All versions, oldest first."""
    found = _client().search_model_versions(f"name = '{name}'")
    return sorted(found, key=lambda version: int(version.version))


def version_of(name: str, number: str | int) -> ModelVersion:
    """One version.

    Raises:
        UserError: where the registry does not have it.
    """
    for version in versions_of(name):
        if str(version.version) == str(number):
            return version
    raise UserError(f"The MLflow registry has no version {number} of '{name}'.")


def read_record(version: ModelVersion) -> dict[str, Any]:
    """What a version has learned from.

    Raises:
        UserError: where the artifacts are gone.
    """
    try:
        return json.loads(mlflow.artifacts.load_text(f"{version.source}/{RECORD}"))
    except (OSError, ValueError, MlflowException) as error:
        raise UserError(
            f"{RECORD} of version {version.version} of '{version.name}' cannot be read from"
            f" {version.source} ({_brief(error)}). Restore the artifacts, or delete the version in"
            " the registry."
        ) from error


def load_version(version: ModelVersion) -> "DepthModel":
    """The model of a version.

    Raises:
        UserError: where the artifacts are gone or damaged.
    """
    from aerial_depth_pipeline.networks.depth_model import DepthModel

    with tempfile.TemporaryDirectory() as folder:
        try:
            local = mlflow.artifacts.download_artifacts(version.source, dst_path=folder)
        except (OSError, MlflowException) as error:
            raise UserError(
                f"Version {version.version} of '{version.name}' cannot be fetched from"
                f" {version.source} ({_brief(error)}). Restore the artifacts, or go back to another"
                " version with 'kedro run --pipelines=rollback'."
            ) from error
        return DepthModel.load(Path(local))


def register(name: str, folder: Path, tags: dict[str, str]) -> str:
    """Log a local folder to the open run and make it a new version with the alias `challenger`;
    returns the version."""
    client, run = _client(), mlflow.active_run()
    if run is None:
        raise UserError(
            "Nightly retraining keeps its models in the MLflow registry; do not disable tracking"
            " for it in mlflow.yml."
        )
    mlflow.log_artifacts(str(folder), CHALLENGER)
    if not client.search_registered_models(f"name = '{name}'"):
        about = "Depth from single aerial images; see the model card of each version."
        client.create_registered_model(name, description=about)
    source = f"{run.info.artifact_uri}/{CHALLENGER}"
    version = client.create_model_version(name, source, run.info.run_id, tags)
    client.set_registered_model_alias(name, CHALLENGER, version.version)
    return str(version.version)


def promote(name: str, version: str) -> None:
    """Put a version into service: one change in the registry, which is there or not."""
    _client().set_registered_model_alias(name, CHAMPION, version)


def roll_back(name: str, to: int | None = None) -> tuple[str, str]:
    """Put the champion's parent, or the version `to`, into service again.

    Returns:
        The version that was in service, and the one that is.

    Raises:
        UserError: where there is no champion or nothing to go back to.
    """
    champion = champion_of(name)
    if champion is None:
        raise UserError(
            f"'{name}' has no champion in the MLflow registry, so there is nothing to roll back."
        )
    target = str(to or champion.tags.get("parent", ""))
    versions = versions_of(name)
    known = [str(v.version) for v in versions if v.tags.get("decision") != STOPPED]
    if target not in known or target == str(champion.version):
        named = f"version {target}" if target else "an earlier champion"
        raise UserError(
            f"Version {champion.version} of '{name}' cannot be rolled back to {named}. There are"
            f" the versions {', '.join(known)}: 'kedro run --pipelines=rollback"
            " --params=nightly.roll_back_to=1'."
        )
    # First the tag: a night must not learn the same again and promote it.
    _client().set_model_version_tag(name, champion.version, "decision", ROLLED_BACK)
    promote(name, target)
    return str(champion.version), target


def _brief(error: Exception) -> str:
    """The first line; MLflow adds a list of all files."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(" .:")


def _client() -> mlflow.MlflowClient:
    # A line in the log for every file of a few megabytes helps nobody.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return mlflow.MlflowClient()
