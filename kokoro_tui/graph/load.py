"""Read model files that may come from anywhere: nothing outside the model's folder is ever opened."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from kokoro_tui.errors import InputError

MAX_PROTOBUF_BYTES = 2**31 - 1
"""A protobuf cannot be larger; bigger models keep their weights in external data."""


def read_model(path: Path) -> onnx.ModelProto:
    """Parse a model without its external data.

    Raises:
        InputError: The file is missing, unreadable, truncated or not ONNX, or its external data is missing or
            lies outside the model's folder.
    """
    content = _read_file(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        # A model begins with its ir_version (field 1, varint).
        if content[:1] == b"\x08":
            raise InputError(
                f"{path} is damaged: it ends too early or holds bytes that are not ONNX",
                "copy or export the model again and compare the file sizes",
            ) from error
        raise _not_onnx(path) from error
    if not model.HasField("graph") or model.ir_version <= 0 or not model.opset_import:
        raise _not_onnx(path)
    for tensor in external_tensors(model):
        external_file(path, tensor)
    return model


def load_external_data(model: onnx.ModelProto, path: Path) -> None:
    """Bring the external data of ``model`` into memory; every file was checked by ``read_model``.

    Raises:
        InputError: A data file is shorter than its tensors say.
    """
    for tensor in external_tensors(model):
        source = external_file(path, tensor)
        offset, length = _external_span(tensor)
        with source.open("rb") as handle:
            handle.seek(offset)
            tensor.raw_data = handle.read() if length is None else handle.read(length)
        tensor.ClearField("external_data")
        tensor.data_location = onnx.TensorProto.DEFAULT


def external_tensors(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Initializers of the main graph whose data lies in another file."""
    return [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]


def external_file(path: Path, tensor: onnx.TensorProto) -> Path:
    """The data file of an external tensor.

    Raises:
        InputError: It is missing, too short, or outside the model's folder (also through links).
    """
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    folder = path.parent.resolve()
    source = (folder / location).resolve()
    if not location or Path(location).is_absolute() or not source.is_relative_to(folder):
        raise InputError(
            f"{path.name} keeps weights outside its own folder ({location!r}), which is not opened",
            "put the data file beside the model",
        )
    if not source.is_file():
        raise InputError(
            f"{path.name} needs the external data file {location!r}, which is missing",
            "put the data file beside the model",
        )
    offset, length = _external_span(tensor)
    if offset < 0 or (length is not None and length < 0) or offset + (length or 0) > source.stat().st_size:
        raise InputError(
            f"the external data file {location!r} is shorter than {path.name} says",
            "copy the data file again and compare the sizes",
        )
    return source


def _external_span(tensor: onnx.TensorProto) -> tuple[int, int | None]:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    try:
        return int(entries.get("offset", 0)), int(entries["length"]) if "length" in entries else None
    except ValueError as error:
        raise InputError(
            f"the external data entry of {tensor.name!r} is not a number", "export the model again"
        ) from error


def _read_file(path: Path) -> bytes:
    hint = "check the path; `kokoro-tui export` writes a kokoro.onnx"
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a model file", "name the .onnx file in it")
        size = path.stat().st_size
        if size > MAX_PROTOBUF_BYTES:
            raise InputError(
                f"{path} is larger than 2 GiB, which no ONNX file can be", "keep its weights as external data"
            )
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", hint) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}", hint) from error
    if not content:
        raise InputError(f"{path} is empty", hint)
    return content


def _not_onnx(path: Path) -> InputError:
    return InputError(f"{path} is not an ONNX model", "name a .onnx file; `kokoro-tui export` writes one")
