"""Where MLflow keeps its runs: an SQLite file in the project, or a server, which has to answer."""

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from aerial_depth_pipeline.errors import UserError

_SECONDS = 5.0
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_KNOWN = ("databricks", "databricks-uc", "uc")
_WAY_OUT = (
    "Start it, correct MLFLOW_TRACKING_URI (or server.mlflow_tracking_uri in mlflow.yml), or unset"
    " it: runs are then kept in mlflow.db beside pyproject.toml."
)


def embedded_store(project: Path) -> str:
    """The address of the store in the project's folder, whatever signs its path has."""
    from sqlalchemy.engine import URL, make_url

    database = str(project / "mlflow.db")
    if make_url(f"sqlite:///{database}").database == database:
        return f"sqlite:///{database}"
    # Of an address that begins with 'sqlite:///', MLflow would make the folder as it is quoted.
    return URL.create("sqlite+pysqlite", database=database).render_as_string()


def check_store(address: str) -> None:
    """Find out in seconds whether MLflow can keep runs there; by itself it tries for minutes.

    Raises:
        UserError: for a server that does not answer, a folder that is not there, or a store of
            plain files, which MLflow no longer writes.
    """
    parts = urlsplit(address)
    scheme = parts.scheme.split("+")[0]
    if scheme in ("http", "https"):
        if why := _why_silent(address):
            raise UserError(f"The tracking server {address} does not answer ({why}). {_WAY_OUT}")
    elif scheme == "sqlite":
        _check_sqlite(address)
    elif address in _KNOWN or scheme in _KNOWN:
        return
    elif scheme in ("", "file"):
        _refuse_files(address)
    elif scheme not in _PORTS:
        raise UserError(f"MLflow knows no store of the kind of {address}. {_WAY_OUT}")
    elif parts.hostname:
        try:
            socket.create_connection(
                (parts.hostname, parts.port or _PORTS[scheme]), _SECONDS
            ).close()
        except OSError as error:
            place = f"{parts.hostname}:{parts.port or _PORTS[scheme]}"
            raise UserError(
                f"The database {place} for MLflow's runs does not answer ({error}). {_WAY_OUT}"
            ) from error


def _why_silent(address: str) -> str | None:
    try:
        urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=_SECONDS).close()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}" if error.code >= 500 else None
    except OSError as error:
        reason = getattr(error, "reason", error)
        # Whom to trust is for MLflow's own settings to say.
        return None if "certificate" in str(reason).lower() else str(reason)
    except ValueError as error:
        return str(error)
    return None


def _check_sqlite(address: str) -> None:
    from sqlalchemy.engine import make_url

    database = make_url(address).database
    if not database or database == ":memory:" or database.startswith("file:"):
        return
    folder = Path(database).absolute().parent
    if not folder.is_dir():
        raise UserError(
            f"MLflow's store {address} lies in {folder}, which is not there. Make the folder, or"
            " correct MLFLOW_TRACKING_URI."
        )
    if not os.access(database if Path(database).exists() else folder, os.W_OK):
        raise UserError(
            f"MLflow's store {database} cannot be written. Make it writable, or name another in"
            " MLFLOW_TRACKING_URI."
        )


def _refuse_files(address: str) -> None:
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
        return
    raise UserError(
        f"MLflow no longer keeps runs in plain folders such as {address}. Unset MLFLOW_TRACKING_URI"
        " (runs are then kept in mlflow.db beside pyproject.toml), or name a database in it, such"
        " as sqlite:////path/to/mlflow.db; 'mlflow migrate-filestore' takes earlier runs along."
    )
