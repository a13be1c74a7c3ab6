"""`kedro …` in a process of its own, forked from a server that has the large packages loaded: each
run saves the seconds that importing them takes."""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

# Not Kedro's framework, which reads the project's conf/logging.yml when it is imported.
PACKAGES = [
    "av",
    "cv2",
    "kedro_datasets",
    "lightning",
    "matplotlib.pyplot",
    "mlflow.pyfunc",
    "onnxruntime",
    "pandas",
    "pycolmap",
    "rasterio",
    "scipy.optimize",
    "timm",
    "torch",
    "trimesh",
]
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(PACKAGES)


def _kedro(folder: Path, arguments: list[str], environment: dict[str, str], output: Path) -> None:
    """What a forked process does: as `python -m kedro` in the project's folder."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    sys.argv = ["kedro", *arguments]
    sys.path[0:0] = ["", *filter(None, environment["PYTHONPATH"].split(os.pathsep))]
    try:
        runpy.run_module("kedro", run_name="__main__", alter_sys=True)
    except SystemExit:
        raise
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise SystemExit(1) from None
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()


class Kedro:
    """A running `kedro …`, with the methods of subprocess.Popen that the tests use."""

    def __init__(self, folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
        handle, path = tempfile.mkstemp(prefix="kedro_output_", dir=folder.parent)
        os.close(handle)
        self.output = Path(path)
        self.process = _SERVER.Process(
            target=_kedro, args=(folder, arguments, environment, self.output)
        )
        self.process.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait for the end; what the process printed."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired("kedro", timeout)
        return self.output.read_text(errors="replace"), None
