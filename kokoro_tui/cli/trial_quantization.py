"""``kokoro-tui trial-quantization``: what each precision of each node does to the sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui.cli.options import (
    DebugFlag,
    G2pOption,
    JsonFlag,
    LanguageOption,
    ModelArgument,
    ModelOption,
    PhonemesOption,
    QuietFlag,
    SpeechOptions,
    chosen_model,
)
from kokoro_tui.cli.output import Output
from kokoro_tui.cli.planning import CalibrationDataOption, SamplesOption
from kokoro_tui.cli.speech import prepare_clips
from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import WeightType
from kokoro_tui.core.trials import TrialKind, TrialRow
from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    from kokoro_tui.engine.signature import Signature
    from kokoro_tui.speech.utterance import Utterance
    from kokoro_tui.trials.run import TrialEvent, TrialProgress
    from kokoro_tui.trials.session import TrialSession
    from kokoro_tui.trials.workers import Workers

HELP = "Try FP16, INT8 and weight-only INT8 on each node alone and measure what it does to the sound."
EXAMPLES = (
    "kokoro-tui trial-quantization\n\n"
    "kokoro-tui trial-quantization kokoro.onnx --only 'F0|conv_post' --kinds quant,weight --workers 2"
)
DEFAULT_OUTPUT = Path("quantization-trials.csv")
SHOWN_ROWS = 10


def run(
    model: ModelArgument = None,
    onnx_path: ModelOption = None,
    output_path: Annotated[
        Path, typer.Option("--output-path", metavar="FILE.csv", help="The table; an unfinished one is continued.")
    ] = DEFAULT_OUTPUT,
    only: Annotated[str, typer.Option("--only", metavar="REGEX", help="Only nodes in which this is found.")] = "",
    kinds: Annotated[
        str, typer.Option("--kinds", help="What to try: cast, quant, weight, static.")
    ] = "cast,quant,weight",
    static: Annotated[bool, typer.Option("--static", help="Also try static INT8, which is calibrated first.")] = False,
    calibration_data: CalibrationDataOption = None,
    samples: SamplesOption = None,
    per_node: Annotated[bool, typer.Option("--per-node", help="Try members of shared-weight groups alone.")] = False,
    min_params: Annotated[int, typer.Option("--min-params", min=1, help="Fewest parameters of a node.")] = 256,
    eval_text: Annotated[
        list[str] | None, typer.Option("--eval-text", "--text", show_default=False, help="Sentence; may be repeated.")
    ] = None,
    eval_voice: Annotated[
        list[str] | None, typer.Option("--eval-voice", "--voice", show_default=False, help="Voice; may be repeated.")
    ] = None,
    eval_set: Annotated[
        Path | None,
        typer.Option("--eval-set", metavar="FILE", show_default=False, help="Sentences: lines, or CSV Voice,Text."),
    ] = None,
    phonemes: PhonemesOption = None,
    lang: LanguageOption = None,
    g2p: G2pOption = "espeak",
    quant_type: Annotated[
        WeightType, typer.Option("--quant-type", help="Type of dynamic INT8 weights; Conv's are always UINT8.")
    ] = WeightType.QINT8,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0 is one a core.")] = 0,
    scheduler: Annotated[
        str, typer.Option("--scheduler", metavar="ADDRESS", help="A Dask scheduler to run the trials on.")
    ] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an existing table aside and start anew.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Run the trials and write the table."""
    from kokoro_tui.trials.session import TrialRequest, TrialSession  # onnx: 0.2 s
    from kokoro_tui.workbench import Workbench

    out = Output(as_json=as_json, quiet=quiet)
    wanted = _kinds(f"{kinds},static" if static else kinds)
    bench = Workbench.open(chosen_model(model, onnx_path), min_parameters=min_params)
    signature = bench.require_signature()
    keys = bench.select(only).keys if only else tuple(node.key for node in bench.inventory.candidates)
    clips = _clips(out, signature, eval_text, eval_voice, eval_set, SpeechOptions(None, phonemes, None, lang, g2p))
    request = TrialRequest(
        output_path,
        clips,
        keys,
        wanted,
        per_node=per_node,
        weight_type=quant_type,
        workers=workers,
        fresh=fresh,
        calibration=Calibration(samples=samples or 0),
        calibration_clips=_calibration_clips(out, signature, calibration_data, samples, g2p),
    )
    with _dask(scheduler) as remote:
        session = TrialSession(bench, request, remote)
        for note in session.notes:
            out.note(note)
        if session.plan.done:
            left = len(session.plan.trials)
            out.note(f"{output_path} holds {session.plan.done} finished trials; going on with the {left} that are left")
        finished = _run(out, session)
    _report(out, session, finished)


