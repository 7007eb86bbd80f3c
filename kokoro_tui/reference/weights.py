"""Where the weights of the torch model come from: the hub, the bundled INT8 model, or a local file."""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kokoro_tui.errors import InputError, KokoroTuiError
from kokoro_tui.graph.quantized_bundle import DequantizedWeight, read_quantized_bundle
from kokoro_tui.reference.bundle import read_bundled_model
from kokoro_tui.reference.hub import fetch_from_hub

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]

WEIGHTS_KEY = "kokoro_tui.weights"
"""Key of the weights' label in a model's ``metadata_props``."""

WEIGHTS_SHA256_KEY = "kokoro_tui.weights_sha256"
"""Key of the weights' checksum in a model's ``metadata_props``."""

AUTO = "auto"
HUB = "hub"
BUNDLED = "bundled"

DITHER_SEED = 20250116
"""Seed of the dither of the bundled weights; another seed makes another model."""

HUB_FILE = "kokoro-v1_0.pth"

_CHOICES_HINT = "--weights takes auto, hub, bundled or the path of a .pth file"


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Which weights a model was made of."""

    label: str
    """``bundled``, ``hub`` or the absolute path of a file."""

    sha256: str
    """Checksum of names, shapes and values of all parameters, whatever the file is called."""

    note: str | None = None
    """What the user should know about the choice, if anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The parameters of ``KModel``, and where they are from."""

    source: WeightsSource
    """Their origin and checksum."""

    parameters: Mapping[str, FloatArray]
    """Parameters by torch name; bundled weights are whole, those of the hub split by weight norm."""


def resolve_weights(choice: str, progress: Callable[[float], None] = lambda _: None) -> Weights:
    """Read the weights that the user chose.

    Args:
        choice: ``auto`` (the hub or its cache, else bundled), ``hub``, ``bundled`` or a .pth file.
        progress: Told the fraction of a download that has arrived.

    Raises:
        InputError: There is no such file, it holds no Kokoro weights, or a package is missing.
        WorkError: The hub was asked for and cannot be reached.
    """
    if choice == BUNDLED:
        return _bundled_weights()
    if choice == HUB:
        return _hub_weights(progress)
    if choice != AUTO:
        return _file_weights(Path(choice))
    try:
        return _hub_weights(progress)
    except KokoroTuiError as error:
        logger.info("no weights from the hub: %s", error.message)
        weights = _bundled_weights()
        note = f"{error.message}: using the bundled weights, which were dequantized and dithered"
        return replace(weights, source=replace(weights.source, note=note))


def resolve_recorded_weights(label: str, sha256: str) -> Weights:
    """Read the weights that a model says it was made of.

    Args:
        label: The model's ``kokoro_tui.weights``.
        sha256: The model's ``kokoro_tui.weights_sha256``.

    Raises:
        InputError: They cannot be had any more, or are others by now.
        WorkError: They are on the hub, which cannot be reached.
    """
    weights = resolve_weights(label)
    if weights.source.sha256 != sha256:
        raise InputError(
            f"the model was made of other weights than {label} holds now",
            "compare with another .onnx file, or export the model again",
        )
    return weights


def dither(weights: Mapping[str, DequantizedWeight], seed: int = DITHER_SEED) -> dict[str, FloatArray]:
    """Spread weights over the whole quantization step that each was rounded to.

    On their 8-bit grid they would survive another quantization without any error, and make every INT8 figure
    too good. The same seed gives the same weights.

    Args:
        weights: Parameters by torch name.
        seed: Seed of numpy's ``default_rng``.
    """
    generator = np.random.default_rng(seed)
    dithered: dict[str, FloatArray] = {}
    for name in sorted(weights):
        weight = weights[name]
        dithered[name] = weight.values
        if np.any(weight.step):
            offset = generator.random(weight.values.shape, dtype=np.float32) - np.float32(0.5)
            dithered[name] = weight.values + offset * weight.step
    return dithered


def parameters_sha256(parameters: Mapping[str, FloatArray]) -> str:
    """Checksum of names, shapes and little-endian values, whatever the order or the file format."""
    digest = hashlib.sha256()
    for name in sorted(parameters):
        values = np.ascontiguousarray(parameters[name], dtype="<f4")
        digest.update(f"{name} {list(values.shape)}\n".encode())
        digest.update(values.data)
    return digest.hexdigest()


def _bundled_weights() -> Weights:
    return _labelled(BUNDLED, dither(read_quantized_bundle(read_bundled_model())))


def _hub_weights(progress: Callable[[float], None]) -> Weights:
    return _labelled(HUB, read_torch_file(fetch_from_hub(HUB_FILE, progress)))


def _file_weights(path: Path) -> Weights:
    if not path.is_file():
        raise InputError(f"there is no file {path}", _CHOICES_HINT)
    return _labelled(str(path.resolve()), read_torch_file(path))


def _labelled(label: str, parameters: Mapping[str, FloatArray]) -> Weights:
    return Weights(WeightsSource(label, parameters_sha256(parameters)), parameters)


def read_torch_file(path: Path) -> dict[str, FloatArray]:
    """Read the parameters of a file like ``kokoro-v1_0.pth``: one state dict for each of five components.

    Raises:
        InputError: torch is missing, or the file is no such file; code in it is never run.
    """
    try:
        # torch with its libraries takes seconds to import.
        import torch
    except ImportError as error:
        raise InputError("reading .pth weights needs torch", 'pip install "kokoro-tui[export]"') from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return {
            # Each component was trained inside a DataParallel wrapper, which left its prefix.
            f"{component}.{name.removeprefix('module.')}": tensor.float().numpy()
            for component, state in content.items()
            for name, tensor in state.items()
            if tensor.is_floating_point()
        }
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, AttributeError, TypeError) as error:
        raise InputError(f"{path} holds no Kokoro weights", _CHOICES_HINT) from error
