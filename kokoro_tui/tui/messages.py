"""What threads and widgets tell the main screen; each is past tense, because it has happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from kokoro_tui.audio.analysis import Analysis
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.core.trials import TrialRow, TrialTable
    from kokoro_tui.errors import KokoroTuiError
    from kokoro_tui.lint.linter import Linter
    from kokoro_tui.listening.records import RecipeSummary
    from kokoro_tui.planner.limits import MeasuredPlan
    from kokoro_tui.planner.session import PlanningResult
    from kokoro_tui.store.journal import CutOffSession, Journal
    from kokoro_tui.store.lock import Owner
    from kokoro_tui.trials.run import TrialControl, TrialProgress
    from kokoro_tui.tui.audition import AuditionResult
    from kokoro_tui.tui.sentences import Sentences
    from kokoro_tui.workbench import Workbench


@dataclass
class Progressed(Message):
    """A job has come further."""

    job: str
    """``loading``, ``audition`` or ``candidate``."""
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
    said: str = ""
    """What to tell the user instead of that."""


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
class PageOpened(Message):
    """The listening page is served, or no longer."""

    url: str = ""
    """Empty once it is closed."""
    tunnel: str = ""
    """What a listener at another machine runs there."""


@dataclass
class TargetReady(Message):
    """The tables of the chosen target are read, and the model is looked up in them."""

    linter: Linter


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

    result: AuditionResult | None = None
    analysis: Analysis | None = None
    """Of its first sentence, which is loaded; None of a model that does not speak."""
    error: KokoroTuiError | None = None


@dataclass
class SentenceOpened(Message):
    """Another sentence of a build is ready to be heard and seen."""

    result: AuditionResult
    index: int
    analysis: Analysis
    playing: bool
    """Whether the sentence before it was playing."""


@dataclass
class DevicesListed(Message):
    """The audio devices are known."""

    names: tuple[str, ...]
    chosen: str | None
    """The one in use; None for the default device."""


@dataclass
class CandidateOffered(Message):
    """A plan is to be rendered beside others, from wherever it comes."""

    name: str
    plan: PrecisionPlan
    notes: tuple[str, ...] = ()


@dataclass
class CandidateEnded(Message):
    """Rendering a candidate has ended well, or was stopped, or failed."""

    plan: PrecisionPlan
    result: AuditionResult | None
    error: KokoroTuiError | None = None


@dataclass
class CandidateHeard(Message):
    """The player holds a candidate."""

    number: int
    result: AuditionResult
    index: int
    """Of the sentence."""
    analysis: Analysis
    position: float
    """Where to go on, in seconds from the start."""


@dataclass
class SentencesRead(Message):
    """The sentences to choose from are gathered."""

    sentences: Sentences
    voices: tuple[str, ...]
    """Names of the voices on this machine."""


@dataclass
class ListeningLogRead(Message):
    """What all blind tests of this model have given is known."""

    summaries: tuple[RecipeSummary, ...]
    show: bool
    """Whether it is to be listed now."""


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
class JournalOpened(Message):
    """The journal of this session is begun, and sessions that were cut off are found."""

    journal: Journal
    found: tuple[CutOffSession, ...]
    """The latest first."""


@dataclass
class TrialsFollowed(Message):
    """Another process writes the trial table on show, and has come further or has ended."""

    path: Path
    owner: Owner | None
    """None once it has ended."""
    rows: tuple[TrialRow, ...]
    """What has come in since the last time."""


@dataclass
class TrialsRefused(Message):
    """The table on the disk is of another run."""

    output_path: Path
    keys: tuple[str, ...]
    """The nodes that were to be tried."""
    error: KokoroTuiError


@dataclass
class TrialsEnded(Message):
    """A run of trials is over: done, stopped or failed."""

    error: KokoroTuiError | None


@dataclass
class PlannerStarted(Message):
    """The planner has begun to work."""

    end: Callable[[], None]
    """Ends it from any thread; what it has measured stays."""


@dataclass
class PlannerWent(Message):
    """The planner has come further, maybe by some plans."""

    stage: str
    share: float
    """Of the time that it may take, from 0 to 1."""
    plans: tuple[MeasuredPlan, ...]
    """Just measured."""

    def can_replace(self, message: Message) -> bool:
        """As of trials: a message that holds plans is never dropped."""
        return isinstance(message, PlannerWent) and not self.plans


@dataclass
class PlannerEnded(Message):
    """The planner has come to its end, or was stopped, or failed."""

    result: PlanningResult | None
    error: KokoroTuiError | None = None
