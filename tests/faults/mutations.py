"""What becomes of a file that was damaged or written to harm: seeded changes of bytes, models, tables and recipes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import onnx
from onnx import AttributeProto, TensorProto, helper

HOSTILE_TEXTS = (
    "", " ", "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "[/red]", "[bold red]x[/]", "../../../etc/passwd", "a\nb\r\nc",
    "\u202egnp.exe", "=cmd|'/c calc'!A1",
    "x" * 100_000, "\x00", "\x7f\x9b31m", "%s%n{0}{}", "'; drop--", "\ud7ff\ufffe",
    "(a+)+$", "[", "\\", "\u0000\u200b\u2028", "NaN", "-0", "1e999",
)  # fmt: skip
HOSTILE_DIMS = (0, -1, 1, 2**31, 2**40, 2**62, -(2**63))


def damage(content: bytes, random: Random) -> bytes:
    """Some bytes flipped, cut out, doubled, put in or cut off."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        place = random.randrange(max(1, len(data)))
        size = random.choice((1, 1, 2, 8, 64, 1024))
        move = random.randrange(5)
        if move == 0 and data:
            data[place % len(data)] = random.randrange(256)
        elif move == 1:
            del data[place : place + size]
        elif move == 2:
            data[place:place] = data[place : place + size]
        elif move == 3:
            data[place:place] = random.choice((b"\x00", b"\xff", b"\x80", b"\x7f")) * size
        elif random.random() < 0.2:
            del data[place:]
    return bytes(data)


