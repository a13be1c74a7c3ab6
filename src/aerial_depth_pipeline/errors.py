"""Errors whose message is meant for the user, not for the developer."""


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
