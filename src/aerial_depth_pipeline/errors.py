"""Errors whose message is meant for the user, not for the developer."""

import sys
from types import TracebackType


class UserError(Exception):
    """Something the user can mend. The message names the file, what is wrong and what to do about
    it."""


class SceneError(UserError):
    """One scene cannot be processed. It is written into the scene report and left out; the others
    go on."""


def user_error_behind(error: BaseException | None) -> UserError | None:
    """The UserError that `error` is, or that caused it."""
    while error is not None:
        if isinstance(error, UserError):
            return error
        error = error.__cause__
    return None


def show_user_errors_plainly() -> None:
    """Errors that the user can mend end the program with their sentence, not with a traceback."""
    previous = sys.excepthook

    def show(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        cause = user_error_behind(error)
        if cause is None:
            previous(kind, error, traceback)
        else:
            sys.stderr.write(f"\nError: {cause}\n")

    sys.excepthook = show
