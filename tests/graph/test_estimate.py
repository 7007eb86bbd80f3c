"""The estimate is the size of the exported file, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from typing_extensions import Buffer

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import resolve
from kokoro_tui.core.sizing import Sizer, largest_tensors
from kokoro_tui.core.support import half_inputs
from kokoro_tui.graph.apply_plan import build_model, rewrite_model
from kokoro_tui.graph.payloads import Payloads
from kokoro_tui.graph.read_inventory import LightModel, inventory_of, read_inventory, read_light
from kokoro_tui.graph.write import write_model
from kokoro_tui.store.presets import read_preset
from tests.graph.plans import everything_at, plans, random_plan, wide_calibration
from tests.graph.single_ops import FLOAT, normal, single_op
from tests.models import toy_kokoro, write

FP32, FP16, INT8, W8 = Precision
TOY = inventory_of(toy_kokoro(), Path("toy.onnx"), toy_kokoro().ByteSize())


def assert_exact(source: Path, plan: PrecisionPlan, target: Path) -> int:
    """Build a plan and compare the file with what was said before; returns its size."""
    estimate = Sizer(read_inventory(source)).estimate(plan)
    report = build_model(source, plan, target)
    assert report.final_bytes == target.stat().st_size == estimate.estimated_bytes
    assert estimate.original_bytes == report.original_bytes
    assert estimate.saved == pytest.approx(1 - report.final_bytes / report.original_bytes)
    return report.final_bytes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=plans(TOY))
def test_any_plan_of_the_toy_model(plan: PrecisionPlan, toy_model: Path) -> None:
    assert_exact(toy_model, plan, toy_model.with_name("built.onnx"))


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("weight_type", WeightType)
def test_everything_at_one_precision(precision: Precision, weight_type: WeightType, toy_model: Path) -> None:
    plan = PrecisionPlan(everything_at(TOY, precision).choices, weight_type=weight_type)
    size = assert_exact(toy_model, plan, toy_model.with_name("built.onnx"))
    assert (size == toy_model.stat().st_size) is (precision is FP32)


@given(st.lists(plans(TOY), max_size=6))
@settings(deadline=None)
def test_walking_from_plan_to_plan_gives_the_same_figures_as_starting_anew(walk: list[PrecisionPlan]) -> None:
    sizer = Sizer(TOY)
    for plan in walk:
        assert sizer.estimate(plan) == Sizer(TOY, plan).estimate(plan)
    assert sizer.estimate(PrecisionPlan()).estimated_bytes == TOY.file_bytes


@given(plans(TOY))
def test_what_is_stored_adds_up_to_the_payload_of_the_file(plan: PrecisionPlan) -> None:
    stored = Sizer(TOY).estimate(plan).stored
    assert sum(stored.values()) == sum(size for _, _, size in largest_tensors(TOY, plan, 1000))
    assert (stored[W8] > 0) is any(p is W8 for p in plan.choices.values())
    halves = [TOY.by_key[key] for key, precision in plan.choices.items() if precision is FP16]
    assert (stored[FP16] > 0) is any(n.inputs[i] in TOY.tensors for n in halves for i in half_inputs(n))


# Models of other kinds


def external(model: onnx.ModelProto, folder: Path) -> Path:
    """All weights in one data file, with entries in two orders and some without length."""
    data = b""
    for index, tensor in enumerate(model.graph.initializer):
        raw = numpy_helper.to_array(tensor).tobytes()
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.doc_string = "far away" * index
        tensor.external_data.add(key="location", value="weights.data")
        tensor.external_data.add(key="offset", value=str(len(data)))
        if index % 2:
            tensor.external_data.add(key="length", value=str(len(raw)))
        data += raw
    (folder / "weights.data").write_bytes(data)
    return write(model, folder / "model.onnx")


def annotated(model: onnx.ModelProto, folder: Path) -> Path:
    """Documentation and metadata wherever ONNX has room for them."""
    graph = model.graph
    model.producer_version = ""
    model.functions.append(
        helper.make_function(
            "own", "F", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])], [helper.make_opsetid("", 20)]
        )
    )
    model.training_info.add()
    parts: list[Any] = [*graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output]
    for item in (model, graph, *parts):
        item.metadata_props.add(key="origin", value="test")
        item.doc_string = "about" * 40
    for node in graph.node:
        for attribute in node.attribute:
            attribute.doc_string = "why"
    graph.quantization_annotation.add(tensor_name="waveform")
    graph.value_info.append(helper.make_tensor_value_info("nowhere", FLOAT, [1]))
    graph.value_info.append(graph.value_info[0])
    return write(model, folder / "model.onnx")


def old_style(model: onnx.ModelProto, folder: Path) -> Path:
    """Initializers that are graph inputs too, as before IR version 4, and that have value_info entries."""
    model.ir_version = 3
    for tensor in model.graph.initializer:
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(value)
        model.graph.value_info.append(value)
    return write(model, folder / "model.onnx")


def typed_data(model: onnx.ModelProto, folder: Path) -> Path:
    """Weights in float_data, and raw ones that say explicitly that they are not external."""
    for index, tensor in enumerate(model.graph.initializer):
        if index % 2 and tensor.data_type == FLOAT:
            values = numpy_helper.to_array(tensor).reshape(-1)
            tensor.ClearField("raw_data")
            tensor.float_data.extend(values.tolist())
        else:
            tensor.data_location = TensorProto.DEFAULT
    return write(model, folder / "model.onnx")


def untyped(model: onnx.ModelProto, folder: Path) -> Path:
    """No value_info at all."""
    del model.graph.value_info[:]
    return write(model, folder / "model.onnx")


def nameless(model: onnx.ModelProto, folder: Path) -> Path:
    """Half of the nodes without a name, the others all of the same."""
    for index, node in enumerate(model.graph.node):
        node.name = "twin" if index % 2 else ""
    return write(model, folder / "model.onnx")


def unordered(model: onnx.ModelProto, folder: Path) -> Path:
    """Nodes back to front, which onnxruntime loads all the same."""
    model.graph.node.reverse()
    return write(model, folder / "model.onnx")


def without_microsoft(model: onnx.ModelProto, folder: Path) -> Path:
    """Only the standard domain is imported, by its long name."""
    del model.opset_import[1:]
    model.opset_import[0].domain = "ai.onnx"
    return write(model, folder / "model.onnx")


def built_before(model: onnx.ModelProto, folder: Path) -> Path:
    """Written by this tool, with half of its nodes changed."""
    source = write(model, folder / "first.onnx")
    build_model(source, random_plan(read_inventory(source), 3, 0.5), folder / "model.onnx")
    return folder / "model.onnx"


def weights_as_outputs(model: onnx.ModelProto, folder: Path) -> Path:
    """Weights and intermediate values that are graph outputs."""
    graph = model.graph
    graph.output.extend(v for v in graph.value_info if v.name.startswith("/decoder/norm"))
    for tensor in graph.initializer[:4]:
        graph.output.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    graph.initializer.append(numpy_helper.from_array(np.ones(300, np.float32), "unused"))
    return write(model, folder / "model.onnx")


KINDS = [
    external, annotated, old_style, typed_data, untyped, nameless, unordered, without_microsoft, built_before,
    weights_as_outputs,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_plans_of_models_of_every_kind(kind: Callable[[onnx.ModelProto, Path], Path], tmp_path: Path) -> None:
    source = kind(toy_kokoro(), tmp_path)
    inventory = read_inventory(source)
    untouched = assert_exact(source, PrecisionPlan(), tmp_path / "same.onnx")
    if not inventory.external_data:
        assert untouched == source.stat().st_size
    for seed in range(6):
        assert_exact(source, random_plan(inventory, seed, 0.3 + 0.2 * (seed % 4)), tmp_path / "built.onnx")


def test_a_model_that_is_built_again_and_again_keeps_its_names_apart(tmp_path: Path) -> None:
    source = write(toy_kokoro(), tmp_path / "0.onnx")
    for generation in range(4):
        plan = random_plan(read_inventory(source), generation, 0.3)
        target = tmp_path / f"{generation + 1}.onnx"
        assert_exact(source, plan, target)
        source = target
    names = [name for node in onnx.load(str(source)).graph.node for name in node.output]
    assert len(set(names)) == len(names)


def test_external_data_of_every_type_is_brought_in(tmp_path: Path) -> None:
    model = single_op("MatMul", {"w": normal(16, 32)})
    for dtype in ("BOOL", "DOUBLE", "INT32", "INT4", "UINT16", "FLOAT16"):
        number = TensorProto.DataType.Value(dtype)
        nbytes = {"DOUBLE": 40, "INT32": 20, "INT4": 3, "UINT16": 10, "FLOAT16": 10}.get(dtype, 5)
        model.graph.initializer.append(TensorProto(name=dtype, dims=[5], data_type=number, raw_data=bytes(nbytes)))
    data = b""
    for tensor in model.graph.initializer:
        raw, tensor.data_location = tensor.raw_data, TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        tensor.external_data.add(key="location", value="data.bin")
        tensor.external_data.add(key="offset", value=str(len(data)))
        data += raw
    (tmp_path / "data.bin").write_bytes(data)
    source = write(model, tmp_path / "model.onnx")
    assert_exact(source, PrecisionPlan({"node": W8}), tmp_path / "built.onnx")


def test_a_bias_that_convolutions_of_different_rank_share_is_stored_in_both_shapes(tmp_path: Path) -> None:
    weights = {"w1": normal(4, 4, 3), "b": normal(4), "w2": normal(4, 4, 3, 3)}
    model = single_op("Conv", weights, inputs=("x", "w1", "b"), dims=(1, 4, 9))
    graph = model.graph
    shape = numpy_helper.from_array(np.array([1, 4, 7, 1]), "shape")
    graph.initializer.append(shape)
    graph.node.append(helper.make_node("Reshape", ["y", "shape"], ["y4"]))
    graph.node.append(helper.make_node("Conv", ["y4", "w2", "b"], ["z"], name="second", pads=[1, 1, 1, 1]))
    graph.output[0].CopyFrom(helper.make_tensor_value_info("z", FLOAT, [1, 4, 7, 1]))
    source = write(onnx.shape_inference.infer_shapes(model), tmp_path / "model.onnx")
    assert_exact(source, PrecisionPlan({"node": INT8, "second": INT8}), tmp_path / "built.onnx")


# Figures for one node


def test_a_node_counts_its_weights_at_its_precision() -> None:
    sizer = Sizer(TOY)
    key = "/decoder/generator/conv_post/Conv"
    elements = 8 * 41
    sizes = {p: sizer.node_bytes(key, PrecisionPlan({key: p})) for p in Precision}
    assert sizes == {FP32: 4 * elements, FP16: 2 * elements, INT8: elements + 4 + 1, W8: elements + 4}
    assert sizer.node_bytes("then", PrecisionPlan()) == 0


def test_a_shared_weight_is_saved_only_when_all_readers_change() -> None:
    sizer, pair = Sizer(TOY), TOY.readers["bert.shared"]
    sizes = [sizer.estimate(PrecisionPlan(dict.fromkeys(pair[:n], W8))).estimated_bytes for n in range(3)]
    assert sizes[1] > sizes[0] > sizes[2]
    mixed = sizer.estimate(PrecisionPlan({pair[0]: W8, pair[1]: FP16}))
    assert mixed.stored[W8] == 32 * 32 + 32 * 4 + 2 * 8
    assert mixed.stored[FP16] == 32 * 32 * 2


def test_the_largest_tensors_are_those_of_the_built_file(toy_model: Path) -> None:
    plan = random_plan(TOY, 5)
    build_model(toy_model, plan, toy_model.with_name("built.onnx"))
    built = read_inventory(toy_model.with_name("built.onnx"))
    expected = sorted(((t.name, t.dtype, t.nbytes) for t in built.tensors.values()), key=lambda row: -row[2])
    found = largest_tensors(TOY, plan, len(expected) + 1)
    assert sorted(found) == sorted(expected)
    assert [row[2] for row in found] == [row[2] for row in expected]
    assert len(largest_tensors(TOY, plan, 3)) == 3


def test_an_empty_model_saves_nothing() -> None:
    model = single_op("Relu", {})
    inventory = inventory_of(model, Path("relu.onnx"), 0)
    assert Sizer(inventory).estimate(PrecisionPlan()).saved == 0.0


# The real model

PRESETS = ("fp16", "q8f16", "quantized", "uint8f16", "uint8", "matmul-int8", "w8")
SIZES = {"fp16": 156.13, "q8f16": 82.37, "quantized": 88.17}
"""MiB of the recipes that these presets follow, as onnxruntime's tools write them."""


