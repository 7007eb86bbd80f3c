"""Everything that reads or writes a file from the main screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from textual import on, work

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.tui import files
from kokoro_tui.tui.formats import count, mib, short_path
from kokoro_tui.tui.messages import (
    CommandReady,
    JobFailed,
    Noted,
    RecipeLoaded,
    RecipeSaved,
    TrialsLoaded,
)
from kokoro_tui.tui.screens.command import CommandScreen
from kokoro_tui.tui.screens.editing import EditingScreen
from kokoro_tui.tui.screens.export import Exported, ExportScreen
from kokoro_tui.tui.screens.load import LoadScreen
from kokoro_tui.tui.screens.path_dialog import SavePathScreen, changed_at
from kokoro_tui.tui.widgets.trial_panel import trials_view

EXPORT_NAME = "kokoro_optimized.onnx"
RECIPE_NAME = "kokoro_recipe.toml"


class FilesScreen(EditingScreen):
    """Export, recipes, presets, trial tables and the headless command."""

    _export_path: Path | None = None
    _recipe_path: Path | None = None
    _known_recipes: Mapping[Path, int] = MappingProxyType({})
    """Recipes that this session has read or written, and when they had last been changed."""

    @property
    def model_path(self) -> Path:
        """The open model."""
        return self.bench.inventory.path

    # Export

    def action_export(self) -> None:
        """Ask where to, and write the optimized model."""
        state = self.state
        target = self._export_path or self.model_path.parent / EXPORT_NAME
        self.app.push_screen(ExportScreen(self.bench, state.plan, state.estimate, target), self._exported)

    def _exported(self, exported: Exported | None) -> None:
        if exported is not None:
            self._export_path = exported.path
            self.say(f"{short_path(exported.path)} written, {mib(exported.final_bytes)} MiB")

    # Recipes

    def action_save(self, then: Callable[[], None] | None = None) -> None:
        """Ask where to, save the plan as a recipe, and call ``then`` once that is done."""
        path = self._recipe_path or self.model_path.parent / RECIPE_NAME

        def save(chosen: Path | None) -> None:
            if chosen is not None:
                self._save(chosen, then)

        self.app.push_screen(SavePathScreen("Save the plan as a recipe", path, ".toml", self._known_recipes), save)

    @work(thread=True, exit_on_error=False, group="save")
    def _save(self, path: Path, then: Callable[[], None] | None) -> None:
        plan = self.state.plan
        try:
            files.save_recipe(self.bench, plan, path, self.state.measured)
        except KokoroTuiError as error:
            self.post_message(JobFailed("saving the recipe", error))
        else:
            self._know(path)
            self.post_message(RecipeSaved(path, plan))
            if then is not None:
                self.app.call_from_thread(then)

    @on(RecipeSaved)
    def _saved(self, event: RecipeSaved) -> None:
        self._recipe_path = event.path
        self.work = self.state.keeping(event.plan)
        self.say(f"{short_path(event.path)} saved")

    def action_load(self) -> None:
        """Ask what to load."""
        folders = (self.model_path.parent, Path.cwd())
        self.app.push_screen(LoadScreen(folders, files.preset_names()), self._chosen_to_load)

    def _chosen_to_load(self, source: str | None) -> None:
        if source is None:
            return
        if source.lower().endswith(".csv"):
            self.load_trials(Path(source))
        else:
            self.load_recipe(source)

    @work(thread=True, exit_on_error=False, group="load")
    def load_recipe(self, source: str) -> None:
        """Load a recipe file or ``preset:NAME``."""
        try:
            plan, name, notes = files.load_plan(self.bench, source, self.state.plan)
        except KokoroTuiError as error:
            self.post_message(JobFailed("loading the recipe", error))
        else:
            self._know(Path(source))
            self.post_message(RecipeLoaded(name, plan, notes))

    def _know(self, path: Path) -> None:
        """Remember a recipe as it is now, so that nobody else's is overwritten unasked."""
        if when := changed_at(path):
            self._known_recipes = {**self._known_recipes, path.resolve(): when}

    @on(RecipeLoaded)
    def _recipe_loaded(self, event: RecipeLoaded) -> None:
        changed = len(event.plan.changed_keys(self.state.plan))
        self.push(event.plan)
        self.work = self.state.keeping(event.plan)
        self.say("; ".join((f"{event.name}: {count(changed, 'node')} changed", *event.notes)))

    # Trials

    @work(thread=True, exit_on_error=False, group="load")
    def load_trials(self, path: Path, said: str = "") -> None:
        """Load a trial table, and say so or something else."""
        try:
            found = files.load_trials(self.bench, path)
        except KokoroTuiError as error:
            self.post_message(JobFailed("loading the trials", error))
        else:
            self.post_message(TrialsLoaded(found.path, found.table, found.notes, said))

    @work(thread=True, exit_on_error=False, group="load")
    def find_trials(self) -> None:
        """Load the trial table that lies beside the model or in the working folder, if there is one."""
        try:
            found = files.find_trials(self.bench, Path.cwd())
        except KokoroTuiError as error:
            self.post_message(Noted(f"trials not loaded: {error.message}"))
            return
        if found is not None:
            self.post_message(TrialsLoaded(found.path, found.table, found.notes))

    @on(TrialsLoaded)
    def _trials_loaded(self, event: TrialsLoaded) -> None:
        bench = self.bench
        bench.trials, bench.trials_path = event.table, event.path
        self.trial_panel.view = trials_view(event.path, event.table, event.notes)
        self.show_trials()
        self.say(event.said or f"{short_path(event.path)} loaded, {count(len(event.table.rows), 'trial')}")

    # The headless command

    def action_copy_command(self) -> None:
        """Write the recipe and copy the command that builds it."""
        self._write_command()

    @work(thread=True, exit_on_error=False, group="command")
    def _write_command(self) -> None:
        target = self._export_path or self.model_path.parent / EXPORT_NAME
        try:
            command, path = files.rebuild_command(self.bench, self.state.plan, self.state.measured, target)
        except KokoroTuiError as error:
            self.post_message(JobFailed("writing the recipe", error))
        else:
            self.post_message(CommandReady(command, path))

    @on(CommandReady)
    def _command_ready(self, event: CommandReady) -> None:
        self.app.copy_to_clipboard(event.command)
        self.app.push_screen(CommandScreen(event.command, event.recipe_path))

    # Problems

    @on(JobFailed)
    def _job_failed(self, event: JobFailed) -> None:
        self.report(event.what, event.error)

    @on(Noted)
    def _noted(self, event: Noted) -> None:
        self.say(event.text, warning=True)
