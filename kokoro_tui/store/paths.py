"""Where the program keeps its own files, by the platform's conventions."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from kokoro_tui.store.atomic import WriteError

APP_NAME = "kokoro-tui"

BUNDLED_EXPORT_VERSION = 1
"""Part of the bundled model's file name; raised whenever the export would write another file."""


def config_path() -> Path:
    """The settings file; the environment variable ``KOKORO_TUI_CONFIG`` names another one."""
    override = _from_environment("KOKORO_TUI_CONFIG")
    return override or platformdirs.user_config_path(APP_NAME, appauthor=False) / "config.toml"


def cache_folder() -> Path:
    """Files that can be made again; ``KOKORO_TUI_CACHE`` names another folder."""
    override = _from_environment("KOKORO_TUI_CACHE")
    return override or platformdirs.user_cache_path(APP_NAME, appauthor=False)


def state_folder() -> Path:
    """Logs and journals; ``KOKORO_TUI_STATE`` names another folder."""
    override = _from_environment("KOKORO_TUI_STATE")
    return override or platformdirs.user_state_path(APP_NAME, appauthor=False)


def log_path() -> Path:
    """The log file."""
    return state_folder() / f"{APP_NAME}.log"


def bundled_model_path() -> Path:
    """The bundled Kokoro model once it is built."""
    return cache_folder() / f"kokoro-bundled-v{BUNDLED_EXPORT_VERSION}.onnx"


def make_folder(folder: Path) -> Path:
    """Create a folder with its parents unless it is there, and return it.

    Raises:
        WriteError: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"the folder {folder} cannot be created: {error.strerror}", "free the path or choose another folder"
        ) from error
    return folder


def _from_environment(name: str) -> Path | None:
    value = os.environ.get(name, "")
    return Path(value).expanduser() if value else None
