"""Reads small text files that may come from anywhere."""

from __future__ import annotations

from pathlib import Path

from kokoro_tui.errors import InputError

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Far more than any table, recipe or settings file holds."""


def read_bytes(path: Path, missing_hint: str) -> bytes:
    """The content of a file.

    Args:
        path: The file.
        missing_hint: What to do if there is no such file.

    Raises:
        InputError: The file is missing, unreadable, no regular file or larger than ``MAX_FILE_BYTES``.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is not a regular file", missing_hint)
        with path.open("rb") as handle:
            content = handle.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", missing_hint) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check its permissions") from error
    if len(content) > MAX_FILE_BYTES:
        raise InputError(
            f"{path} is larger than {MAX_FILE_BYTES // 2**20} MiB", "name a file that this program has written"
        )
    return content


def decode_text(content: bytes, path: Path) -> str:
    """UTF-8 text, without the byte order mark that spreadsheets put in front.

    Raises:
        InputError: It is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8 or name another file"
        ) from error


def read_text(path: Path, missing_hint: str) -> str:
    """The text of a UTF-8 file.

    Raises:
        InputError: See `read_bytes` and `decode_text`.
    """
    return decode_text(read_bytes(path, missing_hint), path)
