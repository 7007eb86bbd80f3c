"""Prepares a freshly traced model for quantization and records where its weights come from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import onnx

from kokoro_tui.errors import WorkError


def clean_up_export(
    traced: Path, output: Path, metadata: Mapping[str, str], *, quant_preprocess: bool
) -> int:
    """Fold constants, infer shapes and record the metadata.

    Args:
        traced: The model as the tracer wrote it; its folder also takes the intermediate copies.
        output: Where the finished model goes; an existing file is overwritten.
        metadata: Entries for the model's ``metadata_props``.
        quant_preprocess: Run onnxruntime's preprocessing for quantization (basic optimizations and shapes);
            shapes alone are inferred otherwise.

    Returns:
        How many nodes the model has.

    Raises:
        WorkError: The traced model cannot be processed.
    """
    if quant_preprocess:
        _preprocess(traced, output)
    else:
        onnx.shape_inference.infer_shapes_path(str(traced), str(output))
    model = onnx.load(str(output))
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(output))
    return len(model.graph.node)


def _preprocess(traced: Path, output: Path) -> None:
    # onnxruntime takes longer to import than most commands take to run.
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with _temporary_files_in(traced.parent):
        try:
            quant_pre_process(str(traced), str(output), skip_symbolic_shape=True)
        except (RuntimeError, ValueError, onnx.shape_inference.InferenceError) as error:
            raise WorkError(
                f"the traced model cannot be preprocessed: {error}", "export with --no-quant-preprocess"
            ) from error


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    # The preprocessing keeps two more copies of the model in the default folder, which may be a small memory
    # disk, and which nobody would clean up if this process is killed.
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
