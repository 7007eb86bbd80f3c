"""What the audio package calls a waveform, and the one check that every waveform passes at the border."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kokoro_tui.errors import WorkError

SAMPLE_RATE = 24_000
"""Samples per second of everything that Kokoro speaks, in Hz."""

FloatArray = NDArray[np.floating[Any]]
"""Floating samples or energies of any width."""

Waveform = NDArray[np.float32]
"""Mono samples at `SAMPLE_RATE` unless said otherwise, shape [samples], full scale ±1."""


class WaveformError(WorkError, ValueError):
    """Samples that cannot be measured or played: not finite, not floating, not mono, or too few."""


def check_waveform(samples: FloatArray, *, name: str, least_samples: int = 1) -> None:
    """Refuses whatever is not a finite floating mono waveform.

    Args:
        samples: The samples, shape [samples].
        name: What to call them in the message, as in "reference".
        least_samples: How many samples the caller needs.

    Raises:
        WaveformError: Not one-dimensional, not floating, too short, or holding NaN or infinity.
    """
    hint = "render the sentence again; if it stays so, the model's output is broken"
    if samples.ndim != 1:
        raise WaveformError(f"the {name} waveform has shape {list(samples.shape)}, not [samples]", hint)
    if not np.issubdtype(samples.dtype, np.floating):
        raise WaveformError(f"the {name} waveform holds {samples.dtype}, not floating samples", hint)
    if samples.size < least_samples:
        raise WaveformError(
            f"the {name} waveform has {samples.size} samples, fewer than {least_samples}",
            "use a longer sentence",
        )
    if not np.isfinite(samples).all():
        raise WaveformError(f"the {name} waveform holds NaN or infinity", hint)
