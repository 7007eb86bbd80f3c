"""``kokoro-tui bench``: how fast models speak, how long they load and how much memory they take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui.cli.job import child_log_path
from kokoro_tui.cli.options import (
    DEFAULT_MODEL,
    DebugFlag,
    G2pOption,
    JsonFlag,
    LanguageOption,
    ModelOption,
    PhonemesOption,
    QuietFlag,
    SpeechOptions,
    TextOption,
    VoiceOption,
)
from kokoro_tui.cli.output import Output
from kokoro_tui.cli.planning import split_words
from kokoro_tui.cli.speech import prepare_clips, voice_fields
from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    from kokoro_tui.engine.signature import Signature
    from kokoro_tui.speech.utterance import Utterance
    from kokoro_tui.workbench import Workbench

HELP = "Time models side by side: latency, load time, memory, and which provider runs how many nodes."
EXAMPLES = (
    "kokoro-tui bench kokoro.onnx kokoro_optimized.onnx --runs 20\n\n"
    "kokoro-tui bench kokoro.onnx kokoro_w8.onnx --providers CUDAExecutionProvider,CPUExecutionProvider --json"
)
DEFAULT_OUTPUT = Path("quantization_comparison_results.json")
SUFFIX = "ExecutionProvider"


def complete_provider(incomplete: str) -> list[str]:
    """Providers of this onnxruntime that begin so, for the shell."""
    from kokoro_tui.engine.session import available_providers  # onnxruntime: 0.1 s

    return [name for name in available_providers() if name.startswith(incomplete)]


def run(
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL", show_default=False, help="The models; changes count against the first."),
    ] = None,
    onnx_path: ModelOption = None,
    providers: Annotated[
        list[str] | None,
        typer.Option(
            "--providers",
            metavar="P,…",
            show_default="all that start here",
            help="Execution providers; repeatable.",
            autocompletion=complete_provider,
        ),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Timed runs of each model, taken by turns.")] = 5,
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Threads of one run; 0 is onnxruntime's default.")
    ] = 0,
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE.json", help="Where the figures go.")
    ] = DEFAULT_OUTPUT,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write Markdown tables and no charts.")] = False,
    text: TextOption = None,
    phonemes: PhonemesOption = None,
    voice: VoiceOption = None,
    lang: LanguageOption = None,
    g2p: G2pOption = "espeak",
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Time the models and write the figures."""
    from kokoro_tui.cli.bench_report import report_values, write_report  # onnxruntime: 0.1 s
    from kokoro_tui.engine.bench import BenchSubject
    from kokoro_tui.jobs.bench import BenchRequest, bench
    from kokoro_tui.store.atomic import atomic_path, remove_stale_partials

    out = Output(as_json=as_json, quiet=quiet)
    opened = _open(_paths(models or [], onnx_path))
    chosen = _providers(providers)
    signatures = [model.require_signature() for model in opened]
    clips = _clips(out, signatures, SpeechOptions(text, phonemes, voice, lang, g2p))
    subjects = tuple(
        BenchSubject(model.inventory.path, signature) for model, signature in zip(opened, signatures, strict=True)
    )
    request = BenchRequest(subjects, clips, chosen, runs, threads, strict=bool(providers))
    remove_stale_partials(output.parent)  # what a run that was killed has left
    with atomic_path(output) as partial:
        with out.progress() as progress:
            report = bench(request, progress=progress, log_path=child_log_path())
        sizes = [model.inventory.file_bytes for model in opened]
        values = {"output_path": str(output)} | report_values(request, report, sizes) | voice_fields(clips)
        partial.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    for pair in report.left_out:
        out.note(f"left out: {pair.reason}")
    write_report(out, request, report, sizes, markdown=markdown)
    out.line(f"Written: {output}")
    out.result(values)


def _paths(arguments: list[Path], option: Path | None) -> list[Path]:
    """The models in the order in which they were named.

    Raises:
        InputError: One was named twice.
    """
    paths = ([option] if option is not None and option not in arguments else []) + arguments or [DEFAULT_MODEL]
    places = [path.resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise InputError(f"{path} was named twice", "name each model once")
    return paths


def _open(paths: list[Path]) -> list[Workbench]:
    from kokoro_tui.workbench import Workbench  # onnx: 0.2 s

    return [Workbench.open(path) for path in paths]


def _clips(out: Output, signatures: list[Signature], speech: SpeechOptions) -> tuple[Utterance, ...]:
    """What all models say: ids that the smallest vocabulary among them has."""
    return prepare_clips(out, min(signatures, key=lambda signature: signature.vocabulary_size), speech)


def _providers(values: list[str] | None) -> tuple[str, ...]:
    """The providers that were asked for by full or short name, or else all that are here.

    Raises:
        InputError: None was named, or one that is not in this onnxruntime.
    """
    from kokoro_tui.engine.session import available_providers

    here = available_providers()
    if not values:
        return here
    by_name = {name.lower().removesuffix(SUFFIX.lower()): name for name in here}
    chosen = []
    for name in split_words(values):
        known = by_name.get(name.lower().removesuffix(SUFFIX.lower()))
        if known is None:
            raise InputError(f"this onnxruntime has no provider {name!r}", f"choose from {', '.join(here)}")
        chosen.append(known)
    if not chosen:
        raise InputError("--providers names no provider", f"choose from {', '.join(here)}")
    return tuple(dict.fromkeys(chosen))
