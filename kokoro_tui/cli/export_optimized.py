"""``kokoro-tui export-optimized``: builds the model of a plan and measures it against the original."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui.cli.calibration import calibrated
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
from kokoro_tui.cli.output import Output, mib
from kokoro_tui.cli.planning import (
    ActivationTypeOption,
    CalibrationDataOption,
    Fp16ThresholdOption,
    LockOption,
    OpTypesOption,
    PlanRequest,
    PresetOption,
    QuantExcludeOption,
    QuantThresholdOption,
    QuantTypeOption,
    RecipeOption,
    ResolvedPlan,
    SamplesOption,
    StaticOption,
    TrialsOption,
    WeightOnlyFlag,
    resolve_request,
    split_words,
)
from kokoro_tui.cli.speech import prepare_clips, voice_fields
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe_options import RecipeOptions, count_precisions
from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    from kokoro_tui.engine.measure import Measurement
    from kokoro_tui.graph.apply_plan import BuildReport
    from kokoro_tui.speech.utterance import Utterance

HELP = "Build an optimized model and measure it against the original."
EXAMPLES = (
    "kokoro-tui export-optimized --quant-threshold=2 --quant-exclude '(^/decoder/generator/conv_post/Conv)'\n\n"
    "kokoro-tui export-optimized kokoro.onnx --preset w8 --lock bert --output-path kokoro_w8.onnx"
)


def run(
    model: ModelArgument = None,
    onnx_path: ModelOption = None,
    output_path: Annotated[Path, typer.Option("--output-path", metavar="FILE", help="The file to write.")] = Path(
        "kokoro_optimized.onnx"
    ),
    trial_results: TrialsOption = None,
    quant_threshold: QuantThresholdOption = None,
    fp16_threshold: Fp16ThresholdOption = None,
    preset: PresetOption = None,
    recipe: RecipeOption = None,
    save_recipe: Annotated[
        Path | None, typer.Option("--save-recipe", metavar="FILE", help="Write a recipe that rebuilds the same file.")
    ] = None,
    quant_exclude: QuantExcludeOption = None,
    quant_type: QuantTypeOption = None,
    quant_activation_type: ActivationTypeOption = None,
    quant_op_types: OpTypesOption = None,
    quant_static: StaticOption = False,
    samples: SamplesOption = None,
    calibration_data: CalibrationDataOption = None,
    weight_only: WeightOnlyFlag = False,
    lock: LockOption = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Leave out the comparison by sound.")] = False,
    text: TextOption = None,
    phonemes: PhonemesOption = None,
    voice: VoiceOption = None,
    lang: LanguageOption = None,
    g2p: G2pOption = "espeak",
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Settle the plan, build it, and write what came of it."""
    out = Output(as_json=as_json, quiet=quiet)
    options = RecipeOptions(
        quant_threshold=quant_threshold,
        fp16_threshold=fp16_threshold,
        quant_exclude=quant_exclude,
        quant_type=quant_type,
        activation_type=quant_activation_type,
        op_types=split_words(quant_op_types),
        samples=samples,
        weight_only=weight_only,
        static=quant_static,
        calibrate=calibration_data is not None,
        locks=tuple(lock or ()),
    )
    request = PlanRequest(chosen_model(model, onnx_path), trial_results, preset, recipe, options)
    resolved = resolve_request(out, request)
    if output_path.exists() and output_path.samefile(request.model):
        raise InputError(f"{output_path} is the model itself", "write to another file with --output-path")
    if not resolved.plan.choices:
        raise InputError("the plan changes no node", "raise a threshold, loosen the locks, or use --preset w8")
    clips = _clips(out, resolved, None if no_verify else SpeechOptions(text, phonemes, voice, lang, g2p))
    _write_plan(out, resolved)
    resolved = calibrated(out, resolved, calibration_data, g2p, writes_into=output_path.parent)
    with _reserved(save_recipe) as recipe_file:
        report, measured = _build(out, resolved, clips, output_path)
        wav = _write_wav(output_path, measured)
        if recipe_file is not None:
            _write_recipe(recipe_file, resolved, report, measured)
    _write_report(out, report)
    _write_measurement(out, measured, wav)
    out.result(_json(resolved, report, measured, clips, wav, save_recipe))


def _clips(out: Output, resolved: ResolvedPlan, speech: SpeechOptions | None) -> tuple[Utterance, ...]:
    """What is said for the comparison; nothing where there is none."""
    if speech is None:
        return ()
    signature = resolved.bench.signature
    if signature is None:
        out.note(f"{resolved.bench.inventory.path.name} does not have Kokoro's inputs, so nothing is rendered")
        return ()
    return prepare_clips(out, signature, speech)


