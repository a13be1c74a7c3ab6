"""One night at a time, also after a crash."""

import os
import signal
import subprocess
import sys
import time

from aerial_depth_pipeline.files import lock, lock_holder

HOLD = """
import sys, time
from pathlib import Path
from aerial_depth_pipeline.files import lock
held = lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def hold(path, seconds: float) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_leaves_and_a_killed_first_leaves_nothing_behind(tmp_path) -> None:
    path = tmp_path / "work" / "lock"
    process = hold(path, 60)
    assert lock(path) is None and lock_holder(path) == str(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    held = lock(path)
    assert held is not None and lock(path) is None and lock_holder(path) == str(os.getpid())
    held.close()
    assert lock(path) is not None


def test_the_second_waits_for_the_first(tmp_path) -> None:
    process = hold(tmp_path / "lock", 0.5)
    start = time.monotonic()
    assert lock(tmp_path / "lock", wait_seconds=30) is not None
    assert 0.2 < time.monotonic() - start < 20
    process.wait()
