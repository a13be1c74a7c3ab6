"""Ctrl-C and SIGTERM end a run in a sentence, at any moment.

The main thread is told first, so that what is open is closed; it cannot hear while it waits for
threads or for code that is not Python. A watcher ends the process then: everything on disk is whole
or not there, so nothing is lost by it.
"""

import atexit
import ctypes
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE_SECONDS, LAST_WORDS_SECONDS = 10.0, 10.0
_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
_said = threading.Lock()


def guard() -> None:
    """Let both signals end this process in a sentence from now on, unless somebody else listens to
    them."""
    untouched = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if threading.current_thread() is not threading.main_thread():
        return
    if any(signal.getsignal(number) is not usual for number, usual in untouched.items()):
        return
    inbox, outbox = socket.socketpair()
    outbox.setblocking(False)
    signal.set_wakeup_fd(outbox.fileno(), warn_on_full_buffer=False)
    for number in untouched:
        signal.signal(number, _leave)
    threading.Thread(target=_watch, args=(inbox, outbox), daemon=True, name="interruption").start()
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _NAMES),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _NAMES),
        after_in_child=lambda: _restore(untouched),
    )


def _restore(untouched: dict[signal.Signals, object]) -> None:
    """A forked worker must not tell the parent's watcher of its own signals."""
    if signal.getsignal(signal.SIGTERM) is _leave:
        signal.set_wakeup_fd(-1)
        for number, usual in untouched.items():
            signal.signal(number, usual)  # type: ignore[arg-type]
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NAMES)


def _say(number: int) -> None:
    """Once, past Python's own buffers, which the main thread may be writing to."""
    if _said.acquire(blocking=False):
        sentence = (
            f"\nStopped by {_NAMES[signal.Signals(number)]}. What was finished stays; the same"
            " command goes on from there.\n"
        )
        os.write(2, sentence.encode())


def _leave(number: int, _: FrameType | None) -> None:
    signal.signal(number, lambda *_: None)  # the next one ends the watcher's patience
    _say(number)
    raise SystemExit(128 + number)


def _watch(inbox: socket.socket, _outbox: socket.socket) -> None:
    number = 0
    while number not in _NAMES:
        number = inbox.recv(1)[0]
    _say(number)
    inbox.settimeout(PATIENCE_SECONDS)
    try:
        inbox.recv(1)
    except TimeoutError:
        pass
    last = threading.Thread(target=atexit._run_exitfuncs, daemon=True)
    last.start()
    last.join(LAST_WORDS_SECONDS)
    os._exit(128 + number)


@contextmanager
def signals_kept() -> Iterator[None]:
    """Whatever listens to SIGTERM listens after the block too, on any thread; for libraries that
    put a handler of their own in its place when they are imported."""
    get, put = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get.restype = put.restype = ctypes.c_void_p
    put.argtypes = [ctypes.c_int, ctypes.c_void_p]
    before = get(int(signal.SIGTERM))
    try:
        yield
    finally:
        put(int(signal.SIGTERM), before)