def _build(
    out: Output, resolved: ResolvedPlan, clips: tuple[Utterance, ...], target: Path
) -> tuple[BuildReport, Measurement | None]:
    from kokoro_tui.jobs.tasks import build, build_and_measure  # onnx: 0.2 s

    source, signature = resolved.bench.inventory.path, resolved.bench.signature
    if signature is None or not clips:
        return run_job(out, build, source, resolved.plan, target, writes_into=target.parent), None
    arguments = (source, resolved.plan, target, signature, clips)
    return run_job(out, build_and_measure, *arguments, writes_into=target.parent)


def _write_wav(target: Path, measured: Measurement | None) -> Path | None:
    """Write what the new model said beside it."""
    if measured is None:
        return None
    from kokoro_tui.audio.wav import write_wav

    path = target.with_suffix(".wav")
    write_wav(path, measured.candidate)
    return path


def _reserved(path: Path | None) -> AbstractContextManager[Path | None]:
    """A file that takes its final name after the build, so that an unwritable one is found before it."""
    from kokoro_tui.store.atomic import atomic_path

    return nullcontext() if path is None else atomic_path(path)


def _write_recipe(path: Path, resolved: ResolvedPlan, report: BuildReport, measured: Measurement | None) -> None:
    from kokoro_tui.store.recipe_file import format_recipe

    result: dict[str, float] = {"bytes": report.final_bytes}
    if measured is not None:
        result |= {"mel_distance": measured.mel_distance, "added_noise_db": measured.added_noise_db}
        if measured.frames_moved is not None:
            result["frames_moved"] = measured.frames_moved
    path.write_bytes(format_recipe(replace(resolved.bench.recipe(resolved.plan), result=result)).encode())


def _write_plan(out: Output, resolved: ResolvedPlan) -> None:
    counts = count_precisions(resolved.bench.inventory, resolved.plan)
    out.line("Plan")
    out.line(f"  FP16 nodes:            {counts[Precision.FP16]:>6}")
    out.line(f"  Quantized nodes:       {counts[Precision.INT8] + counts[Precision.W8]:>6}")
    out.line(f"    with activations:    {counts[Precision.INT8]:>6}  (INT8)")
    out.line(f"    weights only:        {counts[Precision.W8]:>6}  (W8)")
    out.line(f"  Candidates left FP32:  {counts[Precision.FP32]:>6}")


def _write_report(out: Output, report: BuildReport) -> None:
    for title, ops in (("Added operations", report.added_ops), ("Removed operations", report.removed_ops)):
        if ops:
            out.line()
            out.line(title)
            for op in sorted(ops):
                out.line(f"  {op}: {ops[op]} nodes")
    out.line()
    out.line("Total nodes")
    out.line(f"  Original:    {report.nodes_before:>6}")
    out.line(f"  Modified:    {report.nodes_after:>6}")
    out.line(f"  Difference:  {report.nodes_after - report.nodes_before:>+6}")
    saved = 1.0 - report.final_bytes / report.original_bytes
    out.line()
    out.line(f"Final size:      {mib(report.final_bytes)}")
    out.line(f"Size reduction:  {100 * saved:.1f} %")
    out.line(f"Written:         {report.output_path}")


def _write_measurement(out: Output, measured: Measurement | None, wav: Path | None) -> None:
    if measured is None:
        return
    how = "same noise, " + ("same durations" if measured.pinned else "own durations")
    out.line()
    out.line(f"Mel distance:    {measured.mel_distance:.4f}  ({how if measured.paired else 'unpaired noise'})")
    out.line(f"Frames moved:    {'unknown' if measured.frames_moved is None else measured.frames_moved}")
    out.line(f"Added noise:     {measured.added_noise_db:.2f} dB")
    out.line(f"Audio:           {wav}")


def _json(
    resolved: ResolvedPlan,
    report: BuildReport,
    measured: Measurement | None,
    clips: tuple[Utterance, ...],
    wav: Path | None,
    recipe_path: Path | None,
) -> dict[str, object]:
    counts = count_precisions(resolved.bench.inventory, resolved.plan)
    return {
        "output_path": str(report.output_path),
        "original_bytes": report.original_bytes,
        "estimated_bytes": resolved.bench.estimate(resolved.plan).estimated_bytes,
        "final_bytes": report.final_bytes,
        "nodes": {precision.value: count for precision, count in counts.items()},
        "added_ops": dict(report.added_ops),
        "removed_ops": dict(report.removed_ops),
        "nodes_before": report.nodes_before,
        "nodes_after": report.nodes_after,
        "mel_distance": measured.mel_distance if measured else None,
        "added_noise_db": measured.added_noise_db if measured else None,
        "frames_moved": measured.frames_moved if measured else None,
        "pinned": measured.pinned if measured else None,
        "paired": measured.paired if measured else None,
        **voice_fields(clips),
        "wav_path": str(wav) if wav else None,
        "recipe_path": str(recipe_path) if recipe_path else None,
    }
