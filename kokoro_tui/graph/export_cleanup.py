"""Prepares a freshly traced model for quantization and records where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from kokoro_tui.errors import WorkError

_QUANTIZERS_MARK = {"onnx.quant.pre_process": "onnxruntime.quant"}
_ERRORS_ONLY = 3


def clean_up_export(traced: Path, output: Path, metadata: Mapping[str, str], *, quant_preprocess: bool) -> int:
    """Fold constants, infer shapes and record the metadata.

    Args:
        traced: The model as the tracer wrote it; its folder also takes an intermediate copy.
        output: Where the finished model goes; an existing file is overwritten.
        metadata: Entries for the model's ``metadata_props``.
        quant_preprocess: Apply onnxruntime's basic optimizations, as its quantizer wants them.

    Returns:
        How many nodes the model has.

    Raises:
        WorkError: onnxruntime cannot load the traced model.
    """
    source = _optimize(traced) if quant_preprocess else traced
    onnx.shape_inference.infer_shapes_path(str(source), str(output))
    model = onnx.load(str(output))
    mark = _QUANTIZERS_MARK if quant_preprocess else {}
    onnx.helper.set_model_props(model, {**mark, **metadata})
    onnx.save(model, str(output))
    return len(model.graph.node)


def _optimize(traced: Path) -> Path:
    """Write a copy with constants folded and redundant nodes removed.

    These are the steps of onnxruntime's ``quant_pre_process(skip_symbolic_shape=True)``, which cannot be used
    itself: it goes on with the unoptimized model after an error, and fills the system's temporary folder with
    copies that stay there if this process is killed.
    """
    # onnxruntime is not needed to read a model, so the readers of this package must not wait for it.
    import onnxruntime

    optimized = traced.with_name("optimized.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(optimized)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = _ERRORS_ONLY
    try:
        onnxruntime.InferenceSession(str(traced), options, providers=["CPUExecutionProvider"])
    # The types that onnxruntime raises have no common base but this one.
    except Exception as error:
        raise WorkError(
            f"the traced model cannot be optimized: {error}", "export with --no-quant-preprocess"
        ) from error
    return optimized
