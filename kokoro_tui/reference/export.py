"""Exports the torch model to ONNX: weights, trace, clean-up, and a comparison of the two."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokoro_tui.errors import WorkError
from kokoro_tui.graph.export_cleanup import clean_up_export
from kokoro_tui.reference.kokoro_model import build_model, fold_weight_norm, quiet_torch, require_kokoro
from kokoro_tui.reference.torch_model import TorchReference
from kokoro_tui.reference.weights import WEIGHTS_KEY, WEIGHTS_SHA256_KEY, WeightsSource, resolve_weights
from kokoro_tui.store.atomic import atomic_path, remove_stale_partials

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, float], None]
"""Told a stage in words, and the fraction of the whole work that lies behind."""

OPSET = 20

_TRACED_TOKENS = 48
_VOCABULARY = 178
_STYLE_SIZE = 256


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    output_path: Path
    """The model file."""

    bytes: int
    """Its size."""

    nodes: int
    """How many nodes its graph has."""

    weights: WeightsSource
    """The weights that it is made of, as they stand in its metadata too."""

    mel_distance: float | None
    """Distance to the torch model with the same noise; None if they were not compared."""


def export_model(
    output: Path,
    *,
    weights: str,
    progress: Progress,
    score: Callable[[TorchReference, Path], float | None] | None,
    remove_weight_norm: bool = True,
    quant_preprocess: bool = True,
    export_duration: bool = True,
) -> ExportReport:
    """Write the FP32 model, whole or not at all.

    Inputs are ``input_ids`` [1, n] int64, ``style`` [1, 256] and ``speed`` [1]; outputs are ``waveform``
    [samples] and ``duration`` [n].

    Args:
        output: The file to write.
        weights: A choice that `resolve_weights` understands.
        progress: Told about every stage.
        score: Gives the mel distance of the exported file to the torch model, or None if it cannot; None skips the
            comparison.
        remove_weight_norm: Store products, not gains and directions.
        quant_preprocess: Run onnxruntime's preprocessing for quantization.
        export_duration: Keep the ``duration`` output.

    Raises:
        InputError: The target cannot be written, the weights cannot be had, or kokoro is not installed.
        WorkError: The hub cannot be reached, the disk is full, or the model cannot be traced.
    """
    require_kokoro()
    remove_stale_partials(output.parent)
    with atomic_path(output) as partial, quiet_torch():
        progress("reading the weights", 0.0)
        chosen = resolve_weights(weights, lambda fraction: progress("downloading the weights", 0.1 * fraction))
        progress("building the torch model", 0.1)
        model = build_model(chosen.parameters)
        if remove_weight_norm:
            fold_weight_norm(model)
        with _work_folder(partial) as folder:
            progress("tracing the torch model", 0.35)
            traced = folder / "traced.onnx"
            _trace(model, traced, export_duration=export_duration)
            progress("folding constants and inferring shapes", 0.6)
            metadata = {WEIGHTS_KEY: chosen.source.label, WEIGHTS_SHA256_KEY: chosen.source.sha256}
            nodes = clean_up_export(traced, partial, metadata, quant_preprocess=quant_preprocess)
    mel_distance = None
    if score is not None:
        progress("comparing with the torch model", 0.85)
        mel_distance = score(TorchReference(model), output)
    progress("done", 1.0)
    return ExportReport(output, output.stat().st_size, nodes, chosen.source, mel_distance)


@contextmanager
def _work_folder(partial: Path) -> Iterator[Path]:
    # Named like the partial file, so that it is found and removed if this process is killed.
    name, _, pid = partial.name.rpartition("-")
    folder = partial.with_name(f"{name.removesuffix('.partial')}.work.partial-{pid}")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _trace(model: torch.nn.Module, path: Path, *, export_duration: bool) -> None:
    import torch
    from kokoro.model import KModelForONNX

    class WaveformOnly(KModelForONNX):  # type: ignore[misc]
        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            waveform: torch.Tensor = super().forward(*inputs)[0]
            return waveform

    traced: Any = KModelForONNX(model) if export_duration else WaveformOnly(model)
    outputs = {"waveform": {0: "num_samples"}, "duration": {0: "input_ids_len"}}
    if not export_duration:
        del outputs["duration"]
    inputs = (
        torch.arange(_TRACED_TOKENS).remainder(_VOCABULARY)[None],
        torch.zeros(1, _STYLE_SIZE),
        torch.ones(1),
    )
    try:
        torch.onnx.export(
            traced.eval(),
            inputs,
            str(path),
            input_names=["input_ids", "style", "speed"],
            output_names=list(outputs),
            dynamic_axes={"input_ids": {1: "input_ids_len"}, **outputs},
            opset_version=OPSET,
            # The newer exporter gives nodes other names and shapes than every public Kokoro export has.
            dynamo=False,
        )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise WorkError(
            f"the torch model cannot be traced: {str(error).splitlines()[0]}",
            f"this is known to work with torch 2.13; installed is {torch.__version__}",
        ) from error
