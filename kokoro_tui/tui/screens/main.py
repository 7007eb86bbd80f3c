"""The main screen: reads the model, then is the workbench on screen."""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from kokoro_tui.errors import KokoroTuiError, WorkError
from kokoro_tui.store.settings import SortOrder
from kokoro_tui.tui import files
from kokoro_tui.tui.audition import Speech
from kokoro_tui.tui.bindings import CANDIDATE_BINDINGS, PLAYER_BINDINGS, SCREEN_BINDINGS, TABLE_BINDINGS
from kokoro_tui.tui.formats import mib
from kokoro_tui.tui.messages import (
    AuditionEnded,
    ModelOpened,
    Progressed,
    RecipeLoaded,
    StartFailed,
    TrialsEnded,
    TrialsLoaded,
)
from kokoro_tui.tui.rows import View
from kokoro_tui.tui.screens.help import HelpScreen, Section
from kokoro_tui.tui.screens.planning import PlanningScreen
from kokoro_tui.tui.widgets.banner import Banner
from kokoro_tui.tui.widgets.filter_bar import FilterBar, FilterInput
from kokoro_tui.tui.widgets.key_bar import KeyBar
from kokoro_tui.tui.widgets.loading_panel import LoadingPanel
from kokoro_tui.tui.widgets.node_detail import NodeDetail
from kokoro_tui.tui.widgets.node_table import NodeTable
from kokoro_tui.tui.widgets.player_bar import PlayerBar
from kokoro_tui.tui.widgets.size_bar import SizeBar
from kokoro_tui.tui.widgets.status_line import StatusLine
from kokoro_tui.tui.widgets.trial_panel import TrialPanel

_WITHOUT_MODEL = frozenset({"help", "cancel_build"})
"""What can be done before a model is open."""


@dataclass(frozen=True)
class Start:
    """What was named on the command line."""

    model_path: Path | None = None
    """None for the bundled model."""
    trials_path: Path | None = None
    recipe_path: Path | None = None


