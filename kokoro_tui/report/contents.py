"""What a report tells, before it is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kokoro_tui.engine.measure import Measurement


@dataclass(frozen=True)
class ReportedSentence:
    """What was said."""

    text: str
    """Empty where only phonemes were given."""
    phonemes: str
    voice: str
    language: str


@dataclass(frozen=True)
class ReportedModel:
    """One candidate."""

    name: str
    origin: str
    """Where it comes from, such as ``preset w8`` or ``mine.toml``."""
    file_bytes: int
    sha256: str
    measurements: tuple[Measurement, ...]
    """One for each sentence, against the original."""
    overall: Measurement
    """All sentences together."""
    nodes: Mapping[str, int]
    """Nodes by the label of their precision; empty for a model file, whose plan is not known."""
    recipe: str
    """The recipe that builds it, as TOML; empty for a model file."""
    recipe_name: str
    """What the recipe's file is called; empty without one."""
    command: str
    """What builds it; empty for a model file."""


@dataclass(frozen=True)
class Report:
    """Everything on the page."""

    original_name: str
    original_bytes: int
    original_sha256: str
    models: tuple[ReportedModel, ...]
    sentences: tuple[ReportedSentence, ...]
    command: str
    """What makes this page again."""
    created: str
    """Day and time."""
    versions: Mapping[str, str]
    """Of the programs and the machine that took part."""
    notes: tuple[str, ...] = ()
    """What the reader should know, one sentence each."""
