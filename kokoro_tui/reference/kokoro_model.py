"""Builds ``kokoro.model.KModel`` from named parameters, without any download."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]

REPOSITORY = "hexgrad/Kokoro-82M"

KOKORO_CONFIG: dict[str, Any] = {
    "vocab": {},
    "dim_in": 64,
    "dropout": 0.2,
    "hidden_dim": 512,
    "max_conv_dim": 512,
    "max_dur": 50,
    "multispeaker": True,
    "n_layer": 3,
    "n_mels": 80,
    "n_token": 178,
    "style_dim": 128,
    "text_encoder_kernel_size": 5,
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
        "resblock_kernel_sizes": [3, 7, 11],
        "upsample_initial_channel": 512,
    },
    "plbert": {
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 2048,
        "max_position_embeddings": 512,
        "num_hidden_layers": 12,
        "dropout": 0.1,
    },
}
"""The architecture of Kokoro-82M v1.0, as its ``config.json`` has it; token ids come from elsewhere."""

_REQUIRED_KOKORO = (0, 9, 4)
_FIRST_UNSUPPORTED_PYTHON = (3, 13)
_WEIGHTS_HINT = "use kokoro-v1_0.pth, or --weights bundled"
_INSTALL_HINT = 'pip install "kokoro-tui[export]"'

# Affine parameters that the constructor sets to 1 and 0, fixed Fourier bases, and a layer that is never run.
_FILLED_BY_CONSTRUCTOR = re.compile(r"\.(norm[12]|adain[12]\.\d)\.norm\.(weight|bias)$|\.stft\.|^bert\.pooler\.")


def build_model(parameters: Mapping[str, FloatArray]) -> torch.nn.Module:
    """The torch model in eval mode, with the STFT made of real convolutions as the ONNX export needs it.

    Its waveform is not that of ``TorchSTFT``, which pads by reflection and divides by the window's envelope
    (mel distance 1.2 apart): compare an export with this form only.

    Args:
        parameters: Every parameter by torch name; a weight under weight norm may come whole (``….weight``) or
            as ``….weight_g`` and ``….weight_v``.

    Raises:
        InputError: kokoro is not installed, or the parameters are not Kokoro-82M's.
    """
    require_kokoro()
    with quiet_torch():
        import torch
        from kokoro.model import KModel

        no_weights = io.BytesIO()
        torch.save({}, no_weights)
        no_weights.seek(0)
        model: torch.nn.Module = KModel(
            repo_id=REPOSITORY, config=KOKORO_CONFIG, model=no_weights, disable_complex=True
        )
        _load_parameters(model, parameters)
    return model.eval()


def fold_weight_norm(model: torch.nn.Module) -> None:
    """Replace every normalized weight by the product it stands for."""
    from torch.nn.utils import remove_weight_norm

    for module in model.modules():
        if hasattr(module, "weight_g"):
            remove_weight_norm(module)


def require_kokoro(python: tuple[int, int] = sys.version_info[:2]) -> None:
    """Check that the reference model can be loaded, before anything slow begins.

    Args:
        python: Major and minor version of the interpreter.

    Raises:
        InputError: It cannot; the message says why.
    """
    if python >= _FIRST_UNSUPPORTED_PYTHON:
        raise InputError(
            f"the torch model needs kokoro 0.9.4, which does not install on Python {python[0]}.{python[1]}",
            f"make an environment with Python 3.11 or 3.12, then {_INSTALL_HINT}",
        )
    for package in ("torch", "kokoro"):
        try:
            installed = version(package)
        except PackageNotFoundError as error:
            raise InputError(f"the torch model needs {package}, which is not installed", _INSTALL_HINT) from error
        if package == "kokoro" and _release(installed) < _REQUIRED_KOKORO:
            raise InputError(f"the torch model needs kokoro 0.9.4, not {installed}", _INSTALL_HINT)


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Keep torch's and kokoro's warnings off the terminal; errors are raised as ever."""
    # Read once, when torch's libraries load: its tracer warns on file descriptor 2, past Python.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _release(version_text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version_text)[:3])


def split_weight_norm(weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gain and direction whose weight-normalized product is ``weight``.

    Formula: w = g · v / ‖v‖ per output channel (Salimans and Kingma 2016, arXiv:1602.07868), with v = w.

    Args:
        weight: Shape [channels, ...].

    Returns:
        Gain of shape [channels, 1, ...] and direction of the shape of ``weight``.
    """
    inner_axes = tuple(range(1, weight.ndim))
    gain = np.sqrt(np.square(weight, dtype=np.float64).sum(axis=inner_axes, keepdims=True)).astype(np.float32)
    # A channel of zeros has no direction, and 0 / 0 would turn all audio into NaN.
    return gain, np.where(gain == 0, np.float32(1), weight)


def _load_parameters(model: torch.nn.Module, parameters: Mapping[str, FloatArray]) -> None:
    import torch

    state = model.state_dict()
    given: dict[str, FloatArray] = {}
    for name, values in parameters.items():
        if f"{name}_v" in state:
            given[f"{name}_g"], given[f"{name}_v"] = split_weight_norm(values)
        else:
            given[name] = values
    for name in sorted(state.keys() - given.keys()):
        if not _FILLED_BY_CONSTRUCTOR.search(name):
            raise InputError(f"these are no Kokoro-82M weights: {name} is missing", _WEIGHTS_HINT)
    for name in sorted(state.keys() & given.keys()):
        if given[name].shape != tuple(state[name].shape):
            raise InputError(
                f"these are no Kokoro-82M weights: {name} has shape {list(given[name].shape)}", _WEIGHTS_HINT
            )
        state[name] = torch.from_numpy(given[name])
    ignored = sorted(given.keys() - state.keys())
    if ignored:
        logger.info("weights that the model has no place for: %s", ", ".join(ignored))
    model.load_state_dict(state)
