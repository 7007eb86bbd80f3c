"""Recognise a Kokoro model by its inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.errors import InputError

TOKEN_NAMES = ("input_ids", "tokens")
STYLE_WIDTH = 256
DEFAULT_VOCABULARY = 178
SPEED_TYPES = {"FLOAT": np.float32, "DOUBLE": np.float64, "INT32": np.int32, "INT64": np.int64}
"""NumPy type of the speed input by its ONNX element type."""


@dataclass(frozen=True)
class Signature:
    """How one export of Kokoro names and types its inputs and outputs."""

    tokens: str
    """Name of the token input, int64 [1, n]."""
    style: str
    """Name of the style input, float32 [1, 256]."""
    speed: str
    """Name of the speed input, [1]."""
    speed_dtype: str
    """``FLOAT`` or ``INT32``."""
    waveform: str
    """Name of the audio output."""
    duration: str | None
    """Name of the value that holds one duration per token: an output, or in exports without such an output the
    tensor inside; None if neither is found."""
    vocabulary_size: int
    """Token ids must be below it; from the token embedding."""


def recognise(inventory: Inventory) -> Signature | None:
    """The signature of a model, or None if it does not have Kokoro's inputs."""
    inputs = {value.name: value for value in inventory.inputs}
    tokens = next((name for name in TOKEN_NAMES if name in inputs), None)
    speed = inputs.get("speed")
    if tokens is None or "style" not in inputs or speed is None or not inventory.outputs:
        return None
    if speed.dtype not in SPEED_TYPES:
        return None
    duration = next((v.name for v in inventory.outputs[1:] if "dur" in v.name.lower()), None)
    duration = duration or _hidden_durations(inventory)
    return Signature(
        tokens=tokens,
        style="style",
        speed="speed",
        speed_dtype=speed.dtype,
        waveform=inventory.outputs[0].name,
        duration=duration,
        vocabulary_size=_vocabulary_size(inventory, tokens),
    )


_ROUNDING_STEPS = frozenset({"Clip", "Max", "Min", "Cast", "Squeeze", "Reshape", "Flatten"})


def _hidden_durations(inventory: Inventory) -> str | None:
    """The tensor of whole frames per token: what follows the model's one Round, limited and cast to integers."""
    rounds = [node for node in inventory.main_nodes if node.op == "Round"]
    if len(rounds) != 1:
        return None
    found, node, passed = None, rounds[0], {rounds[0].key}
    while node.outputs and len(readers := inventory.readers.get(node.outputs[0], ())) == 1:
        node = inventory.by_key[readers[0]]
        if node.op not in _ROUNDING_STEPS or node.key in passed or not node.outputs:
            break  # also where a damaged model leads round in a circle
        passed.add(node.key)
        value = inventory.values.get(node.outputs[0])
        # Behind a Squeeze the exporter may leave the rank open.
        if value is not None and value.dtype in ("INT64", "INT32") and len(value.shape) <= 1:
            found = value.name
    return found


def _vocabulary_size(inventory: Inventory, tokens: str) -> int:
    """Rows of the smallest table that token ids index directly: ids from there on would read out of bounds."""
    rows = [
        inventory.tensors[node.inputs[0]].dims[0]
        for node in inventory.nodes
        if node.op == "Gather"
        and len(node.inputs) > 1
        and node.inputs[1] == tokens
        and node.inputs[0] in inventory.tensors
        and len(inventory.tensors[node.inputs[0]].dims) == 2
    ]
    return min(rows, default=DEFAULT_VOCABULARY)


def speed_feed(signature: Signature, speed: float) -> npt.NDArray[np.generic]:
    """What the speed input gets, [1].

    Raises:
        InputError: The model takes whole numbers only.
    """
    dtype = SPEED_TYPES[signature.speed_dtype]
    if issubclass(dtype, np.integer) and speed != round(speed):
        raise InputError(f"this model takes whole numbers for speed, not {speed:g}", "use a speed of 1 or 2")
    return np.array([speed], dtype=dtype)
