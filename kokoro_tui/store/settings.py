"""The user's settings in a TOML file that people also edit by hand."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from kokoro_tui.errors import InputError
from kokoro_tui.store.atomic import atomic_path
from kokoro_tui.store.paths import config_path, make_folder
from kokoro_tui.store.text_file import read_text
from kokoro_tui.store.toml_source import nearest

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_HINT = "mend the file or delete it"
_TEXT_KEYS = ("theme", "text", "voice", "target", "audio_output")
_KNOWN_KEYS = (*_TEXT_KEYS, "sort", "keys")
_SORT_KEYS = ("column", "descending")
_WAIT_SECONDS = 5.0
"""How long another process that saves its settings is waited for."""


@dataclass(frozen=True)
class SortOrder:
    """How the node table is sorted."""

    column: str = "size"
    descending: bool = True


@dataclass(frozen=True)
class Settings:
    """What is remembered from one session to the next; None leaves the choice to the program."""

    theme: str | None = None
    sort: SortOrder = SortOrder()
    text: str | None = None
    """The sentence for trials and auditions."""
    voice: str | None = None
    target: str | None = None
    """The runtime that plans are checked against."""
    audio_output: str | None = None
    """Name of the audio device."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by the id of their action; several keys for one action are separated by commas."""


def load_settings() -> tuple[Settings, tuple[str, ...]]:
    """The settings and notes on what in their file is wrong; what is wrong or missing takes its default."""
    path = config_path()
    if not path.exists():
        return Settings(), ()
    try:
        values = tomllib.loads(read_text(path, _HINT))
    except InputError as error:
        return Settings(), (f"settings: {error.message}; the defaults are used",)
    except (ValueError, RecursionError) as error:
        return Settings(), (f"{path} is not valid TOML ({error}); the defaults are used",)
    notes = [f"{path}: unknown key {key!r}, {nearest(key, _KNOWN_KEYS)}" for key in values if key not in _KNOWN_KEYS]
    wrong: list[str] = []
    texts = {key: _text(values, key, wrong) for key in _TEXT_KEYS}
    settings = Settings(sort=_sort_order(values, wrong), keys=_keys(values, wrong), **texts)
    notes += [f"{path}: {key} has a wrong value and is passed over" for key in wrong]
    return settings, tuple(notes)


def save_settings(settings: Settings, known: Settings | None = None) -> None:
    """Write what differs from the file; its comments and unknown keys stay.

    Args:
        settings: What is to be kept.
        known: What the file held when it was last looked at: only what differs from that is written, since
            whatever else the file holds by now comes from another window. The file as it is if None.

    Raises:
        InputError: The file is no valid TOML, so saving would lose what the user wrote.
        WriteError: It cannot be written.
        BusyError: Another process has been writing it for seconds.
    """
    from kokoro_tui.store.lock import holding  # not needed for the first table

    with holding(config_path(), "saving the settings", wait_seconds=_WAIT_SECONDS):
        _save(settings, known)


def _save(settings: Settings, known: Settings | None) -> None:
    path = config_path()
    document = _read_document()
    before, _ = load_settings()
    if known is not None:
        names = [entry.name for entry in fields(Settings)]
        changes = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(known, name)}
        settings = replace(before, **changes)
    if settings == before and path.exists():
        return
    for key in _TEXT_KEYS:
        _put(document, key, getattr(before, key), getattr(settings, key))
    if settings.sort != before.sort:
        sort = _table(document, "sort")
        for key in _SORT_KEYS:
            sort[key] = getattr(settings.sort, key)
    if settings.keys != before.keys:
        keys = _table(document, "keys")
        for action in sorted(before.keys.keys() | settings.keys.keys()):
            _put(keys, action, before.keys.get(action), settings.keys.get(action))
    make_folder(path.parent)
    with atomic_path(path) as partial:
        partial.write_bytes(document.as_string().encode())


def _put(table: MutableMapping[str, Any], key: str, before: str | None, after: str | None) -> None:
    """Change one entry, or leave it as the user wrote it."""
    if before == after:
        return
    if after is None:
        table.pop(key, None)
    else:
        table[key] = after


def _table(document: TOMLDocument, name: str) -> MutableMapping[str, Any]:
    """A table of the document, made where it is missing or something else."""
    import tomlkit  # late, as in _read_document

    if not isinstance(document.get(name), MutableMapping):
        document[name] = tomlkit.table()
    table: MutableMapping[str, Any] = document[name]
    return table


def _text(values: Mapping[str, Any], key: str, wrong: list[str]) -> str | None:
    value = values.get(key)
    if value is None or isinstance(value, str):
        return value
    wrong.append(key)
    return None


def _sort_order(values: Mapping[str, Any], wrong: list[str]) -> SortOrder:
    table = values.get("sort", {})
    if not isinstance(table, dict):
        wrong.append("sort")
        return SortOrder()
    default = SortOrder()
    column, descending = (table.get(key, getattr(default, key)) for key in _SORT_KEYS)
    if not isinstance(column, str) or not isinstance(descending, bool):
        wrong.append("sort")
        return default
    return SortOrder(column, descending)


def _keys(values: Mapping[str, Any], wrong: list[str]) -> dict[str, str]:
    table = values.get("keys", {})
    if not isinstance(table, dict):
        wrong.append("keys")
        return {}
    found: dict[str, str] = {}
    for action, keys in table.items():
        several = keys if isinstance(keys, list) else [keys]
        if several and all(isinstance(key, str) and key for key in several):
            found[action] = ",".join(several)
        else:
            wrong.append(f"keys.{action}")
    return found


def _read_document() -> TOMLDocument:
    # Importing tomlkit costs more than reading the settings at start-up does.
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = config_path()
    if not path.exists():
        return tomlkit.document()
    try:
        return tomlkit.parse(read_text(path, _HINT))
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise InputError(f"the settings are not saved: {path} is not valid TOML ({error})", _HINT) from error
