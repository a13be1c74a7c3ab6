"""Where MLflow keeps its runs: found out in seconds, and told in a sentence."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import mlflow
import pytest
from sqlalchemy.engine import make_url

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.tracking.store import check_store, embedded_store


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def server(request: pytest.FixtureRequest):
    """A server that answers everything with one status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()


@pytest.mark.parametrize("kind", ["http", "https", "postgresql", "mysql+pymysql"])
def test_a_server_that_is_down_is_named_with_the_way_out(kind: str, closed_port: int) -> None:
    address = f"{kind}://127.0.0.1:{closed_port}"
    with pytest.raises(UserError, match=r"127\.0\.0\.1.*does not answer.*unset it"):
        check_store(address)


@pytest.mark.parametrize("server", [503], indirect=True)
def test_a_gateway_without_a_server_behind_it_is_down(server: str) -> None:
    with pytest.raises(UserError, match="does not answer .503"):
        check_store(server)


@pytest.mark.parametrize("server", [200, 401, 404], indirect=True)
def test_a_server_that_answers_anything_is_there(server: str) -> None:
    check_store(server)


@pytest.mark.parametrize("address", ["file:///tmp/runs", "mlruns", "./mlruns"])
def test_a_store_of_plain_files_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(UserError, match="no longer keeps runs in plain folders.*migrate-filestore"):
        check_store(address)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check_store(address)


def test_other_stores_are_refused_or_left_to_mlflow(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere, which is not there"):
        check_store(f"sqlite:///{tmp_path}/nowhere/runs.db")
    with pytest.raises(UserError, match="knows no store of the kind of nonsense"):
        check_store("nonsense://x")
    for address in ("databricks", f"sqlite:///{tmp_path}/runs.db"):
        check_store(address)


@pytest.mark.parametrize("name", ["plain", "a%20b", "a?b", "a#b", "it's", "a[b]", "fürs Werk"])
def test_the_store_lies_in_the_project_whatever_its_folder_is_called(
    tmp_path: Path, name: str
) -> None:
    assert make_url(embedded_store(tmp_path / name)).database == str(tmp_path / name / "mlflow.db")


@pytest.mark.slow
def test_mlflow_writes_there_and_nowhere_else(tmp_path: Path) -> None:
    project = tmp_path / "a%20b?c"
    project.mkdir()
    client = mlflow.MlflowClient(embedded_store(project))
    assert client.get_experiment_by_name("Default") is not None
    assert (project / "mlflow.db").is_file() and list(tmp_path.iterdir()) == [project]
