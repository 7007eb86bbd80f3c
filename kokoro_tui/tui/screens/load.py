"""Choosing a recipe, a preset or a trial table."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from kokoro_tui.tui.formats import printable, short_path
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.screens.path_dialog import PathSuggester

PRESET = "preset:"
_RECIPE_TABLES = (b"[[rules]]", b"[thresholds]")
_LOOKED_AT_BYTES = 8192


class LoadScreen(Dialog[str]):
    """Dismisses with a path, or with ``preset:NAME``.

    Args:
        folders: Where recipes and trial tables are looked for.
        presets: Names of the presets.
    """

    TITLE_TEXT = "Load a recipe, a preset or trials"
    SUFFIXES: tuple[str, ...] = (".toml", ".csv")
    FIRST: tuple[str, ...] = ()
    """What can be chosen besides files and presets."""
    BINDINGS = [
        Binding("enter", "submit", "Load", id="load.load", tooltip="Load what is typed or chosen", priority=True),
        Binding("down", "choose", "Choose", id="load.choose", tooltip="Go to the list", priority=True),
    ]

    def __init__(self, folders: tuple[Path, ...], presets: tuple[str, ...]) -> None:
        super().__init__()
        self._found = [path for folder in dict.fromkeys(folders) for path in _files(folder, self.SUFFIXES)]
        self._presets = presets

    def contents(self) -> ComposeResult:
        """A path to type, and a list to choose from."""
        yield Label(f"File ({' or '.join(self.SUFFIXES)})", classes="dialog-label")
        yield Input(
            id="path", suggester=PathSuggester(*self.SUFFIXES), placeholder="type, or go down to the list", compact=True
        )
        files = [Option(printable(short_path(path)), id=str(path)) for path in self._found]
        presets = [Option(f"preset {name}", id=f"{PRESET}{name}") for name in self._presets]
        first = [Option(text, id=text) for text in self.FIRST]
        yield OptionList(*first, *files, *presets, id="load-list", markup=False, compact=True)
        yield Label("", id="path-note", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the list, down goes down."""
        return action != "choose" or not self.query_one(OptionList).has_focus

    def action_choose(self) -> None:
        """Go to the list."""
        self.query_one(OptionList).focus()

    def submit(self) -> None:
        """Load what is typed, or what is chosen while the list has the focus."""
        options = self.query_one(OptionList)
        if options.has_focus and options.highlighted is not None:
            self.dismiss(options.get_option_at_index(options.highlighted).id)
            return
        text = self.query_one(Input).value.strip()
        if not text:
            return
        if (name := text.removeprefix(PRESET).removeprefix("preset ")) in self._presets:
            self.dismiss(f"{PRESET}{name}")
            return
        path = Path(text).expanduser()
        if path.suffix.lower() not in self.SUFFIXES:
            csv = ", a trial table in .csv" if ".csv" in self.SUFFIXES else ""
            self._note(f"a recipe ends in .toml{csv}")
        elif not path.is_file():
            self._note(f"there is no file {path}")
        else:
            self.dismiss(str(path))

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def _note(self, text: str) -> None:
        self.query_one("#path-note", Label).update(printable(text))


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and _is_of_use(path, suffixes))
    except OSError:
        return []


def _is_of_use(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Whether a file may be a trial table or a recipe; other TOML files lie about everywhere."""
    suffix = path.suffix.lower()
    if suffix != ".toml":
        return suffix in suffixes
    with path.open("rb") as handle:
        start = handle.read(_LOOKED_AT_BYTES)
    return any(table in start for table in _RECIPE_TABLES)
