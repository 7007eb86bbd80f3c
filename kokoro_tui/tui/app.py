"""The terminal UI as an application: settings, themes, quitting, and what the command line starts."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from textual import events, work
from textual._context import active_message_pump
from textual.actions import ActionParseResult
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.theme import Theme

from kokoro_tui.errors import InputError, KokoroTuiError, WorkError
from kokoro_tui.jobs.child import prepare_main_process
from kokoro_tui.speech.sentences import DEFAULT_TEXT
from kokoro_tui.store.paths import log_path
from kokoro_tui.store.settings import load_settings, save_settings
from kokoro_tui.tui.allocator import give_back_freed_memory
from kokoro_tui.tui.audition import Speech
from kokoro_tui.tui.caches import forget_drawings
from kokoro_tui.tui.commands import Command, dialog_commands, find_commands, matching, theme_commands
from kokoro_tui.tui.screens.confirm import ConfirmScreen
from kokoro_tui.tui.screens.failure import FailureScreen
from kokoro_tui.tui.screens.main import MainScreen, Start
from kokoro_tui.tui.screens.palette import PaletteScreen
from kokoro_tui.tui.screens.too_small import TooSmallScreen, is_too_small
from kokoro_tui.tui.terminal import end_with_terminal, native_output_in_log
from kokoro_tui.tui.themes import DEFAULT_THEME, THEMES, precision_colours

_log = logging.getLogger(__name__)
_SAVE, _LEAVE, _STAY = "save", "leave", "stay"


class KokoroTuiApp(App[None]):
    """The workbench in a terminal.

    Args:
        model_path: The model to open; None opens the bundled Kokoro, which the first start builds.
        trials_path: A trial table to load; otherwise one beside the model or in the working folder is.
        recipe_path: A recipe to start with.
        text: What auditions say, this time.
        voice: Who says it, this time.
    """

    TITLE = "kokoro-tui"
    CSS_PATH = "app.tcss"
    BINDINGS = [Binding("ctrl+q", "quit", "Quit", show=False, priority=True, id="app.quit_anyway", system=True)]

    def __init__(
        self,
        model_path: Path | str | None = None,
        trials_path: Path | str | None = None,
        recipe_path: Path | str | None = None,
        text: str | None = None,
        voice: str | None = None,
    ) -> None:
        # Once the application runs it is too late for this.
        prepare_main_process()
        super().__init__()
        self._start = Start(*(None if p is None else Path(p) for p in (model_path, trials_path, recipe_path)))
        self.settings, self._setting_notes = load_settings()
        self._stored_settings = self.settings
        self._speech = Speech((text or self.settings.text or "").strip() or DEFAULT_TEXT, voice or self.settings.voice)
        self._settings_lock = Lock()
        self.failure: KokoroTuiError | None = None
        """Why the program ended, if it did not end by the user's wish."""
        self.failed = False
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self.settings.theme if self.settings.theme in self.available_themes else DEFAULT_THEME

    @property
    def main(self) -> MainScreen:
        """The main screen, whatever lies over it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    def get_default_screen(self) -> Screen[Any]:
        """The main screen."""
        return MainScreen(self._start, self._speech, self.settings.sort)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The precisions' colours for themes that define none."""
        return precision_colours(dark=self.current_theme.dark)

    def on_mount(self) -> None:
        """Apply what the user has set."""
        self.set_keymap(self.settings.keys)
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        for note in self._setting_notes:
            self.notify(note, severity="warning", markup=False)

    def _theme_changed(self, theme: Theme) -> None:
        self.remember(theme=theme.name)
        forget_drawings()

    def on_resize(self, event: events.Resize) -> None:
        """Ask for a larger terminal where nothing fits; what was done stays."""
        forget_drawings()
        over = isinstance(self.screen, TooSmallScreen)
        if is_too_small(event.size) and not over:
            self.push_screen(TooSmallScreen())
        elif over and not is_too_small(event.size):
            self.pop_screen()

    # Settings

    def remember(self, **changes: Any) -> None:
        """Keep settings for the next session."""
        settings = replace(self.settings, **changes)
        if settings != self.settings:
            self.settings = settings
            self._save_settings()

    @work(thread=True, exit_on_error=False, group="settings")
    def _save_settings(self) -> None:
        with self._settings_lock:
            try:
                settings = self.settings
                save_settings(settings, self._stored_settings)
                self._stored_settings = settings
            except KokoroTuiError as error:
                self.notify(f"{error.message}\n{error.hint}", severity="warning", markup=False)

    def effective(self, binding: Binding) -> Binding:
        """A binding with the user's own key, where there is one."""
        key = self.settings.keys.get(binding.id or "")
        return binding if key is None else binding.with_key(key.split(",")[0])

    # Commands

    def action_command_palette(self) -> None:
        """Show every command; over a dialog, those of the dialog."""
        if self.screen is self.main:
            self._show_palette(partial(find_commands, self.main), "an action, or a part of a node's name")
        else:
            self._show_palette(partial(matching, [*dialog_commands(self.screen)]), "an action")

    def search_themes(self) -> None:
        """Show every theme."""
        self._show_palette(partial(matching, theme_commands(self)), "a theme")

    def _show_palette(self, find: Callable[[str], list[Command]], placeholder: str) -> None:
        if not any(isinstance(screen, PaletteScreen | TooSmallScreen) for screen in self.screen_stack):
            self.push_screen(PaletteScreen(find, placeholder), self._run_command)

    def _run_command(self, command: Command | None) -> None:
        if command is not None:
            self.call_later(command.run)

    # Ending

    async def action_quit(self) -> None:
        """Leave; ask first if the plan would be lost."""
        if isinstance(self.screen, ConfirmScreen):
            return
        if self.main.work is None or not self.main.work.unsaved:
            self.exit()
            return
        answers = {_SAVE: "Save recipe", _LEAVE: "Leave without saving", _STAY: "Stay"}
        self.push_screen(ConfirmScreen("The plan is not saved.", answers), self._quit_answered)

    def _quit_answered(self, answer: str | None) -> None:
        if answer == _LEAVE:
            self.exit()
        elif answer == _SAVE:
            self.main.action_save(then=self.exit)

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action, unless its screen or the one on top is still empty.

        One that fails must not end the loop that is to say so, which runs the actions of keys.
        """
        about = (*self.screen_stack[-1:], default_namespace)
        if any(isinstance(screen, Screen) and not screen.is_mounted for screen in about):
            return False  # keys of one burst come before what they are about
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except Exception as error:  # noqa: BLE001  whatever no handler has caught
            if self._first_failure(error):
                self._show_failure(error)
            return True

    def _handle_exception(self, error: Exception) -> None:
        """Keep the session and say where everything is; the program ends when that has been read.

        Textual calls this for whatever no handler has caught. Its own way is to close at once and print a traceback
        that holds the user's data.
        """
        if not self._first_failure(error):
            return
        if self.is_running and active_message_pump.get() is not self:
            self._show_failure(error)
        else:
            self._close_messages_no_wait()

    def _first_failure(self, error: Exception) -> bool:
        """Log an error that nothing has caught; whether it is the first one."""
        _log.error("uncaught", exc_info=error)
        self._return_code = 1
        if self._exception is None:  # what tests wait for
            self._exception = error
            self._exception_event.set()
        first, self.failed = not self.failed, True
        return first

    def _show_failure(self, error: Exception) -> None:
        journal = self.main.journal_name if self.screen_stack else ""
        what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        self.call_later(self.push_screen, FailureScreen(what, str(log_path()), journal), self._end_failed)

    def _end_failed(self, answer: str | None) -> None:
        self.exit(return_code=1)

    def fail(self, error: KokoroTuiError) -> None:
        """End the program with an error for the caller."""
        self.failure = error
        self.exit(return_code=int(error.exit_code))


def run(
    model_path: Path | None = None,
    trials_path: Path | None = None,
    recipe_path: Path | None = None,
    text: str | None = None,
    voice: str | None = None,
) -> None:
    """Open the terminal UI and return when the user leaves it.

    Args:
        model_path: See `KokoroTuiApp`, as all the others.
        trials_path: A trial table.
        recipe_path: A recipe.
        text: What auditions say.
        voice: Who says it.

    Raises:
        KokoroTuiError: A file is missing or does not fit, or the UI has failed.
    """
    for path in (model_path, trials_path, recipe_path):
        if path is not None and not path.exists():
            raise InputError(f"there is no file {path}", "check the path")
    end_with_terminal()
    give_back_freed_memory()
    app = KokoroTuiApp(model_path, trials_path, recipe_path, text, voice)
    # Collecting garbage costs a tenth of the start; the main screen turns it on again once the table is painted.
    gc.disable()
    try:
        with native_output_in_log():
            app.run()
    finally:
        gc.enable()
    if app.failure is not None:
        raise app.failure
    if app.return_code:
        raise WorkError("the terminal UI has failed", f"the log {log_path()} says where")
