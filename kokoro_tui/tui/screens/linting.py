"""Warnings for the chosen target, kept true while precisions change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.tui.messages import JobFailed, TargetReady
from kokoro_tui.tui.screens.target import NONE, TargetScreen
from kokoro_tui.tui.screens.work import WorkScreen
from kokoro_tui.tui.state import WorkState
from kokoro_tui.tui.widgets.size_bar import SizeBar
from kokoro_tui.tui.wording import target_note

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.workbench import Workbench


class LintingScreen(WorkScreen):
    """Checks every plan against the target that the settings name."""

    def open_bench(self, bench: Workbench) -> None:
        """Show a model that has been read; its target is looked up once the table is on screen."""
        super().open_bench(bench)
        self.call_after_refresh(self._look_up)

    def action_target(self) -> None:
        """Ask where the plan is to run."""
        self.app.push_screen(TargetScreen(self.host.settings.target), self._target_chosen)

    def action_lint_target(self, name: str) -> None:
        """Take a target without asking."""
        self._target_chosen(name)

    def watch_work(self, before: WorkState | None, after: WorkState | None) -> None:
        """Let the warnings follow the plan."""
        super().watch_work(before, after)
        self._show_warnings()

    def _target_chosen(self, name: str | None) -> None:
        if name is None:
            return
        self.host.remember(target=None if name == NONE else name)
        self.linter = None
        if name == NONE:
            self._show_warnings()
            self.show_detail()
            self.say("no target; nothing is checked")
        else:
            self._look_up()

    def _look_up(self) -> None:
        if self.host.settings.target is not None and self.work is not None:
            self._prepare(self.host.settings.target, self.state.plan)

    @work(thread=True, exclusive=True, exit_on_error=False, group="lint")
    def _prepare(self, name: str, plan: PrecisionPlan) -> None:
        """Read the tables and look every node up: some 60 ms, so not while keys wait."""
        from kokoro_tui.lint.linter import Linter  # only where a target is chosen
        from kokoro_tui.lint.targets import find_target

        try:
            linter = Linter(self.bench.inventory, find_target(name), plan)
        except KokoroTuiError as error:
            self.post_message(JobFailed("choosing the target", error))
            return
        linter.added(plan)
        self.post_message(TargetReady(linter))

    @on(TargetReady)
    def _target_ready(self, event: TargetReady) -> None:
        self.linter = event.linter
        self._show_warnings()
        self.show_detail()

    def _show_warnings(self) -> None:
        bar = self.query_one(SizeBar)
        if self.linter is None or self.work is None:
            bar.target = None
        elif self.linter.serves(self.state.plan):
            bar.target = target_note(self.linter.target.title, self.linter.added(self.state.plan))
        else:
            # INT8 means something else now: static, or another weight type.
            self._look_up()
