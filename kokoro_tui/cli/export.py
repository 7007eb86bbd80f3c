"""``kokoro-tui export``: the torch model as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kokoro_tui.cli.job import run_job
from kokoro_tui.cli.options import DEFAULT_MODEL, DebugFlag, JsonFlag, QuietFlag
from kokoro_tui.cli.output import Output, mib

HELP = "Export the Kokoro model to ONNX."
EXAMPLES = "kokoro-tui export --weights bundled --output-path kokoro.onnx"


def run(
    output_path: Annotated[
        Path, typer.Option("--output-path", metavar="FILE", help="The file to write.")
    ] = DEFAULT_MODEL,
    weights: Annotated[
        str,
        typer.Option("--weights", metavar="WHICH", help="auto (the hub, else bundled), hub, bundled or a .pth file."),
    ] = "auto",
    remove_weight_norm: Annotated[
        bool,
        typer.Option("--remove-weight-norm/--no-remove-weight-norm", help="Store products of gain and direction."),
    ] = True,
    quant_preprocess: Annotated[
        bool,
        typer.Option("--quant-preprocess/--no-quant-preprocess", help="Fold constants, infer shapes."),
    ] = True,
    score_difference: Annotated[
        bool,
        typer.Option("--score-difference/--no-score-difference", help="Compare the sound with the torch model."),
    ] = True,
    export_duration: Annotated[
        bool, typer.Option("--export-duration/--no-export-duration", help="Keep the duration output.")
    ] = True,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Export in a child process and write what came of it."""
    from kokoro_tui.jobs.tasks import export  # onnx: 0.2 s

    out = Output(as_json=as_json, quiet=quiet)
    report = run_job(
        out,
        export,
        output_path,
        weights,
        remove_weight_norm=remove_weight_norm,
        quant_preprocess=quant_preprocess,
        score_difference=score_difference,
        export_duration=export_duration,
        writes_into=output_path.parent,
    )
    source = report.weights
    if source.note:
        out.note(source.note)
    out.result(
        {
            "output_path": str(report.output_path),
            "bytes": report.bytes,
            "nodes": report.nodes,
            "weights": source.label,
            "weights_sha256": source.sha256,
            "mel_distance": report.mel_distance,
        }
    )
    out.line(f"Written:       {report.output_path}")
    out.line(f"Size:          {mib(report.bytes)} in {report.nodes:,} nodes")
    out.line(f"Weights:       {source.label} (sha256 {source.sha256[:12]})")
    if report.mel_distance is not None:
        out.line(f"Mel distance:  {report.mel_distance:.4f} from the torch model (same noise)")
