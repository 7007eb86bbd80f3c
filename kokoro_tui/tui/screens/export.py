"""Writing the optimized model: where to, how far it is, and what came of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input, Label, ProgressBar

from kokoro_tui.errors import Cancelled, KokoroTuiError
from kokoro_tui.store.atomic import remove_stale_partials
from kokoro_tui.store.paths import log_path, make_folder
from kokoro_tui.tui.formats import mib, printable, saved_percent
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.screens.path_dialog import PathSuggester, typed_path

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.core.sizing import Estimate
    from kokoro_tui.graph.apply_plan import BuildReport
    from kokoro_tui.workbench import Workbench

SUFFIX = ".onnx"


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    final_bytes: int


class ExportScreen(Dialog[Exported]):
    """Dismisses with what was written, or None.

    Args:
        bench: The open model.
        plan: What to build.
        estimate: Its size, to be compared with the file.
        target: What to start with.
    """

    TITLE_TEXT = "Export the optimized model"
    BINDINGS = [
        Binding("enter", "submit", "Export", id="export.start", tooltip="Write the file", priority=True),
    ]

    @dataclass
    class Went(Message):
        """The build has come further."""

        stage: str
        share: float

        def can_replace(self, message: Message) -> bool:
            """Only the newest matters."""
            return isinstance(message, ExportScreen.Went)

    @dataclass
    class Ended(Message):
        """The build has ended."""

        report: BuildReport | None
        error: KokoroTuiError | None = None

    def __init__(self, bench: Workbench, plan: PrecisionPlan, estimate: Estimate, target: Path) -> None:
        super().__init__()
        self._source = bench.inventory.path
        self._signature = bench.signature
        self._plan = plan
        self._estimate = estimate
        self._target = target
        self._confirmed: Path | None = None
        self._cancel: threading.Event | None = None
        self._exported: Exported | None = None

    def contents(self) -> ComposeResult:
        """Path, figures, progress and result."""
        estimate = self._estimate
        yield Label("File", classes="dialog-label")
        yield Input(str(self._target), id="path", suggester=PathSuggester(SUFFIX), compact=True, select_on_focus=False)
        yield Label(
            f"estimate {mib(estimate.estimated_bytes)} MiB  {saved_percent(estimate.saved)}", id="export-estimate"
        )
        yield ProgressBar(total=1.0, id="export-bar", show_eta=False)
        yield Label("", id="path-note", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    def on_unmount(self) -> None:
        """Leave no child process behind."""
        if self._cancel is not None:
            self._cancel.set()

    @on(Input.Changed)
    def _changed(self) -> None:
        if self.typed_on:
            self._confirmed = None
            if self._cancel is None:
                self._note("")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing can be started while something is written."""
        return action != "submit" or self._cancel is None

    def submit(self) -> None:
        """Start writing; the second time round if the file exists."""
        if self._exported is not None:
            self.dismiss(self._exported)
            return
        text = self.query_one(Input).value.strip()
        if self._cancel is not None or not text:
            return
        path = typed_path(text, SUFFIX)
        problem = self._problem(path)
        if problem:
            self._note(problem, wrong=True)
        elif path.exists() and self._confirmed != path:
            self._confirmed = path
            self._note(f"{path.name} exists; enter again replaces it")
        else:
            self._start(path)

    def _problem(self, path: Path) -> str:
        if path.is_dir():
            return f"{path} is a folder"
        if not path.parent.is_dir():
            return f"there is no folder {path.parent}"
        if path.exists() and path.samefile(self._source):
            return "that is the source model, which is never replaced"
        return ""

    def action_leave(self) -> None:
        """Stop what goes on, or leave."""
        if self._cancel is None:
            self.dismiss(self._exported)
        else:
            self._cancel.set()
            self._note("stopping")

    def _start(self, path: Path) -> None:
        self._cancel = threading.Event()
        self.query_one(Input).disabled = True
        self.add_class("-running")
        self.refresh_bindings()
        self._build(path, self._cancel)

    @work(thread=True, exit_on_error=False, group="export")
    def _build(self, path: Path, cancel: threading.Event) -> None:
        # The builder and onnxruntime load only where something is built.
        from kokoro_tui.jobs import tasks
        from kokoro_tui.jobs.child import run_in_child

        try:
            log = make_folder(log_path().parent) / log_path().name
            report = run_in_child(
                tasks.build,
                self._source,
                self._plan,
                path,
                self._signature,
                on_progress=self._tell_progress,
                cancel=cancel,
                log_path=log,
            )
        except KokoroTuiError as error:
            remove_stale_partials(path.parent)
            self.post_message(self.Ended(None, error))
        else:
            self.post_message(self.Ended(report))

    def _tell_progress(self, stage: str, share: float) -> None:
        self.post_message(self.Went(stage, share))

    @on(Went)
    def _went(self, event: Went) -> None:
        self.query_one(ProgressBar).progress = event.share
        self._note(event.stage)

    @on(Ended)
    def _ended(self, event: Ended) -> None:
        self._cancel = None
        self.remove_class("-running")
        self.refresh_bindings()
        if event.report is None:
            self.query_one(Input).disabled = False
            self.query_one(Input).focus()
            error = event.error
            assert error is not None
            stopped = isinstance(error, Cancelled)
            self._note(
                "stopped; nothing was written" if stopped else f"{error.message}\n{error.hint}", wrong=not stopped
            )
            return
        report, estimate = event.report, self._estimate
        off = report.final_bytes - estimate.estimated_bytes
        self._exported = Exported(report.output_path, report.final_bytes)
        self.add_class("-done")
        self._note(
            f"{printable(str(report.output_path))}\n{mib(report.final_bytes)} MiB written, "
            f"{off:+,} bytes against the estimate, checked and loaded once"
        )

    def _note(self, text: str, *, wrong: bool = False) -> None:
        note = self.query_one("#path-note", Label)
        note.update(text)
        note.set_class(wrong, "-wrong")
