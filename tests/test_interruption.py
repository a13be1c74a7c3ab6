"""A signal ends the program in a sentence, whatever it is doing."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from aerial_depth_pipeline.sfm.colmap import run_step

SENTENCE = "What was finished stays"
GUARDED = "from aerial_depth_pipeline import interruption\ninterruption.guard()\n"
WAITING = "print('ready', flush=True)\nimport time\ntime.sleep(60)\n"
NOT_PYTHON = (
    "import atexit, ctypes\ninterruption.PATIENCE_SECONDS = 0.2\n"
    "atexit.register(print, 'last words')\nprint('ready', flush=True)\n"
    "ctypes.CDLL(None).sleep(60)\n"
)
IN_A_THREAD = (
    "from concurrent.futures import ThreadPoolExecutor\nimport time\n"
    "interruption.PATIENCE_SECONDS = 0.2\nprint('ready', flush=True)\n"
    "with ThreadPoolExecutor(1) as pool:\n    pool.submit(time.sleep, 60).result()\n"
)


def interrupted(script: str, number: signal.Signals) -> tuple[int, str, str]:
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    return process.returncode, output, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("doing", [WAITING, NOT_PYTHON, IN_A_THREAD])
def test_a_signal_ends_in_a_sentence(doing: str, number: signal.Signals) -> None:
    code, output, errors = interrupted(GUARDED + doing, number)
    assert code == 128 + number
    assert SENTENCE in errors and "Traceback" not in errors, errors
    assert doing != NOT_PYTHON or "last words" in output


@pytest.mark.slow
def test_colmap_prints_no_stack_trace() -> None:
    script = f"{GUARDED}import aerial_depth_pipeline.sfm.colmap\n{WAITING}"
    code, _, errors = interrupted(script, signal.SIGTERM)
    assert code == 143 and SENTENCE in errors and "***" not in errors, errors


def test_a_forked_worker_keeps_the_usual_signals() -> None:
    script = (
        f"{GUARDED}import os, signal, time\nchild = os.fork()\n"
        "if not child:\n    time.sleep(20)\n    os._exit(1)\n"
        "os.kill(child, signal.SIGTERM)\n_, status = os.waitpid(child, 0)\n"
        "print('ready', flush=True)\nassert os.WTERMSIG(status) == signal.SIGTERM\n"
        "time.sleep(0.5)\nprint('alive')\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert done.stdout == "ready\nalive\n" and not done.stderr


def test_a_step_of_colmap_is_waited_for_when_a_signal_comes() -> None:
    ended = []

    def step() -> None:
        time.sleep(0.6)
        ended.append(True)

    def leave(*_: object) -> None:
        raise SystemExit

    before = signal.signal(signal.SIGUSR1, leave)
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        with pytest.raises(SystemExit):
            run_step(step, {}, cancellable=False)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended
