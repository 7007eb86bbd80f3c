"""How one node, one weight and one value change with the precision of the nodes around them.

Every rule here is local: a node's own specs depend on its own precision alone, a weight's stored forms on its
readers, a value's casts on its producer and readers. That is what makes the estimate incremental and the casts
shared: an FP16 node hands FP16 on to its FP16 readers, and a tensor is cast at most once per direction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakValueDictionary

from kokoro_tui.core.calibration import INTEGERS
from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.regions import HalfRegions
from kokoro_tui.core.specs import (
    DYNAMIC_PARTS,
    STATIC_SUFFIX,
    BiasScale,
    FormKind,
    NodeSpec,
    TensorSpec,
    ValueSpec,
    WeightForm,
    choose_infix,
)
from kokoro_tui.core.support import constant_operand, half_inputs, weight_inputs

MICROSOFT_DOMAIN = "com.microsoft"
STATIC_NODES = {
    "Conv": "QLinearConv", "MatMul": "QLinearMatMul", "Gemm": "QGemm", "Add": "QLinearAdd", "Mul": "QLinearMul",
}  # fmt: skip
"""The operator of each static form; MatMul's and Conv's are standard ONNX, the others com.microsoft."""
_TENSOR_FORMS = {WeightType.QINT8: FormKind.TENSOR_INT8, WeightType.QUINT8: FormKind.TENSOR_UINT8}
_FLOAT, _FLOAT16 = 1, 10  # TensorProto.DataType numbers, as Cast's `to` wants them


@dataclass(frozen=True, slots=True)
class NodeRewrite:
    """What one node becomes."""

    nodes: tuple[NodeSpec, ...] | None
    """The nodes that replace it; None if it stays as it is."""
    forms: tuple[WeightForm, ...] = ()
    """Weights that it reads in another form than the original."""
    float_reads: tuple[str, ...] = ()
    """Tensors that it reads as they are in the source model."""
    half_reads: tuple[str, ...] = ()
    """Activations that it reads in FP16."""
    quantized_reads: tuple[str, ...] = ()
    """Activations that it reads as UINT8 with scale and zero point."""
    half_writes: tuple[str, ...] = ()
    """Values that it produces in FP16."""
    static_reads: tuple[str, ...] = ()
    """Activations that it reads quantized with their calibrated scale."""
    static_writes: tuple[str, ...] = ()
    """Values that it produces quantized with their calibrated scale."""


_shared: WeakValueDictionary[tuple[int, WeightType, WeightType | None], Rewriter] = WeakValueDictionary()
"""Several thousand rewrites are the same for the sizes, the linter and the planner."""


class Rewriter:
    """The rewrite rules for one model and one way of quantizing.

    Args:
        inventory: The model.
        weight_type: Of INT8 weights.
        static_type: Of calibrated activations, where INT8 means the static form; None for the dynamic one.
    """

    def __init__(
        self,
        inventory: Inventory,
        weight_type: WeightType = WeightType.QINT8,
        static_type: WeightType | None = None,
    ) -> None:
        self.inventory = inventory
        self.weight_type = weight_type
        self.static_type = static_type
        self._cache: dict[tuple[str, Precision], NodeRewrite] = {}

    @classmethod
    def of(cls, inventory: Inventory, plan: PrecisionPlan) -> Rewriter:
        """The rules by which ``plan`` is built; all who ask share them, from any thread, while one of them does."""
        static_type = plan.calibration.activation_type if plan.calibration else None
        rules = (id(inventory), plan.weight_type, static_type)  # an inventory lives as long as its rewriter
        found = _shared.get(rules)
        if found is None:
            found = _shared[rules] = cls(inventory, plan.weight_type, static_type)
        return found

    def serves(self, plan: PrecisionPlan) -> bool:
        """Whether ``plan`` is built by these rules."""
        wanted = plan.calibration.activation_type if plan.calibration else None
        return self.weight_type is plan.weight_type and self.static_type is wanted

    @cached_property
    def infix(self) -> str:
        """Text between an old name and its new suffix."""
        used = (name for node in self.inventory.nodes for name in (*node.inputs, *node.outputs))
        given = (value.name for value in self.inventory.inputs)
        return choose_infix(frozenset((*self.inventory.tensors, *given, *used)))

    def node(self, node: NodeInfo, precision: Precision) -> NodeRewrite:
        """What ``node`` becomes at ``precision``."""
        found = self._cache.get((node.key, precision))
        if found is None:
            found = self._cache[(node.key, precision)] = self._rewrite(node, precision)
        return found

    @cached_property
    def regions(self) -> HalfRegions:
        """Which nodes follow the FP16 nodes of a plan."""
        return HalfRegions(self.inventory)

    def planned(self, node: NodeInfo, plan: PrecisionPlan) -> NodeRewrite:
        """What ``node`` becomes in ``plan``, which its followers have joined (see ``regions``)."""
        return self.node(node, plan.precision_of(node.key))

    def half_name(self, name: str) -> str:
        """Name of the FP16 twin of a value."""
        return f"{name}{self.infix}fp16"

    def quantized_names(self, name: str) -> tuple[str, str, str]:
        """Names of the UINT8 twin of a value, its scale and its zero point."""
        base = f"{name}{self.infix}{FormKind.TENSOR_UINT8.value}"
        return base, f"{base}_scale", f"{base}_zero_point"

    def static_names(self, name: str) -> tuple[str, str, str]:
        """Names of the calibrated 8-bit twin of a value, its scale and its zero point."""
        base = f"{name}{self.infix}{STATIC_SUFFIX}"
        return base, f"{base}_scale", f"{base}_zero_point"

    def value_nodes(
        self, name: str, *, producer: NodeRewrite | None, readers: Iterable[NodeRewrite]
    ) -> tuple[NodeSpec, ...]:
        """Casts and quantizers that stand behind a value, in order.

        Args:
            name: The value's name in the source model.
            producer: What becomes of the node that writes it; None for a graph input.
            readers: What becomes of the nodes that read it.
        """
        wants = tuple(readers)
        half, static = _is_half(name, producer), _is_static(name, producer)
        twin, scale, zero_point = self.static_names(name)
        nodes: list[NodeSpec] = []
        if half and self.float_wanted(name, wants, producer):
            nodes.append(_cast(self.half_name(name), name, _FLOAT))
        if static and self.float_wanted(name, wants, producer):
            nodes.append(NodeSpec("DequantizeLinear", f"{twin}_dq", (twin, scale, zero_point), (name,)))
        if not half and any(name in reader.half_reads for reader in wants):
            nodes.append(_cast(name, self.half_name(name), _FLOAT16))
        if not static and any(name in reader.static_reads for reader in wants):
            nodes.append(NodeSpec("QuantizeLinear", twin, (name, scale, zero_point), (twin,)))
        if any(name in reader.quantized_reads for reader in wants):
            dynamic = self.quantized_names(name)
            nodes.append(NodeSpec("DynamicQuantizeLinear", dynamic[0], (name,), dynamic))
        return tuple(nodes)

    def value_tensors(
        self, name: str, *, producer: NodeRewrite | None, readers: Iterable[NodeRewrite]
    ) -> tuple[TensorSpec, ...]:
        """Scale and zero point of a value that is quantized by its calibrated range; else nothing."""
        if self.static_type is None:
            return ()
        if not _is_static(name, producer) and not any(name in reader.static_reads for reader in readers):
            return ()
        _, scale, zero_point = self.static_names(name)
        return TensorSpec(scale, "FLOAT", ()), TensorSpec(zero_point, INTEGERS[self.static_type], ())

    def float_wanted(self, name: str, readers: Iterable[NodeRewrite], producer: NodeRewrite | None = None) -> bool:
        """Whether anything needs the tensor as it is in the source model.

        FP16 and calibrated integers are turned into each other by way of float.
        """
        half, static = _is_half(name, producer), _is_static(name, producer)
        return name in self.inventory.float_readers_kept or any(
            name in reader.float_reads
            or name in reader.quantized_reads
            or (static and name in reader.half_reads)
            or (half and name in reader.static_reads)
            for reader in readers
        )

    def exists(self, name: str, readers: Iterable[NodeRewrite], producer: NodeRewrite | None) -> bool:
        """Whether a value is still there as it is in the source model."""
        written = not _is_half(name, producer) and not _is_static(name, producer)
        return written or self.float_wanted(name, readers, producer)

    def half_value(self, name: str, readers: Iterable[NodeRewrite], producer: NodeRewrite | None) -> ValueSpec | None:
        """What the file says of the FP16 twin of a value that is gone, as it said of the value; None if nothing."""
        value = self.inventory.values.get(name)
        if value is None or not value.record_bytes:
            return None
        if not _is_half(name, producer) or self.exists(name, readers, producer):
            return None
        return ValueSpec(self.half_name(name), "FLOAT16", value.shape)

    def _rewrite(self, node: NodeInfo, precision: Precision) -> NodeRewrite:
        if precision is Precision.FP16:
            return self._to_half(node)
        if precision is Precision.W8:
            return self._to_weight_only(node)
        if precision is Precision.INT8 and self.static_type is not None:
            return self._to_static_sum(node) if node.op in ("Add", "Mul") else self._to_static(node)
        if precision is Precision.INT8:
            return self._to_dynamic_lstm(node) if node.op == "LSTM" else self._to_dynamic(node)
        return NodeRewrite(None, float_reads=_present(node.inputs))

    def _to_half(self, node: NodeInfo) -> NodeRewrite:
        turned = {node.inputs[i] for i in half_inputs(node)}
        forms = tuple(WeightForm(FormKind.HALF, name) for name in node.weights if name in turned)
        stored = {form.weight: form.base_name(self.infix) for form in forms}
        positions = set(half_inputs(node))
        inputs = tuple(
            stored.get(name, self.half_name(name)) if i in positions else name for i, name in enumerate(node.inputs)
        )
        outputs = tuple(self.half_name(name) if name else "" for name in node.outputs)
        spec = NodeSpec(node.op, node.name, inputs, outputs, node.domain, copy_from=node)
        return NodeRewrite(
            (spec,),
            forms,
            float_reads=_present(name for i, name in enumerate(node.inputs) if i not in positions),
            half_reads=tuple(dict.fromkeys(name for name in turned if name not in stored)),
            half_writes=_present(node.outputs),
        )

    def _to_weight_only(self, node: NodeInfo) -> NodeRewrite:
        forms = {i: WeightForm(*_weight_only_form(node, i, self.inventory)) for i in weight_inputs(node)}
        inputs = tuple(forms[i].float_name(self.infix) if i in forms else name for i, name in enumerate(node.inputs))
        spec = NodeSpec(node.op, node.name, inputs, node.outputs, node.domain, copy_from=node)
        return NodeRewrite(
            (spec,),
            tuple(dict.fromkeys(forms.values())),
            float_reads=_present(name for i, name in enumerate(node.inputs) if i not in forms),
        )

    def _to_dynamic(self, node: NodeInfo) -> NodeRewrite:
        """Conv, MatMul or Gemm in integers, then the two scales and the bias (quantize_dynamic's arithmetic)."""
        name, output = node.name or node.outputs[0], node.outputs[0]
        weight = self._dynamic_weight_form(node)
        stored = weight.base_name(self.infix)
        data, data_scale, data_zero_point = self.quantized_names(node.inputs[0])
        total, floats, scale, product = (f"{output}{self.infix}{part}" for part in DYNAMIC_PARTS)
        bias = node.inputs[2] if len(node.inputs) > 2 else ""
        if not bias:
            product = output
        forms = [weight]
        is_conv = node.op == "Conv"
        integer = NodeSpec(
            "ConvInteger" if is_conv else "MatMulInteger",
            f"{name}_quant",
            (data, stored, data_zero_point, f"{stored}_zero_point"),
            (total,),
            copy_from=node if is_conv else None,
        )
        nodes = [
            integer,
            _cast(total, floats, _FLOAT),
            NodeSpec("Mul", f"{name}_quant_scale", (data_scale, f"{stored}_scale"), (scale,)),
            NodeSpec("Mul", f"{name}_quant_product", (floats, scale), (product,)),
        ]
        if bias:
            addend = bias
            if is_conv:
                forms.append(WeightForm(FormKind.BROADCAST, bias, len(self.inventory.tensors[node.inputs[1]].dims)))
                addend = forms[-1].base_name(self.infix)
            nodes.append(NodeSpec("Add", f"{name}_quant_bias", (product, addend), (output,)))
        return NodeRewrite(
            tuple(nodes),
            tuple(forms),
            float_reads=(bias,) if bias and not is_conv else (),
            quantized_reads=(node.inputs[0],),
        )

    def _dynamic_weight_form(self, node: NodeInfo) -> WeightForm:
        if node.op == "Conv":
            return WeightForm(FormKind.TENSOR_UINT8, node.inputs[1])
        kind = _TENSOR_FORMS[self.weight_type]
        transposed = node.op == "Gemm" and bool(node.attributes.get("transB", 0))
        return WeightForm(kind, node.inputs[1], transposed=transposed)

    def _to_static(self, node: NodeInfo) -> NodeRewrite:
        """Conv, MatMul or Gemm in integers from end to end (quantize_static's QOperator format)."""
        data, output = node.inputs[0], node.outputs[0]
        weight = WeightForm(_TENSOR_FORMS[self.weight_type], node.inputs[1])
        forms = [weight]
        bias = ""
        if len(node.inputs) > 2 and node.inputs[2]:
            forms.append(WeightForm(FormKind.BIAS_INT32, node.inputs[2], scaled_by=BiasScale(output, data, weight)))
            bias = forms[-1].base_name(self.infix)
        operands = (*self.static_names(data), *self._stored(weight))
        result = self.static_names(output)
        # QGemm reads its bias before the scale of its result, the standard operators behind it.
        is_gemm = node.op == "Gemm"
        inputs = (*operands, bias, *result[1:]) if is_gemm else (*operands, *result[1:], *([bias] if bias else []))
        spec = NodeSpec(
            STATIC_NODES[node.op],
            f"{node.name or output}_quant",
            inputs,
            result[:1],
            MICROSOFT_DOMAIN if is_gemm else "",
            copy_from=node,
            without=frozenset({"beta"}),
        )
        return NodeRewrite((spec,), tuple(forms), static_reads=(data,), static_writes=(output,))

    def _to_static_sum(self, node: NodeInfo) -> NodeRewrite:
        """Add or Mul of an activation and an initializer, both of the activations' type."""
        assert self.static_type is not None
        position = constant_operand(self.inventory, node) or 0
        data, output = node.inputs[1 - position], node.outputs[0]
        operand = WeightForm(_TENSOR_FORMS[self.static_type], node.inputs[position])
        pair = [self.static_names(data), self._stored(operand)]
        first, second = reversed(pair) if position == 0 else pair
        result = self.static_names(output)
        spec = NodeSpec(
            STATIC_NODES[node.op],
            f"{node.name or output}_quant",
            (*first, *second, *result[1:]),
            result[:1],
            MICROSOFT_DOMAIN,
        )
        return NodeRewrite((spec,), (operand,), static_reads=(data,), static_writes=(output,))

    def _stored(self, form: WeightForm) -> tuple[str, str, str]:
        name = form.base_name(self.infix)
        return name, f"{name}_scale", f"{name}_zero_point"

    def _to_dynamic_lstm(self, node: NodeInfo) -> NodeRewrite:
        forms = tuple(WeightForm(FormKind.DIRECTION_INT8, node.inputs[i]) for i in (1, 2))
        weight, recurrence = (form.base_name(self.infix) for form in forms)
        optional = tuple(node.inputs[3:8]) + ("",) * (8 - max(3, len(node.inputs)))
        spec = NodeSpec(
            "DynamicQuantizeLSTM",
            f"{node.name or node.outputs[0]}_quant",
            (
                node.inputs[0], weight, recurrence, *optional,
                f"{weight}_scale", f"{weight}_zero_point", f"{recurrence}_scale", f"{recurrence}_zero_point",
            ),
            node.outputs,
            MICROSOFT_DOMAIN,
            copy_from=node,
            without=frozenset({"layout"}),
        )  # fmt: skip
        return NodeRewrite((spec,), forms, float_reads=_present((node.inputs[0], *optional)))


def calibrated_values(inventory: Inventory, plan: PrecisionPlan) -> tuple[str, ...]:
    """The values whose ranges a static plan needs, in graph order; none for other plans."""
    rewriter = Rewriter.of(inventory, plan)
    rewrites = [rewriter.planned(node, plan) for node in inventory.main_nodes if node.key in plan.choices]
    return _present(name for rewrite in rewrites for name in (*rewrite.static_reads, *rewrite.static_writes))


def _weight_only_form(node: NodeInfo, position: int, inventory: Inventory) -> tuple[FormKind, str, int]:
    """The W8 form of a weight: one scale per output channel, for an embedding one per row."""
    name = node.inputs[position]
    if node.op == "LSTM":
        return FormKind.ROW_INT8, name, 0
    rank = len(inventory.tensors[name].dims)
    axis = {
        "Conv": 0,
        "ConvTranspose": 1,
        "Gemm": 0 if node.attributes.get("transB", 0) else 1,
        "MatMul": rank - 1,
        "Gather": 0,
    }[node.op]
    shared = len(inventory.readers[name]) > 1
    return FormKind.SHARED_INT8 if shared else FormKind.CHANNEL_INT8, name, axis


def _is_half(name: str, producer: NodeRewrite | None) -> bool:
    return producer is not None and name in producer.half_writes


def _is_static(name: str, producer: NodeRewrite | None) -> bool:
    return producer is not None and name in producer.static_writes


def _cast(source: str, target: str, to: int) -> NodeSpec:
    return NodeSpec("Cast", f"{target}_cast", (source,), (target,), attributes=(("to", to),))


def _present(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))
