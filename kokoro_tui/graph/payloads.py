"""The data of initializers, from the model in memory or from the file that it was left in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from kokoro_tui.errors import InputError
from kokoro_tui.graph.skim import Span
from kokoro_tui.graph.write import PendingTensors

_FLOAT32 = np.dtype("<f4")


class Payloads:
    """Where the data of a model's initializers is.

    Args:
        path: The model file.
        left_out: Data that was stepped over when it was read, by initializer.
    """

    def __init__(self, path: Path, left_out: Mapping[str, Span]) -> None:
        self._path = path
        self._left_out = left_out
        self._stamp = self._file_stamp()

    def whole(self, tensor: onnx.TensorProto) -> onnx.TensorProto | PendingTensors:
        """An initializer as it is, to be written."""
        span = self._left_out.get(tensor.name)
        if span is None:
            return tensor
        return PendingTensors((tensor,), (span.nbytes,), lambda: [self._read(span, np.dtype(np.uint8))])

    def floats(self, tensor: onnx.TensorProto) -> npt.NDArray[np.float32]:
        """The values of a FLOAT initializer in its shape.

        Raises:
            InputError: The file has changed since it was read.
        """
        span = self._left_out.get(tensor.name)
        if span is None:
            return np.asarray(onnx.numpy_helper.to_array(tensor), np.float32)
        return self._read(span, _FLOAT32).astype(np.float32, copy=False).reshape(tuple(tensor.dims))

    def ensure_unchanged(self) -> None:
        """Refuse a result that may hold parts of two models.

        Raises:
            InputError: The file has changed since it was read.
        """
        if self._left_out and self._file_stamp() != self._stamp:
            raise self._changed()

    def _read(self, span: Span, dtype: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
        try:
            found = np.fromfile(self._path, dtype, span.nbytes // dtype.itemsize, offset=span.start)
        except OSError as error:
            raise self._changed() from error
        if found.nbytes != span.nbytes:
            raise self._changed()
        return found

    def _changed(self) -> InputError:
        return InputError(f"{self._path.name} changed while it was read", "build again once it is complete")

    def _file_stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns
