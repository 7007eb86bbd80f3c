"""What threads and widgets tell the main screen; each is past tense, because it has happened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.core.trials import TrialRow, TrialTable
    from kokoro_tui.errors import KokoroTuiError
    from kokoro_tui.trials.run import TrialControl, TrialProgress
    from kokoro_tui.tui.audition import AuditionResult
    from kokoro_tui.tui.trial_worker import TrialWish
    from kokoro_tui.workbench import Workbench


@dataclass
class Progressed(Message):
    """A job has come further."""

    job: str
    """``loading`` or ``audition``."""
    stage: str
    share: float
    """From 0 to 1."""

    def can_replace(self, message: Message) -> bool:
        """Only the newest of a job matters."""
        return isinstance(message, Progressed) and message.job == self.job


@dataclass
class ModelOpened(Message):
    """The model has been read."""

    workbench: Workbench


@dataclass
class StartFailed(Message):
    """The program cannot go on: there is no model, or what was named on the command line does not fit it."""

    error: KokoroTuiError


@dataclass
class TrialsLoaded(Message):
    """A trial table that fits the model has been read."""

    path: Path
    table: TrialTable
    notes: tuple[str, ...]


@dataclass
class RecipeLoaded(Message):
    """A recipe or a preset has been resolved for this model."""

    name: str
    plan: PrecisionPlan
    notes: tuple[str, ...] = ()


@dataclass
class RecipeSaved(Message):
    """The plan has been written as a recipe."""

    path: Path
    plan: PrecisionPlan


@dataclass
class CommandReady(Message):
    """The headless command that rebuilds the plan is known, and its recipe is written."""

    command: str
    recipe_path: Path


@dataclass
class JobFailed(Message):
    """A background job came to nothing."""

    what: str
    """What was tried, as in "loading the trials"."""
    error: KokoroTuiError


@dataclass
class Noted(Message):
    """Something the user should know."""

    text: str


@dataclass
class AuditionEnded(Message):
    """A build has ended well, or was stopped, or failed."""

    result: AuditionResult | None
    error: KokoroTuiError | None = None


@dataclass
class PlayerFailed(Message):
    """The audio device failed while it was needed."""

    error: KokoroTuiError


@dataclass
class TrialsPrepared(Message):
    """A run of trials is about to start."""

    steering: TrialControl
    table: TrialTable
    """What earlier runs have left."""
    output_path: Path
    notes: tuple[str, ...]


@dataclass
class TrialsWent(Message):
    """A run of trials has come further: in its preparation, or by some rows."""

    stage: str
    share: float
    progress: TrialProgress | None = None
    rows: tuple[TrialRow, ...] = ()
    noise_floor: float = 0.0

    def can_replace(self, message: Message) -> bool:
        """Textual asks the older message whether the newer one may take its place: not where it holds rows."""
        return isinstance(message, TrialsWent) and not self.rows


@dataclass
class TrialsRefused(Message):
    """The table on the disk is of another run."""

    wish: TrialWish
    error: KokoroTuiError


@dataclass
class TrialsEnded(Message):
    """A run of trials is over: done, stopped or failed."""

    error: KokoroTuiError | None
