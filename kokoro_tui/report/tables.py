"""The table of a report and the sentence above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokoro_tui.report.contents import Report, ReportedModel

if TYPE_CHECKING:
    from kokoro_tui.engine.measure import Measurement

_MIB = 1024 * 1024
_NOTHING = "–"
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One figure."""

    text: str
    under: str = ""
    """A remark in small print."""
    share: str | None = None
    """Length of its bar in percent; None without a bar."""


@dataclass(frozen=True)
class Row:
    """One line: the original's figure, then one for each candidate."""

    label: str
    cells: tuple[Cell, ...]
    strong: bool = False


@dataclass(frozen=True)
class TableGroup:
    """Lines that belong together."""

    title: str
    rows: tuple[Row, ...]


def quality_tables(report: Report) -> tuple[TableGroup, ...]:
    """Size, quality over all sentences, and quality sentence by sentence where there are several."""
    groups = [TableGroup("", (_sizes(report), *_means(report), *_node_rows(report)))]
    if len(report.sentences) > 1:
        rows = (
            Row(
                _shortened(f"{index + 1}. {sentence.text or sentence.phonemes}"),
                (Cell(_NOTHING), *(_distance_and_noise(model.measurements[index]) for model in report.models)),
            )
            for index, sentence in enumerate(report.sentences)
        )
        groups.append(TableGroup("Mel distance by sentence, with added noise and moved frames", tuple(rows)))
    return tuple(groups)


def summary(report: Report) -> tuple[str, ...]:
    """One sentence for each candidate."""
    lines = []
    for model in report.models:
        change = f"{100 * abs(1 - model.file_bytes / report.original_bytes):.1f} %"
        larger = model.file_bytes > report.original_bytes
        moved = model.overall.frames_moved
        timing = "" if moved is None else ", durations unchanged" if moved == 0 else f", up to {moved} frames moved"
        lines.append(
            f"{model.name}: {mib(model.file_bytes)}, {change} {'larger' if larger else 'smaller'}; "
            f"mel distance {model.overall.mel_distance:.3f}, added noise {model.overall.added_noise_db:.1f} dB{timing}."
        )
    return tuple(lines)


def mib(nbytes: int) -> str:
    """Bytes as MiB with two decimals."""
    return f"{nbytes / _MIB:,.2f} MiB"


def _sizes(report: Report) -> Row:
    largest = max(report.original_bytes, *(model.file_bytes for model in report.models))
    original = Cell(mib(report.original_bytes), "±0 %", f"{100 * report.original_bytes / largest:.1f}")
    cells = [
        Cell(mib(m.file_bytes), f"{_change(report, m)} %", f"{100 * m.file_bytes / largest:.1f}") for m in report.models
    ]
    return Row("File size", (original, *cells), strong=True)


def _means(report: Report) -> tuple[Row, ...]:
    several = len(report.sentences) > 1
    mean, largest = (" (mean)", " (most)") if several else ("", "")
    return (
        _row(f"Mel distance{mean}", "0", report, lambda found: f"{found.mel_distance:.4f}", _caveat),
        _row(f"Added noise{mean}", "0", report, lambda found: f"{found.added_noise_db:.2f} dB"),
        _row(f"Frames moved{largest}", "0", report, lambda found: _or_nothing(found.frames_moved)),
        _row(
            "Real-time factor",
            f"{report.models[0].overall.reference_factor:.2f}",
            report,
            lambda found: f"{found.candidate_factor:.2f}",
        ),
    )


def _row(
    label: str,
    original: str,
    report: Report,
    figure: Callable[[Measurement], str],
    remark: Callable[[Measurement], str] = lambda found: "",
) -> Row:
    return Row(label, (Cell(original), *(Cell(figure(m.overall), remark(m.overall)) for m in report.models)))


def _caveat(found: Measurement) -> str:
    """What a reader has to know about a distance."""
    if not found.paired:
        return "other noise: 0.13–0.18 of it"
    return "" if found.pinned else "own durations"


def _node_rows(report: Report) -> tuple[Row, ...]:
    labels = dict.fromkeys(label for model in report.models for label in model.nodes)
    return tuple(
        Row(
            f"{label} nodes",
            (Cell(_NOTHING), *(Cell(_or_nothing(model.nodes.get(label))) for model in report.models)),
        )
        for label in labels
        if any(model.nodes.get(label) for model in report.models)
    )


def _distance_and_noise(found: Measurement) -> Cell:
    moved = "" if found.frames_moved is None else f" · {found.frames_moved} moved"
    return Cell(f"{found.mel_distance:.4f}", f"{found.added_noise_db:+.1f} dB{moved}")


def _change(report: Report, model: ReportedModel) -> str:
    return f"{100 * (model.file_bytes / report.original_bytes - 1):+.1f}".replace("-", _MINUS)


def _or_nothing(count: int | None) -> str:
    return _NOTHING if count is None else f"{count:,}"


_MAX_LABEL = 48


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_LABEL else f"{text[: _MAX_LABEL - 1]}…"
