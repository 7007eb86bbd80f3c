"""Trial tables for one model: where they are looked for, and the refusal of those of another model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kokoro_tui.errors import InputError
from kokoro_tui.store.trial_meta import meta_path, read_meta
from kokoro_tui.store.trial_table import TABLE_NAMES, LoadedTrials, read_trials


def default_table(folder: Path) -> Path | None:
    """The trial table of a folder under its usual names, our own first; None if there is none."""
    return next((path for name in TABLE_NAMES if (path := folder / name).exists()), None)


def read_matching_trials(path: Path, model_sha256: Callable[[], str]) -> LoadedTrials:
    """Read a trial table, unless it says that it was measured on another model.

    Args:
        path: The table; one without meta, as from elsewhere, is taken as it is.
        model_sha256: Gives the checksum of the model; asked only if the table names one.

    Raises:
        InputError: The table or its meta cannot be read, or is of another model.
    """
    loaded = read_trials(path)
    meta = read_meta(path)
    if meta is not None and meta.model_sha256 != (sha256 := model_sha256()):
        raise InputError(
            f"{meta_path(path).name} says that {path.name} is of another model "
            f"(sha256 {meta.model_sha256[:12]}, this one {sha256[:12]})",
            "name the table of this model with --trial-results, or run the trials again with --fresh",
        )
    return loaded
