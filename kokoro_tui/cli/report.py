"""``kokoro-tui report``: one HTML page on which somebody else can hear and judge candidates."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui import __version__
from kokoro_tui.cli.comparing import ComparisonRequest, NamedCandidate, resolve_comparison, split_models
from kokoro_tui.cli.job import run_job
from kokoro_tui.cli.options import (
    DebugFlag,
    G2pOption,
    JsonFlag,
    LanguageOption,
    ModelOption,
    QuietFlag,
    SpeechOptions,
)
from kokoro_tui.cli.output import Output, mib
from kokoro_tui.cli.planning import TrialsOption
from kokoro_tui.cli.speech import prepare_clips
from kokoro_tui.core.recipe_options import count_precisions

if TYPE_CHECKING:
    from kokoro_tui.cli.comparing import ResolvedComparison
    from kokoro_tui.jobs.comparison import ComparedModel, Comparison
    from kokoro_tui.report.contents import Report, ReportedModel
    from kokoro_tui.speech.utterance import Utterance

HELP = "Write one HTML page to send to somebody: sound, spectrograms, figures and recipes of one or more candidates."
EXAMPLES = (
    "kokoro-tui report kokoro.onnx --preset w8 --preset fp16 --voice af_heart --output report\n\n"
    'kokoro-tui report kokoro.onnx kokoro_optimized.onnx --recipe mine.toml --text "Hello, world!" --text "Good night."'
)
PAGE_NAME = "report.html"
MAIL_BYTES = 20 * 1024 * 1024
"""A page larger than that is too large for many mail servers."""


def run(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MODEL] [OTHER.onnx]...", show_default=False, help="The original, then models to compare with it."
        ),
    ] = None,
    onnx_path: ModelOption = None,
    preset: Annotated[
        list[str] | None, typer.Option("--preset", metavar="NAME", help="A recipe that ships; repeatable.")
    ] = None,
    recipe: Annotated[
        list[Path] | None, typer.Option("--recipe", metavar="FILE", help="A recipe file; repeatable.")
    ] = None,
    trial_results: TrialsOption = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", "--eval-text", show_default=False, help="What to say; repeatable. A sentence of 5 s."),
    ] = None,
    phonemes: Annotated[
        list[str] | None,
        typer.Option("--phonemes", show_default=False, help="What to say, in Kokoro's phonemes; repeatable."),
    ] = None,
    voice: Annotated[
        list[str] | None,
        typer.Option(
            "--voice",
            "--eval-voice",
            show_default=False,
            help="A voice name or file; repeatable: each says everything.",
        ),
    ] = None,
    lang: LanguageOption = None,
    g2p: G2pOption = "espeak",
    output: Annotated[Path, typer.Option("--output", metavar="FOLDER", help="Where the page goes.")] = Path("report"),
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Render, measure, and write the page."""
    from kokoro_tui.jobs.comparison import compare_models  # onnx: 0.2 s
    from kokoro_tui.report.page import report_page
    from kokoro_tui.store.atomic import atomic_path, remove_stale_partials
    from kokoro_tui.store.paths import cache_folder, make_folder

    out = Output(as_json=as_json, quiet=quiet)
    original, others = split_models(models, onnx_path)
    request = ComparisonRequest(original, others, tuple(preset or ()), tuple(recipe or ()), trial_results)
    resolved = resolve_comparison(out, request)
    wanted = _Speeches(tuple(text or ()), tuple(phonemes or ()), tuple(voice or ()), lang, g2p)
    sentences = [prepare_clips(out, resolved.signature, speech) for speech in wanted.each()]
    target = make_folder(output) / PAGE_NAME
    remove_stale_partials(output)
    with atomic_path(target) as partial:
        found = run_job(
            out,
            compare_models,
            original,
            resolved.signature,
            [named.candidate for named in resolved.candidates],
            sentences,
            workspace := make_folder(cache_folder() / "comparisons"),
            writes_into=workspace,
        )
        report = _report(resolved, found, sentences, _command(request, wanted))
        with out.progress() as progress:
            partial.write_text(report_page(report, progress), encoding="utf-8")
    size = target.stat().st_size
    if size > MAIL_BYTES:
        out.note(f"the page has {mib(size)}; with fewer sentences, voices or candidates it is smaller")
    out.result(_json(report, target))
    _write(out, report, target, size)