class MainScreen(PlanningScreen):
    """One model, its node table, and everything that is done to it."""

    BINDINGS = [*SCREEN_BINDINGS, *CANDIDATE_BINDINGS]
    AUTO_FOCUS = "#nodes"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (112, "-wide"), (170, "-very-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-middle"), (32, "-tall")]

    def __init__(self, start: Start, speech: Speech, sort: SortOrder) -> None:
        super().__init__(speech)
        self._start = start
        self._cancel_loading = threading.Event()
        self._hints: tuple[object, ...] = ()
        self.set_reactive(MainScreen.view, View(sort_column=sort.column, descending=sort.descending))

    def compose(self) -> ComposeResult:
        """Everything there will ever be; the table is empty until the model is read."""
        yield Banner(id="banner")
        yield SizeBar(id="size-bar")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield FilterBar(id="filter-bar")
                yield NodeTable(id="nodes")
                yield Static("", id="empty", markup=False)
            with Vertical(id="side"):
                yield NodeDetail(id="node-detail")
                yield TrialPanel(id="trials")
                yield PlayerBar(id="player")
        yield LoadingPanel(id="loading")
        yield StatusLine(id="status")
        yield KeyBar()

    # Opening

    def on_mount(self) -> None:
        """Paint a frame, then read the model."""
        self.query_one(NodeDetail).border_title = "node"
        self.trial_panel.border_title = "trials"
        self.player_bar.border_title = "audition"
        loading = self.query_one(LoadingPanel)
        path = self._start.model_path
        loading.title = "Kokoro" if path is None else path.name
        loading.stage = "opening the bundled model" if path is None else "reading the model"
        loading.hint = "esc stops it" if path is None else ""
        self.call_after_refresh(self._open)

    @work(thread=True, exit_on_error=False, group="open")
    def _open(self) -> None:
        try:
            path = self._start.model_path or files.ensure_bundled(self._tell_loading, self._cancel_loading)
            # onnx and numpy load behind the first painted frame.
            from kokoro_tui.workbench import Workbench

            bench = Workbench.open(path)
        except KokoroTuiError as error:
            self.post_message(StartFailed(error))
        else:
            self.post_message(ModelOpened(bench))

    def _tell_loading(self, stage: str, share: float) -> None:
        self.post_message(Progressed("loading", stage, share))

    @on(Progressed)
    def _loading_progressed(self, event: Progressed) -> None:
        if event.job == "loading":
            loading = self.query_one(LoadingPanel)
            loading.stage, loading.share = event.stage, event.share

    @on(ModelOpened)
    def _model_opened(self, event: ModelOpened) -> None:
        self.query_one(LoadingPanel).display = False
        self.open_bench(event.workbench)
        self._show_empty_state()
        self.table.focus()
        self.update_hints()
        self.call_after_refresh(self._after_first_table)

    def _after_first_table(self) -> None:
        gc.enable()
        # What is there now stays until the end; looking through it again and again would only delay frames.
        gc.freeze()
        self.show_detail()
        if self._start.trials_path is None and self._start.recipe_path is None:
            self.find_trials()
        else:
            self._load_start_files()

    @work(thread=True, exit_on_error=False, group="load")
    def _load_start_files(self) -> None:
        """Load what was named on the command line; what does not fit ends the program, since nothing is lost yet."""
        try:
            trials = self._start.trials_path
            if trials is not None:
                found = files.load_trials(self.bench, trials)
                # Before the recipe, whose thresholds ask for them.
                self.bench.trials = found.table
                self.post_message(TrialsLoaded(found.path, found.table, found.notes))
            if self._start.recipe_path is not None:
                plan, name, notes = files.load_plan(self.bench, str(self._start.recipe_path), self.state.plan)
                self.post_message(RecipeLoaded(name, plan, notes))
        except KokoroTuiError as error:
            self.post_message(StartFailed(error))

    @on(StartFailed)
    def _start_failed(self, event: StartFailed) -> None:
        self.host.fail(event.error)

    def _show_empty_state(self) -> None:
        """Say so where there is nothing to choose, and what can be done about it."""
        inventory = self.bench.inventory
        quantized = sum(
            node.op.endswith("Integer") or node.op.startswith("DynamicQuantize") for node in inventory.nodes
        )
        note = "No node is listed."
        if not inventory.candidates:
            note = "No node of this model has weights that could be made smaller. Press a to list all nodes."
            if quantized:
                note = "This model is quantized already. Open the FP32 model it comes from, or press a for all nodes."
        self.query_one("#empty", Static).update(note)
        name, size = inventory.path.name, mib(inventory.file_bytes)
        said = f"{name}, {size} MiB, {len(inventory.main_nodes):,} nodes"
        if inventory.candidates and quantized:
            said += "; parts of it are quantized already"
        if self.bench.signature is None:
            said += "; not a Kokoro model, so nothing can be heard"
        self.say(said)

    # Hints

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys hold at the moment: False hides the hint, None shows it dimmed."""
        if self.work is None:
            loading_stops = action == "cancel_build" and self._start.model_path is None
            return action == "help" or loading_stops or not hasattr(self, f"action_{action}")
        if action == "cancel_build":
            return self._cancel_build is not None
        if action == "clear_marks":
            return bool(self.marked)
        if action == "filter":
            return not isinstance(self.focused, FilterInput)
        if action == "clear_filter":
            return bool(self.view.pattern)
        if action == "undo":
            return True if self.work.history.past else None
        if action == "redo":
            return True if self.work.history.future else None
        if action in ("play", "worst"):
            return self.can_play
        if action in ("take_up", "throw_away"):
            return self.can_take_up
        return True

    def update_hints(self) -> None:
        """Let the footer follow, if anything has changed that it shows."""
        work = self.work
        hints = (
            work is None,
            bool(work and work.history.past),
            bool(work and work.history.future),
            bool(self.marked),
            bool(self.view.pattern),
            self._cancel_build is not None,
            self.can_play,
        )
        if hints != self._hints:
            self._hints = hints
            self.refresh_bindings()

    def action_cancel_build(self) -> None:
        """Stop the build that is running: of a plan, or of the bundled model."""
        if self.work is None:
            self._cancel_loading.set()
        else:
            super().action_cancel_build()

    def action_help(self) -> None:
        """Show all keys."""
        effective = self.host.effective
        sections = (
            Section("Node table", tuple(effective(binding) for binding in TABLE_BINDINGS)),
            Section("Everywhere", tuple(effective(binding) for binding in SCREEN_BINDINGS)),
            Section("Player", tuple(effective(binding) for binding in PLAYER_BINDINGS)),
            Section("Candidates", tuple(effective(binding) for binding in CANDIDATE_BINDINGS)),
        )
        self.app.push_screen(HelpScreen(sections))

    # Ending

    def on_unmount(self) -> None:
        """Leave no child process and no sound behind."""
        self._cancel_loading.set()
        self.end_jobs()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report what no job foresaw; the log has the traceback."""
        if event.state is not WorkerState.ERROR or event.worker.error is None:
            return
        error = event.worker.error
        self.log.error(error)
        problem = WorkError(f"unexpected failure: {type(error).__name__}: {error}", "this is a mistake in kokoro-tui")
        if self.work is None:
            self.host.fail(problem)
        elif event.worker.group == "audition":
            self.post_message(AuditionEnded(error=problem))
        elif event.worker.group == "trials":
            self.post_message(TrialsEnded(problem))
        else:
            self.report("a background job", problem)
