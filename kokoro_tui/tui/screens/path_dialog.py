"""Asking for a file to write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.suggester import Suggester
from textual.widgets import Input, Label

from kokoro_tui.tui.screens.modal import Dialog


def typed_path(text: str, suffix: str) -> Path:
    """The path that was typed, ending in ``suffix``: what follows the dot of "w8-v1.2" says nothing of the file."""
    path = Path(text).expanduser()
    is_other = path.suffix.lower() != suffix and path.name and not path.is_dir()
    return path.with_name(path.name + suffix) if is_other else path


def changed_at(path: Path) -> int:
    """When a file was last changed, in nanoseconds; 0 if there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


class PathSuggester(Suggester):
    """Completes a path from what lies in its folder.

    Args:
        suffixes: Endings of the files to suggest, with their dots; folders are always suggested.
    """

    def __init__(self, *suffixes: str) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._suffixes = suffixes

    async def get_suggestion(self, value: str) -> str | None:
        """The first name, in alphabetical order, that goes on from ``value``."""
        head, slash, start = value.rpartition("/")
        folder = Path(f"{head}{slash}" or ".").expanduser()
        try:
            names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
        except OSError:
            return None
        fitting = (name for name in names if name.startswith(start) and self._fits(name, start))
        found = next(fitting, None)
        return None if found is None else f"{head}{slash}{found}"

    def _fits(self, name: str, start: str) -> bool:
        if name.startswith(".") and not start:
            return False
        return name.endswith(("/", *self._suffixes))


class SavePathScreen(Dialog[Path]):
    """Dismisses with the path; one that exists has to be confirmed.

    Args:
        title: What is saved.
        path: What to start with.
        suffix: Added where the user names none.
        known: When this session has read or written files, as `changed_at` has it; one that has changed is named.
    """

    BINDINGS = [Binding("enter", "submit", "Save", id="path.save", tooltip="Write the file", priority=True)]

    def __init__(self, title: str, path: Path, suffix: str, known: Mapping[Path, int] = MappingProxyType({})) -> None:
        super().__init__()
        self._known = known
        self.TITLE_TEXT = title
        self._path = path
        self._suffix = suffix
        self._confirmed: Path | None = None

    def contents(self) -> ComposeResult:
        """The path and a note."""
        yield Label("File", classes="dialog-label")
        yield Input(
            str(self._path), id="path", suggester=PathSuggester(self._suffix), compact=True, select_on_focus=False
        )
        yield Label("", id="path-note", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _changed(self) -> None:
        if self.typed_on:
            self._confirmed = None
            self.query_one("#path-note", Label).update("")

    def submit(self) -> None:
        """Give the path; the second time round if it exists."""
        text = self.query_one(Input).value.strip()
        if not text:
            return
        path = typed_path(text, self._suffix)
        problem = (
            "is a folder" if path.is_dir() else "" if path.parent.is_dir() else "lies in a folder that does not exist"
        )
        note = self.query_one("#path-note", Label)
        if problem:
            note.update(f"{path} {problem}")
        elif path.exists() and self._confirmed != path:
            self._confirmed = path
            known = self._known.get(path.resolve())
            state = "exists" if known in (None, changed_at(path)) else "has been changed by somebody else meanwhile"
            note.update(f"{path.name} {state}; enter again replaces it")
        else:
            self.dismiss(path)