@pytest.fixture(scope="module")
def real_inventory(real_model: Path) -> Inventory:
    return read_inventory(real_model)


def candidates_at(inventory: Inventory, precision: Precision) -> PrecisionPlan:
    return PrecisionPlan(
        {k: p for k, p in everything_at(inventory, precision).choices.items() if k in inventory.candidate_keys}
    )


@pytest.mark.real
def test_a_file_of_the_real_model_is_as_long_as_what_a_sink_counts(
    real_model: Path, real_inventory: Inventory, tmp_path: Path
) -> None:
    plan = random_plan(real_inventory, 1, 0.5)
    size = assert_exact(real_model, plan, tmp_path / "built.onnx")
    assert counted(read_light(real_model), plan) == size < real_inventory.file_bytes


class Sink(BytesIO):
    """Counts what is written to it and keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = 0

    def write(self, content: Buffer, /) -> int:
        length = memoryview(content).nbytes
        self.counted += length
        return length


def counted(light: LightModel, plan: PrecisionPlan) -> int:
    """Bytes that a build of ``plan`` writes, all weights converted."""
    sink = Sink()
    payloads = Payloads(light.inventory.path, light.left_out)
    skeleton, tensors = rewrite_model(light.model, light.inventory, plan, payloads)
    write_model(sink, skeleton, tensors, threads=2)
    return sink.counted


@pytest.mark.real
def test_fifty_random_plans_of_the_real_model(real_model: Path, real_inventory: Inventory) -> None:
    light, sizer = read_light(real_model), Sizer(real_inventory)
    sizes = set()
    for seed in range(50):
        plan = random_plan(real_inventory, seed, (0.02, 0.05, 0.1, 0.4)[seed % 4])
        sizes.add(counted(light, plan))
        assert sizer.estimate(plan).estimated_bytes in sizes
    assert len(sizes) == 50


@pytest.mark.real
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_of_the_real_model(name: str, real_model: Path, real_inventory: Inventory) -> None:
    plan = resolve(read_preset(name), real_inventory, None)
    if read_preset(name).static:
        plan = replace(plan, calibration=wide_calibration(real_inventory))
    size = Sizer(real_inventory).estimate(plan).estimated_bytes
    assert size == counted(read_light(real_model), plan)
    if name in SIZES:
        assert size / 2**20 == pytest.approx(SIZES[name], rel=0.001)


@pytest.mark.real
def test_a_toggle_of_the_real_model_takes_less_than_a_millisecond(real_inventory: Inventory) -> None:
    sizer = Sizer(real_inventory, PrecisionPlan())
    plan = candidates_at(real_inventory, W8)
    sizer.estimate(plan)
    times = []
    for key in list(real_inventory.candidate_keys)[:200]:
        started = perf_counter()
        sizer.estimate(plan.with_precision([key], FP16))
        times.append(perf_counter() - started)
    assert sorted(times)[100] < 0.001
