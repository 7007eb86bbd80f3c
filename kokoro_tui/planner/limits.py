"""What the user asks of a plan, and the figures by which plans are judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.sizing import MIB
from kokoro_tui.errors import InputError


class LimitKind(StrEnum):
    """The figure that a limit bounds; the other figures are made as good as it allows."""

    SIZE = "size"
    NOISE = "noise"
    DISTANCE = "distance"

    @property
    def label(self) -> str:
        """What is bounded, with its unit."""
        return {"size": "size in MiB", "noise": "added noise in dB", "distance": "mel distance"}[self.value]


@dataclass(frozen=True)
class Figures:
    """What a plan costs and gives, predicted or measured."""

    nbytes: int
    """Size of the file that it builds; exact, measured or not."""
    mel_distance: float
    """Paired and pinned; the mean over the planning clips where measured."""
    added_noise_db: float
    frames_moved: float | None
    """Duration frames of 25 ms: expected in one clip where predicted, the most of any clip where measured."""

    @property
    def score(self) -> float:
        """How far from the original it sounds; less is better.

        Squared distances of independent errors add; a sentence that moves by a frame counts as ``FRAME_DISTANCE``.
        """
        return self.mel_distance**2 + (FRAME_DISTANCE * (self.frames_moved or 0.0)) ** 2


FRAME_DISTANCE = 0.05
"""The mel distance that one moved frame counts as: as much as FP16 in one block of the pitch predictor."""


@dataclass(frozen=True)
class Limit:
    """An upper bound that a plan must keep.

    Raises:
        InputError: The value is not a number that can bound anything.
    """

    kind: LimitKind
    value: float
    """In the unit of the kind: MiB, dB, or mel distance."""

    def __post_init__(self) -> None:
        if not isfinite(self.value) or self.value < 0 or (self.kind is LimitKind.SIZE and self.value == 0):
            raise InputError(f"{self.value:g} cannot be a limit of the {self.kind.label}", "give a positive number")

    @property
    def nbytes(self) -> int:
        """A limit of the size in bytes."""
        return int(self.value * MIB)

    def keeps(self, figures: Figures) -> bool:
        """Whether figures are within the limit."""
        return self.figure(figures) <= (self.nbytes if self.kind is LimitKind.SIZE else self.value)

    def figure(self, figures: Figures) -> float:
        """The figure that the limit is about."""
        if self.kind is LimitKind.SIZE:
            return figures.nbytes
        return figures.added_noise_db if self.kind is LimitKind.NOISE else figures.mel_distance

    @property
    def words(self) -> str:
        """The limit as a user would say it."""
        unit = {LimitKind.SIZE: "at most {:g} MiB", LimitKind.NOISE: "at most {:g} dB of added noise"}
        return unit.get(self.kind, "a mel distance of at most {:g}").format(self.value)


@dataclass(frozen=True)
class MeasuredPlan:
    """A plan that was built and heard."""

    plan: PrecisionPlan
    predicted: Figures
    measured: Figures
