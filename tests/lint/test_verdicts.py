"""What becomes of single operations: by the tables, and by the onnxruntime that is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.lint.linter import Linter
from kokoro_tui.lint.operations import Operand, Operation
from kokoro_tui.lint.report import TargetReport
from kokoro_tui.lint.targets import find_target
from kokoro_tui.lint.verdicts import NATIVE, Judge, Status
from tests.models import write

OPSETS = {"": 20, "com.microsoft": 1}
X = Operand("FLOAT", rank=3)


def weight(dtype: str, rank: int = 3) -> Operand:
    return Operand(dtype, constant=True, rank=rank)


def integer(op: str, data: str, weights: str) -> Operation:
    zeros = (Operand(data, rank=0), weight(weights, 0))
    return Operation(op, (Operand(data, rank=3), weight(weights), *zeros), ("INT32",))


CONV_FP16 = Operation("Conv", (Operand("FLOAT16"), weight("FLOAT16")), ("FLOAT16",))
LSTM_FP16 = Operation("LSTM", (Operand("FLOAT16"), weight("FLOAT16"), weight("FLOAT16")), ("FLOAT16",))
DEQUANTIZE = Operation("DequantizeLinear", (weight("INT8"), weight("FLOAT", 1)), ("FLOAT",))
PER_TENSOR = Operation("DequantizeLinear", (weight("UINT8"), weight("FLOAT", 0)), ("FLOAT",))


@pytest.mark.parametrize(
    ("target", "operation", "status", "reason"),
    [
        ("cpu@1.23", integer("ConvInteger", "UINT8", "UINT8"), Status.RUNS, ""),
        ("cpu@1.23", integer("ConvInteger", "UINT8", "INT8"), Status.FAILS, "no kernel for INT8"),
        ("cpu@1.24", integer("ConvInteger", "UINT8", "INT8"), Status.RUNS, ""),
        ("wasm@1.23", integer("ConvInteger", "UINT8", "INT8"), Status.FAILS, "no kernel for INT8"),
        ("cuda", integer("ConvInteger", "UINT8", "UINT8"), Status.FALLBACK, "no kernel"),
        ("cuda", integer("MatMulInteger", "INT8", "INT8"), Status.RUNS, ""),
        ("cuda", integer("MatMulInteger", "UINT8", "INT8"), Status.FALLBACK, "no kernel for UINT8"),
        ("cpu", CONV_FP16, Status.RUNS, "computes in FP32"),
        ("cuda", CONV_FP16, Status.RUNS, ""),
        ("webgpu", CONV_FP16, Status.RUNS, ""),
        ("webgpu", LSTM_FP16, Status.FALLBACK, "no kernel for FLOAT16"),
        ("cuda", LSTM_FP16, Status.RUNS, ""),
        ("coreml", LSTM_FP16, Status.FALLBACK, "no kernel"),
        ("cpu", DEQUANTIZE, Status.RUNS, ""),
        ("cuda", DEQUANTIZE, Status.RUNS, ""),
        ("webgpu", DEQUANTIZE, Status.RUNS, ""),
        ("coreml", DEQUANTIZE, Status.FALLBACK, "no kernel"),
        ("nnapi", DEQUANTIZE, Status.FALLBACK, "no kernel for INT8"),
        ("nnapi", PER_TENSOR, Status.RUNS, ""),
        ("coreml", Operation("Gemm", (X, X), ("FLOAT",)), Status.FALLBACK, "input 1 must be an initializer"),
        ("coreml", Operation("Gemm", (X, weight("FLOAT", 2)), ("FLOAT",)), Status.RUNS, ""),
        ("nnapi", Operation("Conv", (X, weight("FLOAT", 3)), ("FLOAT",)), Status.FALLBACK, "3 dimensions"),
        ("nnapi", Operation("Conv", (X, weight("FLOAT", 4), None), ("FLOAT",)), Status.RUNS, ""),
        ("cpu", Operation("Gelu", (X,), ("FLOAT",)), Status.RUNS, ""),
        ("cpu", Operation("HardSwish", (X,), ("FLOAT",)), Status.RUNS, "expanded"),
        ("cpu", Operation("HardSwish", (Operand("DOUBLE"),), ("DOUBLE",)), Status.FAILS, "no kernel"),
        ("cpu", Operation("Gellu", (X,), ("FLOAT",)), Status.FAILS, "unknown to onnxruntime"),
        ("cuda", Operation("org.pytorch.aten:ATen", (X,), ("FLOAT",)), Status.FAILS, "of the domain org.pytorch.aten"),
        ("webgpu", Operation("Sin", (Operand(None),), (None,)), Status.RUNS, ""),
        ("nnapi", Operation("Constant", (), ("INT64",)), Status.RUNS, ""),
    ],
)
def test_operations(target: str, operation: Operation, status: Status, reason: str) -> None:
    verdict = Judge(find_target(target), OPSETS)(operation)
    assert verdict.status is status
    assert reason in verdict.reason
    assert (verdict == NATIVE) is (reason == "")


def test_a_kernel_of_a_later_operator_set_is_told_apart_from_none() -> None:
    old = Judge(find_target("cpu@1.20"), {"": 22})(Operation("Conv", (X, weight("FLOAT")), ("FLOAT",)))
    assert old.reason == "no kernel for opset 22"


def single(op: str, inputs: dict[str, npt.NDArray[Any]], domain: str = "", opset: int = 20) -> onnx.ModelProto:
    """One node over initializers, whose output has any type."""
    node = helper.make_node(op, list(inputs), ["y"], name="node", domain=domain)
    made = [numpy_helper.from_array(values, name) for name, values in inputs.items()]
    result = helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)
    result.type.Clear()
    graph = helper.make_graph([node], "g", [], [result], made)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    if domain not in ("", "com.microsoft"):
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def linted(model: onnx.ModelProto, folder: Path, target: str = "cpu") -> TargetReport:
    return Linter(read_inventory(write(model, folder / "single.onnx")), find_target(target)).report()


UINT8, INT8, HALF = np.ones((1, 1, 4), np.uint8), np.ones((1, 1, 2), np.int8), np.ones((1, 1, 4), np.float16)
MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "integers": lambda: single("ConvInteger", {"x": UINT8, "w": INT8}),
    "half": lambda: single("Conv", {"x": HALF, "w": HALF}),
    "double": lambda: single("Conv", {"x": HALF.astype(np.float64), "w": HALF.astype(np.float64)}),
    "function": lambda: single("HardSwish", {"x": HALF.astype(np.float32)}),
    "function of doubles": lambda: single("HardSwish", {"x": HALF.astype(np.float64)}),
    "unknown": lambda: single("Gellu", {"x": HALF.astype(np.float32)}),
    "foreign": lambda: single("ATen", {"x": HALF.astype(np.float32)}, domain="org.pytorch.aten"),
    "microsoft": lambda: single("QuickGelu", {"x": HALF.astype(np.float32)}, domain="com.microsoft"),
    "newer": lambda: single("Relu", {"x": HALF.astype(np.float32)}, opset=40),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_cpu_agrees(name: str, tmp_path: Path) -> None:
    """What lint says of the CPU is what onnxruntime does."""
    model = MODELS[name]()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001  onnxruntime has one error type for each way of not loading
        loads = False
    else:
        loads = True
    assert linted(model, tmp_path).ok is loads


def test_what_keeps_the_whole_file_from_loading(tmp_path: Path) -> None:
    model = MODELS["newer"]()
    model.ir_version = 14
    report = linted(model, tmp_path, "cuda")
    found = {finding.op: finding for finding in report.findings}
    assert set(found) == {"opset 40", "IR version 14"}
    assert found["opset 40"].reason == "onnxruntime 1.31 reads operator sets up to 26"
    assert found["opset 40"].count == 0
    assert found["IR version 14"].advice == "save it with a lower ir_version"
    assert not report.ok
    assert sum(report.counts.values()) == 1


def test_an_ir_version_alone_keeps_it_from_loading(tmp_path: Path) -> None:
    model = MODELS["half"]()
    model.ir_version = 13
    assert [linted(model, tmp_path, target).ok for target in ("cpu@1.23", "cpu@1.24")] == [False, True]


def test_the_release_that_has_the_kernel_is_advised(tmp_path: Path) -> None:
    report = linted(MODELS["integers"](), tmp_path, "cpu@1.20")
    assert [(f.op, f.status, f.advice) for f in report.findings] == [
        ("ConvInteger", Status.FAILS, "onnxruntime 1.24 or newer")
    ]
    assert linted(MODELS["integers"](), tmp_path, "cpu@1.24").findings == ()
