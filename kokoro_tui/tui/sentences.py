"""The sentences to choose from: the user's own and those that ship, without any widget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kokoro_tui.speech.sentences import DEFAULT_TEXT, Speech, load_shipped


@dataclass(frozen=True)
class SentenceRow:
    """One sentence in the list."""

    speech: Speech
    chosen: bool = False
    """Whether it is said in auditions."""
    stresses: str = ""
    """What a shipped sentence is hard on; empty for the user's own."""

    @property
    def own(self) -> bool:
        """Whether the user may change it."""
        return not self.stresses


@dataclass(frozen=True)
class Sentences:
    """All rows, the user's own first."""

    rows: tuple[SentenceRow, ...]

    @classmethod
    def gathered(cls, own: Sequence[Speech], chosen: Sequence[Speech]) -> Sentences:
        """The user's sentences, those that are chosen wherever they come from, and the shipped ones."""
        shipped = [(Speech(DEFAULT_TEXT), "a bit of all"), *((Speech(s.text), s.stresses) for s in load_shipped())]
        known = {speech for speech, _ in shipped}
        kept = dict.fromkeys(speech for speech in (*chosen, *own) if speech not in known)
        rows = [SentenceRow(speech, speech in chosen) for speech in kept]
        rows += [SentenceRow(speech, speech in chosen, stresses) for speech, stresses in shipped]
        return cls(tuple(rows))

    @property
    def chosen(self) -> tuple[Speech, ...]:
        """What auditions say, in the order of the list, nothing twice and nothing empty."""
        return tuple(dict.fromkeys(row.speech for row in self.rows if row.chosen and row.speech.text))

    @property
    def own(self) -> tuple[Speech, ...]:
        """What is kept for the user."""
        return tuple(dict.fromkeys(row.speech for row in self.rows if row.own and row.speech.text))

    def toggled(self, index: int) -> Sentences:
        """With one sentence chosen, or no longer."""
        return self._with(index, replace(self.rows[index], chosen=not self.rows[index].chosen))

    def edited(self, index: int, speech: Speech) -> tuple[Sentences, int]:
        """With other words or another voice in one place, and that place: a shipped sentence stays beside its copy."""
        row = self.rows[index]
        if row.speech == speech:
            return self, index
        if row.own:
            return self._with(index, replace(row, speech=speech)), index
        left = self._with(index, replace(row, chosen=False)).rows
        return Sentences((SentenceRow(speech, row.chosen), *left)), 0

    def added(self, speeches: Sequence[Speech]) -> Sentences:
        """With more sentences of the user's own, chosen, in front."""
        return Sentences((*(SentenceRow(speech, chosen=True) for speech in speeches), *self.rows))

    def without(self, index: int) -> Sentences:
        """With one less."""
        return Sentences((*self.rows[:index], *self.rows[index + 1 :]))

    def _with(self, index: int, row: SentenceRow) -> Sentences:
        return Sentences((*self.rows[:index], row, *self.rows[index + 1 :]))
