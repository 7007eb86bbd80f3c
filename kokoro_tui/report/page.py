"""From what a report tells to the page that tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokoro_tui.audio.waveform import SAMPLE_RATE, Waveform
from kokoro_tui.report.contents import Report, ReportedModel, ReportedSentence
from kokoro_tui.report.images import DIFFERENCE_DB, RANGE_DB, difference_scale_png, level_scale_png
from kokoro_tui.report.lanes import CandidateLanes, SentenceLanes, prepare_lanes
from kokoro_tui.report.tables import mib, quality_tables, summary
from kokoro_tui.web.pages import render_page
from kokoro_tui.web.sound import FLAC, data_uri, flac_bytes

if TYPE_CHECKING:
    from kokoro_tui.engine.measure import Measurement

_PNG = "image/png"
_MAX_KEYS = 9
_MAX_HEADING = 300
"""Longest text that is shown as a heading, in characters."""


@dataclass(frozen=True)
class _Audio:
    uri: str
    seconds: str
    label: str


@dataclass(frozen=True)
class _Worst:
    seconds: str
    label: str


@dataclass(frozen=True)
class _Lane:
    """One row of a sentence: what it is called, its sound and its picture."""

    label: str
    key: str
    figures: str
    audio: _Audio
    picture: str
    picture_label: str
    is_difference: bool = False
    own_timing: _Audio | None = None
    worst: _Worst | None = None


@dataclass(frozen=True)
class _Tick:
    percent: str
    label: str
    anchor: str
    shift: str


@dataclass(frozen=True)
class _Sentence:
    heading: str
    phonemes: str
    voice: str
    language: str
    length: str
    seconds: str
    lanes: tuple[_Lane, ...]
    ticks: tuple[_Tick, ...]


@dataclass(frozen=True)
class _Model:
    name: str
    origin: str
    size: str
    sha256: str
    recipe: str
    recipe_name: str
    recipe_uri: str
    command: str


def report_page(report: Report, progress: Callable[[str, float], None] = lambda stage, share: None) -> str:
    """The HTML of a report, with every sound and picture inside.

    Args:
        report: What it tells; at least one model and one sentence.
        progress: Receives stages and shares.

    Raises:
        WaveformError: A rendering is not finite, or holds no sample.
    """
    sentences = []
    for index, sentence in enumerate(report.sentences):
        progress("drawing the page", index / len(report.sentences))
        sentences.append(_sentence(sentence, report.models, [m.measurements[index] for m in report.models]))
    values = {
        "report": report,
        "title": _title(report),
        "summary": summary(report),
        "tables": quality_tables(report),
        "models": [_model(model) for model in report.models],
        "sentences": sentences,
        "original_size": mib(report.original_bytes),
        "level_scale": data_uri(level_scale_png(), _PNG),
        "difference_scale": data_uri(difference_scale_png(), _PNG),
        "range_db": f"{RANGE_DB:.0f}",
        "difference_db": f"{DIFFERENCE_DB:.0f}",
    }
    page = render_page(
        "report.html.jinja",
        values,
        styles=("page.css", "report.css"),
        scripts=("switcher.js", "report.js"),
        sources={"img-src": "data:", "media-src": "data:"},
    )
    progress("done", 1.0)
    return page.html


def _title(report: Report) -> str:
    names = [model.name for model in report.models]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{listed} against {report.original_name}"


def _model(model: ReportedModel) -> _Model:
    uri = data_uri(model.recipe.encode(), "application/toml")
    size = mib(model.file_bytes)
    return _Model(model.name, model.origin, size, model.sha256, model.recipe, model.recipe_name, uri, model.command)


def _sentence(
    sentence: ReportedSentence, models: Sequence[ReportedModel], measurements: Sequence[Measurement]
) -> _Sentence:
    made = prepare_lanes(measurements[0].reference, [(m.candidate, m.pinned_candidate) for m in measurements])
    heading = sentence.text or sentence.phonemes
    return _Sentence(
        heading=heading if len(heading) <= _MAX_HEADING else f"{heading[: _MAX_HEADING - 1]}…",
        phonemes=sentence.phonemes if sentence.text else "",
        voice=sentence.voice,
        language=sentence.language,
        length=f"{made.seconds:.1f} s",
        seconds=f"{made.seconds:.3f}",
        lanes=tuple(_lanes(made, models, measurements)),
        ticks=tuple(_ticks(made.seconds)),
    )


def _lanes(
    made: SentenceLanes, models: Sequence[ReportedModel], measurements: Sequence[Measurement]
) -> Iterator[_Lane]:
    yield _Lane(
        label="Original",
        key="1",
        figures="",
        audio=_audio(made.original.track, "Original"),
        picture=data_uri(made.original.picture, _PNG),
        picture_label="Spectrogram of the original",
    )
    for index, (model, found, lanes) in enumerate(zip(models, measurements, made.candidates, strict=True)):
        yield from _candidate(model.name, str(index + 2), found, lanes, made.difference_gain_db)


def _candidate(name: str, key: str, found: Measurement, lanes: CandidateLanes, gain_db: int) -> Iterator[_Lane]:
    own = lanes.own_timing
    yield _Lane(
        label=name,
        key=key if int(key) <= _MAX_KEYS else "",
        figures=_figures(found),
        audio=_audio(lanes.candidate.track, name),
        picture=data_uri(lanes.candidate.picture, _PNG),
        picture_label=f"Spectrogram of {name}",
        own_timing=_audio(own, f"{name} with its own durations") if own is not None else None,
    )
    amplified = f", {gain_db:+d} dB" if gain_db else ""
    yield _Lane(
        label=f"Difference{amplified}",
        key="",
        figures="",
        audio=_audio(lanes.difference.track, f"Difference of {name} and the original{amplified}"),
        picture=data_uri(lanes.difference.picture, _PNG),
        picture_label=f"Level of {name} against the original",
        is_difference=True,
        worst=_Worst(f"{lanes.worst_seconds:.3f}", f"{lanes.worst_seconds:.1f} s"),
    )


def _figures(found: Measurement) -> str:
    moved = "" if found.frames_moved is None else f" · {found.frames_moved} moved"
    return f"mel {found.mel_distance:.3f} · {found.added_noise_db:+.1f} dB{moved}"


def _audio(track: Waveform, label: str) -> _Audio:
    return _Audio(data_uri(flac_bytes(track), FLAC), f"{track.size / SAMPLE_RATE:.4f}", label)


def _ticks(seconds: float) -> Iterator[_Tick]:
    """Marks at whole seconds, or at every fifth or tenth of a long sentence."""
    step = next((step for step in (1, 2, 5, 10, 30) if seconds / step <= 12), 60)
    for at in range(0, int(seconds) + 1, step):
        anchor, shift = ("start", "0") if at == 0 else ("middle", "0")
        if at / seconds > 0.97:
            anchor = "end"
        yield _Tick(f"{100.0 * at / seconds:.2f}", f"{at} s", anchor, shift)
