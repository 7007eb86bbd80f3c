"""``kokoro-tui verify``: a model against the torch model of its weights, or against another ONNX model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui.cli.job import run_job
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
    TextOption,
    VoiceOption,
    chosen_model,
)
from kokoro_tui.cli.output import Output, number
from kokoro_tui.cli.speech import prepare_clips, voice_fields
from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    from kokoro_tui.jobs.verify import OnnxSource, TorchSource, Verification
    from kokoro_tui.workbench import Workbench

HELP = "Compare the sound of a model with the torch model of its weights, or with another ONNX model."
EXAMPLES = (
    'kokoro-tui verify --onnx-model kokoro_optimized.onnx --text "Hello, world!" --voice af_heart\n\n'
    "kokoro-tui verify kokoro_optimized.onnx --against kokoro.onnx --output-dir wavs"
)
TORCH = "torch"
SHOWN_OPERATORS = 10
PROFILE_NAME = "onnx_profile.json"


def run(
    model: ModelArgument = None,
    onnx_path: ModelOption = None,
    against: Annotated[str, typer.Option("--against", metavar="torch|FILE", help="What to compare with.")] = TORCH,
    text: TextOption = None,
    phonemes: PhonemesOption = None,
    voice: VoiceOption = None,
    lang: LanguageOption = None,
    g2p: G2pOption = "espeak",
    output_dir: Annotated[
        Path, typer.Option("--output-dir", metavar="FOLDER", help="Where the WAV files go.")
    ] = Path(),
    profile: Annotated[bool, typer.Option("--profile", help="Also say which operators cost most.")] = False,
    gpu: Annotated[bool, typer.Option("--gpu/--no-gpu", help="Run on the best provider there is.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Render with both models, write the WAV files, and say how far apart they are."""
    from kokoro_tui.jobs.verify import verify  # onnx: 0.2 s
    from kokoro_tui.store.paths import make_folder
    from kokoro_tui.workbench import Workbench

    out = Output(as_json=as_json, quiet=quiet)
    bench = Workbench.open(chosen_model(model, onnx_path))
    signature = bench.require_signature()
    source = _source(bench, against)
    clips = prepare_clips(out, signature, SpeechOptions(text, phonemes, voice, lang, g2p))
    make_folder(output_dir)
    found = run_job(
        out,
        verify,
        bench.inventory.path,
        signature,
        clips,
        source,
        gpu=gpu,
        profile=output_dir / PROFILE_NAME if profile else None,
        writes_into=output_dir,
    )
    for note in found.notes:
        out.note(note)
    name = TORCH if against == TORCH else "reference"
    files = _write_files(found, output_dir, name)
    if profile:
        files.append(output_dir / PROFILE_NAME)
    out.result(_json(found, against, files) | voice_fields(clips))
    _write(out, found, against, files)


def _source(bench: Workbench, against: str) -> TorchSource | OnnxSource:
    """What the model is compared with."""
    from kokoro_tui.jobs.verify import OnnxSource, TorchSource
    from kokoro_tui.reference.kokoro_model import require_kokoro
    from kokoro_tui.reference.weights import WEIGHTS_KEY, WEIGHTS_SHA256_KEY
    from kokoro_tui.workbench import Workbench

    if against != TORCH:
        other = Workbench.open(Path(against))
        return OnnxSource(other.inventory.path, other.require_signature())
    metadata = bench.inventory.metadata
    if WEIGHTS_KEY not in metadata or WEIGHTS_SHA256_KEY not in metadata:
        raise InputError(
            f"{bench.inventory.path} does not say which weights it was made of",
            "compare it with another model: --against OTHER.onnx",
        )
    require_kokoro()
    return TorchSource(metadata[WEIGHTS_KEY], metadata[WEIGHTS_SHA256_KEY])


def _write_files(found: Verification, folder: Path, reference_name: str) -> list[Path]:
    from kokoro_tui.audio.wav import write_wav

    reference, candidate = folder / f"{reference_name}_output.wav", folder / "onnx_output.wav"
    write_wav(reference, found.measurement.reference)
    write_wav(candidate, found.measurement.candidate)
    return [reference, candidate]


def _write(out: Output, found: Verification, against: str, files: list[Path]) -> None:
    measured = found.measurement
    durations = "same durations" if measured.pinned else "own durations"
    paired = f"same noise, {durations}" if measured.paired else "unpaired noise"
    out.line(f"Reference:       {against}")
    out.line(f"Provider:        {found.provider}")
    out.line(f"Mel distance:    {measured.mel_distance:.4f}  ({paired})")
    out.line(f"       unpaired: {found.unpaired_distance:.4f}  (other noise, own durations)")
    out.line(f"Frames moved:    {'unknown' if measured.frames_moved is None else measured.frames_moved}")
    out.line(f"Added noise:     {measured.added_noise_db:.2f} dB")
    out.line(f"Files:           {', '.join(str(path) for path in files)}")
    if found.costs:
        rows = [
            [cost.op, number(cost.calls), f"{cost.milliseconds:,.1f}", f"{100 * cost.share:.1f}%"]
            for cost in found.costs[:SHOWN_OPERATORS]
        ]
        out.line()
        out.table(["Costliest operators", "Calls", "ms", "Share"], rows)


def _json(found: Verification, against: str, files: list[Path]) -> dict[str, object]:
    measured = found.measurement
    return {
        "reference": against,
        "provider": found.provider,
        "mel_distance": measured.mel_distance,
        "mel_distance_unpaired": found.unpaired_distance,
        "added_noise_db": measured.added_noise_db,
        "frames_moved": measured.frames_moved,
        "pinned": measured.pinned,
        "paired": measured.paired,
        "files": [str(path) for path in files],
        "operators": [
            {"op": cost.op, "calls": cost.calls, "ms": cost.milliseconds, "share": cost.share} for cost in found.costs
        ],
    }
