"""The error types that both front ends render as one ``error:`` line and one ``hint:`` line."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes of every headless command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130


class KokoroTuiError(Exception):
    """Something that the user can understand and act on.

    Args:
        message: What happened, in one sentence without a final full stop.
        hint: What to do about it, in one sentence.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[KokoroTuiError], tuple[str, str]]:
        # The default would drop the hint when an error crosses from a child process.
        return type(self), (self.message, self.hint)


class InputError(KokoroTuiError):
    """Wrong usage or input: a missing file, a bad regex, an unknown voice."""

    exit_code = ExitCode.USAGE


class WorkError(KokoroTuiError):
    """The input was fine; the work on it failed."""


class Cancelled(KokoroTuiError):  # noqa: N818  it is the user's wish, not an error
    """The user stopped the work."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self, message: str = "stopped", hint: str = "run it again to start over") -> None:
        super().__init__(message, hint)
