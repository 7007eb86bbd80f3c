"""Hand-made inventories: a few nodes with just enough in them to decide about precisions."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

from kokoro_tui.core.groups import find_groups
from kokoro_tui.core.inventory import Inventory, NodeInfo, TensorInfo, ValueInfo

WEIGHT_DIMS: Mapping[str, tuple[int, ...]] = {
    "Conv": (8, 16, 3),
    "ConvTranspose": (16, 8, 3),
    "Gemm": (16, 32),
    "MatMul": (16, 32),
    "LSTM": (1, 32, 16),
    "Gather": (20, 16),
    "Add": (16, 32),
}


def inventory_of(*nodes: tuple[str, str], shared: Mapping[str, str] | None = None) -> Inventory:
    """An inventory of (name, op) pairs in a chain.

    Args:
        nodes: Names and operators.
        shared: Weight names by node name, where they are not the node's own.
    """
    weights = {name: (shared or {}).get(name, f"{name}.weight") for name, _ in nodes}
    tensors = {weights[name]: _tensor(weights[name], WEIGHT_DIMS[op]) for name, op in nodes}
    made = tuple(_node(i, name, op, tensors[weights[name]]) for i, (name, op) in enumerate(nodes))
    values = {f"value{i}": ValueInfo(f"value{i}", "FLOAT", (), 0) for i in range(len(nodes) + 1)}
    return Inventory(
        path=Path("small.onnx"),
        file_bytes=10_000,
        graph_bytes=9_900,
        rest_bytes=100,
        nodes=made,
        tensors=tensors,
        values=values,
        inputs=(values["value0"],),
        outputs=(values[f"value{len(nodes)}"],),
        subgraph_reads=frozenset(),
        opsets={"": 20},
        metadata={},
        ir_version=10,
        producer="",
        external_data=False,
        groups=find_groups(made),
    )


def _tensor(name: str, dims: tuple[int, ...]) -> TensorInfo:
    parameters = prod(dims)
    return TensorInfo(name, "FLOAT", dims, parameters, 4 * parameters, 4 * parameters + 40)


def _node(index: int, name: str, op: str, weight: TensorInfo) -> NodeInfo:
    # LSTM reads the same tensor as input and recurrent weight, which is enough here.
    inputs = (f"value{index}", weight.name, weight.name) if op == "LSTM" else (f"value{index}", weight.name)
    if op == "Gather":
        inputs = (weight.name, f"value{index}")
    return NodeInfo(
        key=name,
        name=name,
        op=op,
        domain="",
        inputs=inputs,
        outputs=(f"value{index + 1}",),
        weights=(weight.name,),
        parameters=weight.parameters,
        nbytes=weight.nbytes,
        own_parameters=0,
        own_nbytes=0,
        own_dtype="",
        record_bytes=100,
        attributes={},
        attribute_bytes={},
        depth=0,
    )