def distort(model: onnx.ModelProto, random: Random) -> onnx.ModelProto:
    """A model with some parts that no exporter writes; the given one stays as it is."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        random.choice(_DISTORTIONS)(changed, random)
    return changed


def respell(text: str, random: Random) -> str:
    """A CSV or TOML text with some of its words, lines or separators changed."""
    lines = text.split("\n")
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(len(lines))
        line = lines[place]
        separator = random.choice((",", "=", '"', " "))
        parts = line.split(separator)
        move = random.randrange(6)
        if move == 0:
            parts[random.randrange(len(parts))] = random.choice(HOSTILE_TEXTS)
        elif move == 1:
            parts.append(random.choice(HOSTILE_TEXTS))
        elif move == 2 and len(parts) > 1:
            parts.pop(random.randrange(len(parts)))
        elif move == 3:
            lines.insert(place, lines[random.randrange(len(lines))])
        elif move == 4:
            parts = [random.choice(("[", "]", "{", '"', "'''", "\r", "\ufeff", "[[rules]]")), *parts]
        else:
            parts = [part[: random.randrange(len(part) + 1)] for part in parts]
        lines[min(place, len(lines) - 1)] = separator.join(parts)
    return "\n".join(lines)


Distortion = Callable[[onnx.ModelProto, Random], None]


def _text(random: Random) -> str:
    return random.choice(HOSTILE_TEXTS)


def _rename_node(model: onnx.ModelProto, random: Random) -> None:
    random.choice(model.graph.node).name = _text(random)


def _rename_value(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice(model.graph.node)
    side = node.input if random.random() < 0.5 and node.input else node.output
    if side:
        side[random.randrange(len(side))] = _text(random)


def _rename_weight(model: onnx.ModelProto, random: Random) -> None:
    if model.graph.initializer:
        random.choice(model.graph.initializer).name = _text(random)


def _reshape_weight(model: onnx.ModelProto, random: Random) -> None:
    if model.graph.initializer:
        dims = random.choice(model.graph.initializer).dims
        if dims and random.random() < 0.7:
            dims[random.randrange(len(dims))] = random.choice(HOSTILE_DIMS)
        else:
            dims.extend([random.choice(HOSTILE_DIMS)] * random.choice((1, 2, 200)))


def _retype_weight(model: onnx.ModelProto, random: Random) -> None:
    if model.graph.initializer:
        random.choice(model.graph.initializer).data_type = random.choice((0, 1, 2, 3, 8, 10, 11, 16, 99))


def _empty_weight(model: onnx.ModelProto, random: Random) -> None:
    if model.graph.initializer:
        tensor = random.choice(model.graph.initializer)
        tensor.raw_data = tensor.raw_data[: random.randrange(len(tensor.raw_data) + 1)]


def _drop_weight(model: onnx.ModelProto, random: Random) -> None:
    if model.graph.initializer:
        del model.graph.initializer[random.randrange(len(model.graph.initializer))]


def _double_weight(model: onnx.ModelProto, random: Random) -> None:
    if model.graph.initializer:
        model.graph.initializer.append(random.choice(model.graph.initializer))


def _send_weight_away(model: onnx.ModelProto, random: Random) -> None:
    if not model.graph.initializer:
        return
    tensor = random.choice(model.graph.initializer)
    tensor.data_location = TensorProto.EXTERNAL
    for key in ("location", "offset", "length"):
        entry = tensor.external_data.add()
        entry.key = key
        places = ("/etc/passwd", "../secret", "/dev/zero", _text(random))
        entry.value = random.choice(places if key == "location" else ("0", "-1", "9" * 30, "x"))


def _change_op(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice(model.graph.node)
    node.op_type = random.choice(("Conv", "LSTM", "Gemm", "MatMul", "If", "Loop", "Constant", "", "NoSuchOp", "Gather"))
    node.domain = random.choice(("", "", "com.microsoft", "evil.example", _text(random)))


def _cut_node(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice(model.graph.node)
    for part in (node.input, node.output, node.attribute):
        if part and random.random() < 0.5:
            del part[random.randrange(len(part))]


def _double_node(model: onnx.ModelProto, random: Random) -> None:
    model.graph.node.append(random.choice(model.graph.node))


def _close_circle(model: onnx.ModelProto, random: Random) -> None:
    first, second = random.choice(model.graph.node), random.choice(model.graph.node)
    if first.input and second.output:
        first.input[0] = second.output[0]


def _nest(model: onnx.ModelProto, random: Random) -> None:
    body = helper.make_graph([], _text(random), [], [])
    for _ in range(random.choice((1, 5, 20))):
        node = helper.make_node(
            "If", ["condition"], ["out"], then_branch=body, else_branch=helper.make_graph([], "e", [], [])
        )
        body = helper.make_graph([node], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], [_text(random)], body=body))


def _break_attribute(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice(model.graph.node)
    attribute = node.attribute.add()
    attribute.name = random.choice(("axis", "transB", "hidden_size", "kernel_shape", "to", _text(random)))
    attribute.type = random.choice(
        (AttributeProto.INT, AttributeProto.INTS, AttributeProto.GRAPH, AttributeProto.TENSOR)
    )
    attribute.i = random.choice(HOSTILE_DIMS)
    attribute.ints.extend([random.choice(HOSTILE_DIMS)])


def _change_opset(model: onnx.ModelProto, random: Random) -> None:
    if random.random() < 0.3:
        del model.opset_import[:]
    elif model.opset_import:
        model.opset_import[0].version = random.choice((0, -1, 1, 7, 999, 2**40))
    model.ir_version = random.choice((0, 3, 9, 10, 2**31))


def _break_interface(model: onnx.ModelProto, random: Random) -> None:
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    if not values:
        return
    value = random.choice(values)
    if random.random() < 0.4:
        value.name = _text(random)
    else:
        value.type.tensor_type.elem_type = random.choice((0, 1, 7, 8, 99))
        dim = value.type.tensor_type.shape.dim.add()
        if random.random() < 0.5:
            dim.dim_value = random.choice(HOSTILE_DIMS)
        else:
            dim.dim_param = _text(random)


_DISTORTIONS: tuple[Distortion, ...] = (
    _rename_node, _rename_value, _rename_weight, _reshape_weight, _retype_weight, _empty_weight, _drop_weight,
    _double_weight, _send_weight_away, _change_op, _cut_node, _double_node, _close_circle, _nest, _break_attribute,
    _change_opset, _break_interface,
)  # fmt: skip