def _run(out: Output, session: TrialSession) -> TrialProgress | None:
    """Run to the end; a stop ends the workers and keeps the table."""
    last: TrialProgress | None = None
    with out.progress() as bar:
        try:
            for event in session.events(lambda stage, share: bar(stage, share)):
                last = event.progress
                bar(_describe(event), last.finished / max(1, last.total))
        except KeyboardInterrupt:
            session.control.stop.set()
            raise
    return last


def _describe(event: TrialEvent) -> str:
    progress = event.progress
    left = "" if progress.seconds_left is None else f", about {_minutes(progress.seconds_left)} left"
    now = f": {progress.running[0].kind} {progress.running[0].keys[0]}" if progress.running else ""
    return f"{progress.finished} of {progress.total}{left}{now}"


def _report(out: Output, session: TrialSession, finished: TrialProgress | None) -> None:
    floor = session.context.noise_floor if session.context else None
    if floor:
        out.note(f"the reference is {floor:.4f} away from itself; every figure holds that much noise")
    cells = [[row.name, row.kind.value, *_figures(row)] for row in session.table.worst(SHOWN_ROWS)]
    out.table(["Node", "Kind", "Mel distance", "Added noise (dB)", "Frames moved"], cells, title="Worst of the table")
    run_now, failed = (finished.finished, finished.failed) if finished else (0, 0)
    seconds = finished.seconds if finished else 0.0
    out.line(
        f"{run_now} trials in {_minutes(seconds)}, {failed} failed, {session.plan.done} known from before, "
        f"{len(session.plan.skipped)} skipped; noise floor {0.0 if floor is None else floor:.4f}"
    )
    out.line(f"Table: {session.request.output_path}")
    out.result(
        {
            "output_path": str(session.request.output_path),
            "trials_run": run_now,
            "trials_known": session.plan.done,
            "trials_skipped": len(session.plan.skipped),
            "trials_failed": failed,
            "seconds": seconds,
            "noise_floor": floor,
            "pinned": session.context.pinned if session.context else None,
            "voice": session.request.clips[0].voice,
            "voice_requested": session.request.clips[0].voice_requested,
        }
    )


def _figures(row: TrialRow) -> list[str]:
    moved = "" if row.frames_moved is None else f"{row.frames_moved:g}"
    noise = "" if row.added_noise_db is None else f"{row.added_noise_db:.2f}"
    return [f"{row.mel_distance or 0.0:.4f}", noise, moved]


def _clips(
    out: Output,
    signature: Signature,
    texts: Sequence[str] | None,
    voices: Sequence[str] | None,
    eval_set: Path | None,
    speech: SpeechOptions,
) -> tuple[Utterance, ...]:
    """Every text with every voice; the lines of a set with their own voices."""
    from kokoro_tui.store.text_set import read_text_set

    pairs: list[tuple[str | None, str | None]] = []
    if eval_set is not None:
        pairs += [(text, voice) for voice, text in read_text_set(eval_set)]
    if texts or eval_set is None:
        default: list[str | None] = [None]
        pairs += [(text, voice) for text in (texts or default) for voice in (voices or default)]
    clips: list[Utterance] = []
    for text, voice in pairs:
        one = SpeechOptions(text, speech.phonemes, voice, speech.language, speech.g2p)
        clips += prepare_clips(out, signature, one)
    return tuple(clips)


def _kinds(text: str) -> tuple[TrialKind, ...]:
    """The kinds in a comma-separated list.

    Raises:
        InputError: One is unknown.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in [kind.value for kind in TrialKind]]
    if unknown or not names:
        raise InputError(
            f"unknown kind of trial {', '.join(unknown) or text!r}", "choose from cast, quant, weight, static"
        )
    return tuple(kind for kind in TrialKind if kind.value in names)


def _calibration_clips(
    out: Output, signature: Signature, data: Path | None, samples: int | None, g2p: str
) -> tuple[Utterance, ...]:
    """The clips of a calibration file; none where the shipped ones are taken."""
    if data is None:
        return ()
    from kokoro_tui.cli.calibration import calibration_clips

    return calibration_clips(out, signature, data, samples or 0, g2p)


@contextmanager
def _dask(address: str) -> Iterator[Workers | None]:
    """The workers of a Dask cluster; None without an address.

    Raises:
        InputError: dask.distributed is not installed, or the scheduler does not answer.
    """
    if not address:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("--scheduler needs dask.distributed", 'pip install "kokoro-tui[dask]"') from error
    from kokoro_tui.trials.workers import ExecutorWorkers

    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address}", "check the address, as in tcp://host:8786"
        ) from error
    with client:
        yield ExecutorWorkers(client.get_executor(pure=False), sum(client.nthreads().values()))


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
