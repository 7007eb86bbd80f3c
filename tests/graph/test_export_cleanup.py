"""Cleaning up a traced model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kokoro_tui.errors import WorkError
from kokoro_tui.graph.export_cleanup import clean_up_export

METADATA = {"kokoro_tui.weights": "bundled", "kokoro_tui.weights_sha256": "00"}


@pytest.fixture
def traced(tmp_path: Path) -> Path:
    """y = x + (1 + 1), with a constant that can be folded and a tensor of unknown shape."""
    one = numpy_helper.from_array(np.ones(4, np.float32), "one")
    nodes = [
        helper.make_node("Add", ["one", "one"], ["two"], name="constant"),
        helper.make_node("Add", ["x", "two"], ["sum"], name="sum"),
        helper.make_node("Neg", ["sum"], ["y"], name="negative"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])
    graph = helper.make_graph(nodes, "traced", [x], [y], [one])
    folder = tmp_path / "work"
    folder.mkdir()
    path = folder / "traced.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), str(path))
    return path


@pytest.mark.parametrize(("quant_preprocess", "nodes"), [(True, 2), (False, 3)])
def test_metadata_and_shapes_are_added(traced: Path, tmp_path: Path, quant_preprocess: bool, nodes: int) -> None:
    output = tmp_path / "model.onnx"
    assert clean_up_export(traced, output, METADATA, quant_preprocess=quant_preprocess) == nodes
    model = onnx.load(str(output))
    assert METADATA.items() <= {entry.key: entry.value for entry in model.metadata_props}.items()
    assert "sum" in {value.name for value in model.graph.value_info}
    assert len(model.graph.node) == nodes


def test_a_model_that_cannot_be_processed_is_a_clear_error(traced: Path, tmp_path: Path) -> None:
    model = onnx.load(str(traced))
    model.graph.node[1].op_type = "NoSuchOperator"
    onnx.save(model, str(traced))
    with pytest.raises(WorkError, match="cannot be optimized"):
        clean_up_export(traced, tmp_path / "model.onnx", METADATA, quant_preprocess=True)
