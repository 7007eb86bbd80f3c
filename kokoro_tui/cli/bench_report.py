"""What ``kokoro-tui bench`` tells: JSON values, tables with the change against the first model, and bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from kokoro_tui.audio.waveform import SAMPLE_RATE
from kokoro_tui.cli.output import MIB, Output, number
from kokoro_tui.jobs.bench import WARM_UP_RUNS, BenchReport, BenchRequest, Timing


@dataclass(frozen=True)
class Column:
    """One model on one provider."""

    name: str
    nbytes: int
    timing: Timing


@dataclass(frozen=True)
class Metric:
    """A row of the table."""

    name: str
    value: Callable[[Column], float | None]
    digits: int


METRICS = (
    Metric("Size (MiB)", lambda c: c.nbytes / MIB, 2),
    Metric("Average (ms)", lambda c: c.timing.figures.avg_ms, 1),
    Metric("P50 (ms)", lambda c: c.timing.figures.p50_ms, 1),
    Metric("P95 (ms)", lambda c: c.timing.figures.p95_ms, 1),
    Metric("Runs/s (QPS)", lambda c: c.timing.figures.qps, 2),
    Metric("RTF", lambda c: c.timing.figures.rtf, 3),
    Metric("Load (ms)", lambda c: 1000 * c.timing.load_seconds, 0),
    Metric("Memory (MiB)", lambda c: _mib(c.timing.memory.peak_bytes), 0),
)


def report_values(request: BenchRequest, report: BenchReport, sizes: Sequence[int]) -> dict[str, object]:
    """The whole report as JSON values; changes are fractions of the first model's figure."""
    models = []
    for subject, nbytes in zip(request.subjects, sizes, strict=True):
        timings = [timing for timing in report.timings if timing.subject == subject]
        found = {timing.provider: _timing_values(timing, _base(request, report, timing)) for timing in timings}
        models.append(
            {
                "path": str(subject.path),
                "bytes": nbytes,
                "providers": found,
                "left_out": {pair.provider: pair.reason for pair in report.left_out if pair.subject == subject},
            }
        )
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(report.machine),
        "text": " ".join(clip.text for clip in request.clips),
        "phonemes": " ".join(clip.phonemes for clip in request.clips),
        "runs": request.runs,
        "warm_up_runs": WARM_UP_RUNS,
        "threads": request.threads or None,
        "models": models,
    }


def _base(request: BenchRequest, report: BenchReport, timing: Timing) -> Timing | None:
    """What a timing is compared with: the first model on the same provider."""
    wanted = (request.subjects[0], timing.provider)
    return next((other for other in report.timings if (other.subject, other.provider) == wanted), None)


def _timing_values(timing: Timing, base: Timing | None) -> dict[str, object]:
    figures = asdict(timing.figures)
    compared = asdict(base.figures) if base else {}
    return {
        **figures,
        "change": {key: figures[key] / value - 1 for key, value in compared.items()} or None,
        "runs_ms": [1000 * one.seconds for one in timing.passes],
        "audio_seconds": timing.passes[0].samples / SAMPLE_RATE,
        "load_ms": 1000 * timing.load_seconds,
        "peak_memory_bytes": timing.memory.peak_bytes,
        "memory_before_bytes": timing.memory.before_bytes,
        "placements": {
            placement.provider: {"nodes": placement.nodes, "partitions": placement.partitions}
            for placement in timing.placements
        },
    }


def write_report(
    out: Output, request: BenchRequest, report: BenchReport, sizes: Sequence[int], *, markdown: bool
) -> None:
    """Write a table and a chart for each provider."""
    machine = report.machine
    seconds = sum(one.samples for timing in report.timings[:1] for one in timing.passes[:1]) / SAMPLE_RATE
    threads = f"{request.threads} threads" if request.threads else "default threads"
    out.line(
        f"{machine.system}, {machine.processor or 'unknown processor'}, {machine.cpus} CPUs, onnxruntime "
        f"{machine.onnxruntime}"
    )
    out.line(f"{request.runs} runs by turns, {threads}, {seconds:.1f} s of audio; changes against the first model")
    names = _names([str(subject.path) for subject in request.subjects])
    for provider in request.providers:
        columns = [
            Column(names[str(timing.subject.path)], nbytes, timing)
            for subject, nbytes in zip(request.subjects, sizes, strict=True)
            for timing in report.timings
            if timing.provider == provider and timing.subject == subject
        ]
        if columns:
            with_base = columns[0].timing.subject == request.subjects[0]
            _write_provider(out, provider, columns, columns[0] if with_base else None, markdown=markdown)


def _write_provider(out: Output, provider: str, columns: list[Column], base: Column | None, *, markdown: bool) -> None:
    headings = [provider if markdown else "", *(column.name for column in columns)]
    rows = [[metric.name, *(_cell(metric, column, base) for column in columns)] for metric in METRICS]
    rows += _placement_rows(columns)
    out.line()
    if markdown:
        out.markdown(headings, rows)
        return
    out.table(headings, rows, title=provider)
    out.bars(
        f"P50 (ms) on {provider}",
        [(column.name, column.timing.figures.p50_ms, f"{column.timing.figures.p50_ms:,.1f}") for column in columns],
    )


def _cell(metric: Metric, column: Column, base: Column | None) -> str:
    """A figure, with its change against the first model where that is another one."""
    value = metric.value(column)
    if value is None:
        return "unknown"
    shown = f"{value:,.{metric.digits}f}"
    compared = metric.value(base) if base is not None and base is not column else None
    return f"{shown} ({100 * (value / compared - 1):+.1f}%)".replace("-", "−") if compared else shown


def _placement_rows(columns: list[Column]) -> Iterable[list[str]]:
    """For every provider that takes part: nodes and partitions."""
    found = [{p.provider: (p.nodes, p.partitions) for p in column.timing.placements} for column in columns]
    for provider in dict.fromkeys(name for placements in found for name in placements):
        counts = [placements.get(provider, (0, 0)) for placements in found]
        short = provider.removesuffix("ExecutionProvider")
        yield [f"{short} nodes", *(number(nodes) for nodes, _ in counts)]
        yield [f"{short} partitions", *(number(partitions) for _, partitions in counts)]


def _names(paths: list[str]) -> dict[str, str]:
    """What to call each model: its file name without the suffix where that is clear, else its path."""
    stems = {path: path.replace("\\", "/").rpartition("/")[2].removesuffix(".onnx") for path in paths}
    taken = list(stems.values())
    return {path: stem if taken.count(stem) == 1 else path for path, stem in stems.items()}


def _mib(nbytes: int | None) -> float | None:
    return None if nbytes is None else nbytes / MIB
