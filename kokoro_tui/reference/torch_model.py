"""Runs the torch model with given noise, so that an export of it can be compared sample by sample."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from kokoro_tui.reference.kokoro_model import build_model, fold_weight_norm
from kokoro_tui.reference.weights import Weights

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

NOISE_INPUTS = 2
"""Random draws of an exported graph: initial phases [1, 9], then the noise of the sines [1, samples, 9]."""

_patching = threading.Lock()


class TorchReference:
    """A torch ``KModel`` that takes numpy arrays and its random draws from the caller.

    Args:
        model: A model from `build_model`, in eval mode.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model

    @classmethod
    def from_weights(cls, weights: Weights) -> TorchReference:
        """Build the model that an export of these weights is made from.

        Raises:
            InputError: kokoro is not installed, or the weights are not Kokoro-82M's.
        """
        model = build_model(weights.parameters)
        fold_weight_norm(model)
        return cls(model)

    def run(
        self, input_ids: IntArray, style: FloatArray, speed: FloatArray, noise: Sequence[FloatArray]
    ) -> tuple[FloatArray, IntArray]:
        """Synthesize one utterance.

        Args:
            input_ids: Token ids, shape [1, n], with the padding token at both ends.
            style: Voice row for that length, shape [1, 256].
            speed: Shape [1]; 1 is normal, 2 twice as fast.
            noise: For each random draw in the order of execution a flat array, of which element i of the
                flattened draw takes element i modulo its length. The first is uniform on 0 to 1, the second
                standard normal. In fact the first changes no sample: the model adds it to the phase increment
                of sample 0 alone, which the interpolation that follows never reads.

        Returns:
            Waveform of shape [samples] at 24 kHz, and durations of shape [n] in frames of 25 ms.

        Raises:
            ValueError: Not two noise arrays.
        """
        if len(noise) != NOISE_INPUTS:
            raise ValueError(f"expected {NOISE_INPUTS} noise arrays, got {len(noise)}")
        # Loaded with the model, seconds after start-up.
        import torch

        model = cast("Any", self._model)
        with _given_draws(noise):
            waveform, durations = model.forward_with_tokens(
                torch.from_numpy(input_ids), torch.from_numpy(style), torch.from_numpy(speed)
            )
        return waveform.numpy(), np.atleast_1d(durations.numpy())


@contextmanager
def _given_draws(noise: Sequence[FloatArray]) -> Iterator[None]:
    """Let ``kokoro.istftnet``, and nothing else, take its random numbers from ``noise``."""
    from kokoro import istftnet

    with _patching:
        torch_module = istftnet.torch
        istftnet.torch = _TorchWithDraws(torch_module, noise)
        try:
            yield
        finally:
            istftnet.torch = torch_module


class _TorchWithDraws:
    """The torch module, except that random tensors are filled from arrays."""

    def __init__(self, torch_module: Any, noise: Sequence[FloatArray]) -> None:
        self._torch = torch_module
        self._noise = iter(noise)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch, name)

    def rand(self, *shape: int, **_options: Any) -> torch.Tensor:
        return self._next_draw(shape)

    def randn_like(self, tensor: torch.Tensor) -> torch.Tensor:
        return self._next_draw(tuple(tensor.shape))

    def _next_draw(self, shape: tuple[int, ...]) -> torch.Tensor:
        # The third draw, of a noise branch that nothing reads, is not in the exported graph.
        values = next(self._noise, np.zeros(1, np.float32))
        # A copy, because the model overwrites part of the first draw.
        drawn: torch.Tensor = self._torch.from_numpy(np.resize(values, shape).astype(np.float32, copy=True))
        return drawn