@dataclass(frozen=True)
class _Speeches:
    """Everything that is said: each text and each line of phonemes, by each voice."""

    texts: tuple[str, ...]
    phonemes: tuple[str, ...]
    voices: tuple[str, ...]
    language: str | None
    g2p: str

    def each(self) -> list[SpeechOptions]:
        """One entry a sentence and voice; the default sentence where nothing was given."""
        said: list[tuple[str | None, str | None]] = [(text, None) for text in self.texts]
        said += [(None, phonemes) for phonemes in self.phonemes]
        return [
            SpeechOptions(text, phonemes, voice, self.language, self.g2p)
            for text, phonemes in said or [(None, None)]
            for voice in self.voices or (None,)
        ]

    def words(self) -> list[str]:
        """The options that say the same again."""
        given = [("--text", self.texts), ("--phonemes", self.phonemes), ("--voice", self.voices)]
        words = [word for option, values in given for value in values for word in (option, value)]
        return words + (["--lang", self.language] if self.language else [])


def _command(request: ComparisonRequest, wanted: _Speeches) -> str:
    """What makes the page again; without folders, which are nobody else's business."""
    words = ["kokoro-tui", "report", request.model.name, *(path.name for path in request.others)]
    words += [word for preset in request.presets for word in ("--preset", preset)]
    words += [word for recipe in request.recipes for word in ("--recipe", recipe.name)]
    return shlex.join(words + wanted.words())


def _report(
    resolved: ResolvedComparison, found: Comparison, sentences: list[tuple[Utterance, ...]], command: str
) -> Report:
    from kokoro_tui.report.contents import Report, ReportedSentence

    machine = found.machine
    clips = [clip for sentence in sentences for clip in sentence]
    return Report(
        original_name=resolved.bench.inventory.path.name,
        original_bytes=resolved.bench.inventory.file_bytes,
        original_sha256=found.original_sha256,
        models=tuple(
            _model(resolved, named, model) for named, model in zip(resolved.candidates, found.models, strict=True)
        ),
        sentences=tuple(
            ReportedSentence(
                text=" ".join(clip.text for clip in sentence if clip.text),
                phonemes=" ".join(clip.phonemes for clip in sentence),
                voice=sentence[0].voice,
                language=sentence[0].language,
            )
            for sentence in sentences
        ),
        command=command,
        created=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        versions={
            "kokoro-tui": __version__,
            "onnxruntime": machine.onnxruntime,
            "Python": machine.python,
            "System": machine.system,
            "Processor": f"{machine.processor or 'unknown'}, {machine.cpus} usable",
        },
        notes=tuple(dict.fromkeys(note for clip in clips for note in clip.notes)),
    )


def _model(resolved: ResolvedComparison, named: NamedCandidate, found: ComparedModel) -> ReportedModel:
    from kokoro_tui.report.contents import ReportedModel
    from kokoro_tui.store.recipe_file import format_recipe

    nodes: dict[str, int] = {}
    recipe = recipe_name = command = ""
    if named.resolved is not None and found.plan is not None:
        counts = count_precisions(resolved.bench.inventory, found.plan)
        nodes = {precision.label: count for precision, count in counts.items()}
        # One rule a node: it needs no trial table, and says what was built even where a preset changes later.
        recipe = format_recipe(resolved.bench.recipe(found.plan))
        recipe_name = f"{found.name}.toml"
        words = ["kokoro-tui", "export-optimized", resolved.bench.inventory.path.name, "--recipe", recipe_name]
        command = shlex.join([*words, "--output-path", f"{found.name}.onnx"])
    return ReportedModel(
        name=found.name,
        origin=named.origin,
        file_bytes=found.file_bytes,
        sha256=found.sha256,
        measurements=found.measurements,
        overall=found.overall,
        nodes=nodes,
        recipe=recipe,
        recipe_name=recipe_name,
        command=command,
    )


def _json(report: Report, target: Path) -> dict[str, object]:
    return {
        "output_path": str(target),
        "files": [str(target)],
        "original": {"name": report.original_name, "bytes": report.original_bytes, "sha256": report.original_sha256},
        "sentences": [{"text": s.text, "phonemes": s.phonemes, "voice": s.voice} for s in report.sentences],
        "models": [_model_json(model) for model in report.models],
    }


def _model_json(model: ReportedModel) -> dict[str, object]:
    found = model.overall
    return {
        "name": model.name,
        "origin": model.origin,
        "bytes": model.file_bytes,
        "sha256": model.sha256,
        "nodes": {label.lower(): count for label, count in model.nodes.items()} or None,
        "mel_distance": found.mel_distance,
        "added_noise_db": found.added_noise_db,
        "frames_moved": found.frames_moved,
        "pinned": found.pinned,
        "paired": found.paired,
    }


def _write(out: Output, report: Report, target: Path, size: int) -> None:
    rows = [
        [
            model.name,
            mib(model.file_bytes),
            f"{model.overall.mel_distance:.4f}",
            f"{model.overall.added_noise_db:.2f} dB",
            "unknown" if model.overall.frames_moved is None else str(model.overall.frames_moved),
        ]
        for model in report.models
    ]
    out.table(["Candidate", "Size", "Mel distance", "Added noise", "Frames moved"], rows)
    out.line(f"Written: {target}  ({mib(size)})")
