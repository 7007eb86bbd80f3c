"""The candidates of a session: up to nine plans, and what came of rendering them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    from kokoro_tui.audio.player import Player
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.listening.records import RecipeSummary
    from kokoro_tui.speech.sentences import Speech
    from kokoro_tui.tui.audition import AuditionResult

NUMBERS = range(1, 10)
"""The keys that stand for candidates."""


class Stage(Enum):
    """How far a candidate is."""

    WAITING = "waiting"
    RENDERING = "rendering"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Candidate:
    """One plan beside others."""

    name: str
    plan: PrecisionPlan
    estimated_bytes: int
    stage: Stage = Stage.WAITING
    doing: str = ""
    """What is being done while it is rendered."""
    share: float = 0.0
    """Of the rendering, from 0 to 1."""
    result: AuditionResult | None = None
    """What came of it; of other sentences while these are still being rendered."""
    problem: str = ""
    """Why it failed."""

    @property
    def latency(self) -> float | None:
        """Time of a run as a multiple of the original's, median over runs in turns; None where none were taken."""
        from statistics import median  # with what it imports, too much for a start that has no candidates

        clips = () if self.result is None else self.result.clips
        ratios = [ratio for clip in clips for ratio in clip.speed]
        return median(ratios) if ratios else None

    def says(self, speeches: tuple[Speech, ...]) -> bool:
        """Whether it is rendered for exactly these sentences."""
        return self.result is not None and self.result.speeches in (speeches, ())


@dataclass(frozen=True)
class Candidates:
    """Candidates by their numbers, which stay theirs when others go."""

    by_number: Mapping[int, Candidate] = field(default_factory=lambda: MappingProxyType({}))

    def __iter__(self) -> Iterator[tuple[int, Candidate]]:
        return iter(sorted(self.by_number.items()))

    def __len__(self) -> int:
        return len(self.by_number)

    def get(self, number: int) -> Candidate | None:
        """The candidate with a number."""
        return self.by_number.get(number)

    def number_of(self, digest: str) -> int | None:
        """The number of the candidate that builds the same file as a plan with this digest."""
        return next((number for number, found in self if found.plan.digest == digest), None)

    def added(self, candidate: Candidate) -> Candidates:
        """With one more, at the first free number.

        Raises:
            InputError: The same plan is there already, or all numbers are taken.
        """
        same = self.number_of(candidate.plan.digest)
        if same is not None:
            raise InputError(f"candidate {same} is the same plan", "change the plan first")
        free = next((number for number in NUMBERS if number not in self.by_number), None)
        if free is None:
            raise InputError(f"there are {len(NUMBERS)} candidates already", "remove one first")
        return self._with({**self.by_number, free: candidate})

    def without(self, number: int) -> Candidates:
        """With one less."""
        return self._with({key: value for key, value in self.by_number.items() if key != number})

    def updated(self, digest: str, **changes: object) -> Candidates:
        """With changes of the candidate with this digest; as it is if that one is gone."""
        number = self.number_of(digest)
        if number is None:
            return self
        return self._with({**self.by_number, number: replace(self.by_number[number], **changes)})  # type: ignore[arg-type]

    def waiting_for(self, speeches: tuple[Speech, ...]) -> Candidates:
        """With those waiting that are not rendered for exactly these sentences."""
        return self._with(
            {
                number: found
                if found.says(speeches) and found.stage is Stage.READY
                else replace(found, stage=Stage.WAITING, problem="")
                for number, found in self.by_number.items()
            }
        )

    @property
    def next_waiting(self) -> Candidate | None:
        """The first that waits."""
        return next((found for _, found in self if found.stage is Stage.WAITING), None)

    @property
    def rendering(self) -> Candidate | None:
        """The one that is being rendered."""
        return next((found for _, found in self if found.stage is Stage.RENDERING), None)

    def _with(self, by_number: Mapping[int, Candidate]) -> Candidates:
        return Candidates(MappingProxyType(dict(by_number)))


class CandidatesOwner(Protocol):
    """What the table asks of the screen under it."""

    candidates: Candidates
    """Reactive."""
    summaries: tuple[RecipeSummary, ...]
    """Reactive."""

    @property
    def speeches(self) -> tuple[Speech, ...]:
        """What they say."""

    @property
    def original_bytes(self) -> int:
        """Size of the source model's file."""

    def open_player(self) -> Player:
        """A player on the chosen device; blocks."""

    def add_current_plan(self) -> None:
        """Take the plan on show as a candidate."""

    def ask_for_candidate(self) -> None:
        """Ask for a preset or a recipe."""

    def remove_candidate(self, number: int) -> None:
        """Let a candidate go."""

    def toggle_rendering(self) -> None:
        """Stop rendering, or go on with it."""

    def start_blind_test(self, number: int | None = None) -> None:
        """Put a candidate to a blind test."""

    def show_listening_results(self) -> None:
        """List all blind tests so far."""
