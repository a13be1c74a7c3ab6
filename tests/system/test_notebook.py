"""The notebook runs on what the chain made, and is kept without outputs."""

import json

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_outputs_are_stripped(path) -> None:
    cells = json.loads(path.read_text())["cells"]
    assert len(cells) > 3
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)


@pytest.mark.slow
def test_it_runs(finished_project, monkeypatch) -> None:
    path = REPOSITORY / "notebooks" / "explore_the_demo.ipynb"
    monkeypatch.setenv("AERIAL_DEPTH_PROJECT", str(finished_project.folder))
    monkeypatch.setenv("KEDRO_ENV", "small")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    texts = [
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 4
    assert any("mean difference" in text for text in texts)
