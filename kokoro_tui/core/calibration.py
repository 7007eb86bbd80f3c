"""Calibrated ranges of activations, from which static INT8 takes its scales and zero points."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kokoro_tui.core.precision import WeightType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

INTEGERS = {WeightType.QINT8: "INT8", WeightType.QUINT8: "UINT8"}
"""ONNX element type of each quantized type."""


@dataclass(frozen=True)
class Calibration:
    """That INT8 means the static form, and what each activation was seen to hold.

    Without ranges it is a request: such a plan can be estimated, and must be calibrated before it is built.
    """

    activation_type: WeightType = WeightType.QUINT8
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest number of each value, by its name in the source model."""
    samples: int = 0
    """Sentences to calibrate on; 0 for all there are."""

    @property
    def dtype(self) -> str:
        """ONNX element type of quantized activations."""
        return INTEGERS[self.activation_type]

    def missing(self, values: Iterable[str]) -> tuple[str, ...]:
        """Those of the given values that have no range yet."""
        return tuple(name for name in values if name not in self.ranges)

    def restricted_to(self, values: Iterable[str]) -> Calibration:
        """The same calibration without the ranges of other values, in the order of ``values``."""
        return replace(self, ranges={name: self.ranges[name] for name in values if name in self.ranges})

    def quantization(self, name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.generic]]:
        """Scale [] and zero point [] of a value, as onnxruntime's ``quantize_static`` computes them."""
        import numpy as np  # 0.1 s: plans are also read by commands that do without

        from kokoro_tui.core.quantize import scale_zero_point

        dtype = np.dtype(np.int8 if self.activation_type is WeightType.QINT8 else np.uint8)
        scale, zero_point = scale_zero_point(*self.ranges[name], dtype)
        return np.array(scale, dtype=np.float32), np.array(zero_point, dtype=dtype)

    @property
    def digest(self) -> str:
        """A short identity of the type and the ranges."""
        content = {"activation_type": self.activation_type, "ranges": dict(self.ranges)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
