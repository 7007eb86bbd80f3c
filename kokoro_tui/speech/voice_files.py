"""Reading voice files, none of which is trusted."""

from __future__ import annotations

import difflib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from kokoro_tui.errors import InputError

StyleTable = npt.NDArray[np.float32]
"""Style vectors of one voice, [rows, 1, 256]."""

STYLE_WIDTH = 256
MAX_ROWS = 1024
"""Kokoro's voices have 510 rows; the bound keeps a made-up header from asking for all the memory."""

MAX_FILE_BYTES = 128 * 1024 * 1024
"""All 54 voices in one archive take 28 MB."""

SUFFIXES = (".bin", ".npy", ".npz", ".pt")

_ROW_BYTES = STYLE_WIDTH * 4
_SHAPE_HINT = "a voice is float32 with 256 numbers a row, as [510,1,256]"


@dataclass(frozen=True)
class VoiceFile:
    """Where a voice is stored."""

    path: Path
    """The file."""

    entry: str | None = None
    """The name of the voice inside an archive of several."""


def parse_voice_file(text: str) -> VoiceFile | None:
    """Return the file that a voice argument names (`FILE` or `FILE.npz:NAME`), or None for a plain name."""
    path_text, colon, entry = text.rpartition(":")
    if colon and Path(path_text).suffix.lower() in SUFFIXES:
        return VoiceFile(_expanded(path_text), entry)
    path = _expanded(text)
    is_file = path.suffix.lower() in SUFFIXES or len(path.parts) > 1
    return VoiceFile(path) if is_file else None


def _expanded(text: str) -> Path:
    """Return the path with a leading ~ resolved; ~NAME is left alone, as it fails for unknown users."""
    path = Path(text)
    return path.expanduser() if path.parts[:1] == ("~",) else path


def entry_names(path: Path) -> tuple[str, ...]:
    """Return the names of the voices in an archive, in file order; none when it is not a readable archive."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return ()
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
    except (OSError, zipfile.BadZipFile):
        return ()


def read_styles(file: VoiceFile) -> StyleTable:
    """Read and check the style table of a voice.

    A `.bin` file is raw little-endian float32, or an archive under another name (as kokoro-onnx ships it).

    Returns:
        [rows, 1, 256] float32, read-only.

    Raises:
        InputError: The file is missing, too large, of another kind, or does not hold finite style vectors.
    """
    _check_size(file.path)
    try:
        return _checked(_read(file), file.path)
    except InputError:
        raise
    except Exception as error:  # damaged files fail in many ways, deep inside zipfile and NumPy
        raise InputError(f"{file.path} cannot be read as a voice", _SHAPE_HINT) from error


def _read(file: VoiceFile) -> npt.NDArray[np.generic]:
    """Read a voice by the kind of its file."""
    if file.path.suffix.lower() == ".pt":
        return _read_torch(file.path)
    if zipfile.is_zipfile(file.path):
        return _read_archive(file)
    if file.entry is not None:
        raise InputError(f"{file.path} is not an archive of voices", "leave out the name behind the colon")
    return _read_plain(file.path)


def _check_size(path: Path) -> None:
    """Refuse what is no regular file, or too large to be a voice."""
    if not path.is_file():
        raise InputError(f"there is no voice file {path}", "check the path, or give the name of a voice")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read", "check its permissions") from error
    if size > MAX_FILE_BYTES:
        raise InputError(f"{path} is too large for a voice ({size:,} bytes)", _SHAPE_HINT)


def _read_plain(path: Path) -> npt.NDArray[np.generic]:
    """Read an .npy file or raw float32, told apart by the first bytes."""
    with path.open("rb") as stream:
        if stream.read(6) == np.lib.format.MAGIC_PREFIX:
            stream.seek(0)
            return _read_npy(stream, path)
    size = path.stat().st_size
    if size == 0 or size % _ROW_BYTES or size > MAX_ROWS * _ROW_BYTES:
        raise InputError(f"{path} is no raw voice: its size is {size:,} bytes", _SHAPE_HINT)
    return np.fromfile(path, dtype="<f4").reshape(-1, STYLE_WIDTH)


def _read_archive(file: VoiceFile) -> npt.NDArray[np.generic]:
    """Read one entry of an archive: the one asked for, else the first."""
    names = entry_names(file.path)
    if not names:
        raise InputError(f"{file.path} holds no voices", _SHAPE_HINT)
    entry = file.entry or names[0]
    if entry not in names:
        close = difflib.get_close_matches(entry, names, n=3, cutoff=0.4) or names[:3]
        raise InputError(f"{file.path} holds no voice {entry!r}", f"it has {', '.join(close)}")
    with zipfile.ZipFile(file.path) as archive, archive.open(f"{entry}.npy") as stream:
        return _read_npy(stream, file.path)


def _read_npy(stream: IO[bytes], path: Path) -> npt.NDArray[np.generic]:
    """Read an array whose header was checked first: no allocation and no pickle on a file's say-so."""
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read_header(stream)
    _check_layout(shape, dtype, path)
    count = int(np.prod(shape))
    data = stream.read(count * dtype.itemsize)
    return np.frombuffer(data, dtype=dtype, count=count).reshape(shape, order="F" if fortran_order else "C")


def _read_torch(path: Path) -> npt.NDArray[np.generic]:
    """Read a tensor that torch saved; code in the file is never run."""
    try:
        # Late: torch takes seconds to import and is optional.
        import torch
    except ImportError as error:
        raise InputError(
            f"reading {path.name} needs torch, which is not installed", 'pip install "kokoro-tui[export]"'
        ) from error
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"torch cannot load {path} as plain weights", _SHAPE_HINT) from error
    if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
        raise InputError(f"{path} does not hold one tensor of floats", _SHAPE_HINT)
    # Before the conversion, which would give a tensor of stride 0 all the memory it claims.
    _check_layout(tuple(tensor.shape), np.dtype(np.float32), path)
    values: npt.NDArray[np.generic] = tensor.detach().float().numpy()
    return values


def _check_layout(shape: tuple[int, ...], dtype: np.dtype[np.generic], path: Path) -> None:
    """Refuse an array that is not [rows, 1, 256] or [rows, 256] of floats."""
    if dtype.kind != "f":
        raise InputError(f"{path} holds {dtype} values, not floats", _SHAPE_HINT)
    rows = shape[0] if shape else 0
    if shape not in ((rows, STYLE_WIDTH), (rows, 1, STYLE_WIDTH)) or not 1 <= rows <= MAX_ROWS:
        raise InputError(f"{path} holds an array of shape {list(shape)}, which is no voice", _SHAPE_HINT)


def _checked(table: npt.NDArray[np.generic], path: Path) -> StyleTable:
    """Return the table as read-only float32 [rows, 1, 256], or refuse it."""
    _check_layout(table.shape, table.dtype, path)
    with np.errstate(over="ignore"):
        styles = np.array(table, dtype=np.float32).reshape(-1, 1, STYLE_WIDTH)
    if not np.isfinite(styles).all():
        raise InputError(f"{path} holds values that are not finite", "get the voice file again")
    styles.flags.writeable = False
    return styles
