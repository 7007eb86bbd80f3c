"""The bundled weights and the torch model made of them, built once for all tests that need them."""

from __future__ import annotations

import pytest

from kokoro_tui.reference.torch_model import TorchReference
from kokoro_tui.reference.weights import Weights, resolve_weights


@pytest.fixture(scope="session")
def bundled_weights() -> Weights:
    """The bundled weights, read and dithered."""
    return resolve_weights("bundled")


@pytest.fixture(scope="session")
def bundled_reference(bundled_weights: Weights) -> TorchReference:
    """The torch model of the bundled weights."""
    return TorchReference.from_weights(bundled_weights)
