"""A voice file: speech needs one, and no test may depend on what is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def voice(tmp_path: Path) -> str:
    """A made-up voice."""
    path = tmp_path / "tester.npy"
    np.save(path, np.random.default_rng(3).standard_normal((510, 1, 256)).astype(np.float32) * 0.1)
    return str(path)
