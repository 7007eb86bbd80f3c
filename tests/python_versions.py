"""What the tests can run on this Python."""

from __future__ import annotations

import sys

import pytest

HAS_KOKORO = sys.version_info < (3, 13)

needs_kokoro = pytest.mark.skipif(not HAS_KOKORO, reason="kokoro and misaki have no release for Python 3.13 and later")
"""For tests that export, run the torch model, or turn a text of their own into phonemes."""
