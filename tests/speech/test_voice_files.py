"""Voice files: every format that is read, and everything that must be refused."""

from __future__ import annotations

import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokoro_tui.errors import InputError
from kokoro_tui.speech import voice_files
from kokoro_tui.speech.voice_files import VoiceFile, entry_names, parse_voice_file, read_styles

Styles = npt.NDArray[np.float32]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("af_heart", None),
        ("", None),
        ("..", None),
        ("mine.bin", VoiceFile(Path("mine.bin"))),
        ("MINE.NPY", VoiceFile(Path("MINE.NPY"))),
        ("folder/voice", VoiceFile(Path("folder/voice"))),
        ("all.npz:af_heart", VoiceFile(Path("all.npz"), "af_heart")),
        ("a:b.npz:x", VoiceFile(Path("a:b.npz"), "x")),
        ("voices-v1.0.bin:af_sky", VoiceFile(Path("voices-v1.0.bin"), "af_sky")),
        ("~/mine.bin", VoiceFile(Path.home() / "mine.bin")),
        ("~nobody-of-that-name/mine.bin", VoiceFile(Path("~nobody-of-that-name/mine.bin"))),
    ],
)
def test_parse_voice_file(text: str, expected: VoiceFile | None) -> None:
    assert parse_voice_file(text) == expected


def test_raw_floats(tmp_path: Path, styles: Styles) -> None:
    path = tmp_path / "mine.bin"
    styles.astype("<f4").tofile(path)
    read = read_styles(VoiceFile(path))
    assert read.shape == (510, 1, 256)
    assert read.dtype == np.dtype(np.float32)
    assert not read.flags.writeable
    np.testing.assert_array_equal(read, styles)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
@pytest.mark.parametrize("shape", [(510, 1, 256), (510, 256)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path: Path, styles: Styles, dtype: str, shape: tuple[int, ...], order: str) -> None:
    path = tmp_path / "mine.npy"
    np.save(path, np.asarray(styles.reshape(shape), dtype=dtype, order="F" if order == "F" else "C"))
    np.testing.assert_array_equal(read_styles(VoiceFile(path)), styles)


@pytest.mark.parametrize("name", ["voices.npz", "voices-v1.0.bin"])
def test_archive(tmp_path: Path, styles: Styles, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as stream:
        np.savez_compressed(stream, first=styles, second=styles + 1)
    assert entry_names(path) == ("first", "second")
    np.testing.assert_array_equal(read_styles(VoiceFile(path)), styles)
    np.testing.assert_array_equal(read_styles(VoiceFile(path, "second")), styles + 1)
    with pytest.raises(InputError, match="holds no voice 'secnd'") as caught:
        read_styles(VoiceFile(path, "secnd"))
    assert "second" in caught.value.hint


def test_torch_file(tmp_path: Path, styles: Styles) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "mine.pt"
    torch.save(torch.from_numpy(styles).half(), path)
    np.testing.assert_array_equal(read_styles(VoiceFile(path)), styles)


def test_torch_file_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(b"PK")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="needs torch") as caught:
        read_styles(VoiceFile(path))
    assert "kokoro-tui[export]" in caught.value.hint


def test_torch_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Dangerous(str(tmp_path / "harm"))))
    with pytest.raises(InputError, match="plain weights"):
        read_styles(VoiceFile(path))
    assert not (tmp_path / "harm").exists()


def test_torch_file_that_claims_all_memory_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "huge.pt"
    torch.save(torch.zeros(1, dtype=torch.half).expand(10**13), path)
    with pytest.raises(InputError, match="is no voice"):
        read_styles(VoiceFile(path))


def test_torch_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "dict.pt"
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="one tensor of floats"):
        read_styles(VoiceFile(path))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.bin").mkdir()
    for name in ("none.bin", "folder.bin", "nul\0.bin"):
        with pytest.raises(InputError, match="there is no voice file"):
            read_styles(VoiceFile(tmp_path / name))


@pytest.mark.parametrize("size", [0, 1000, 1024 * 1024 + 4, 1024 * 1025])
def test_raw_file_of_a_wrong_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "odd.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(InputError, match=r"no raw voice: its size is"):
        read_styles(VoiceFile(path))


def test_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.bin"
    monkeypatch.setattr(voice_files, "MAX_FILE_BYTES", 1023)
    path.write_bytes(bytes(1024))
    with pytest.raises(InputError, match=r"too large for a voice \(1,024 bytes\)"):
        read_styles(VoiceFile(path))


@pytest.mark.parametrize("shape", [(510, 1, 128), (256,), (0, 1, 256), (2, 2, 256), (2000, 256), ()])
def test_wrong_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "shape.npy"
    np.save(path, np.zeros(shape, np.float32))
    with pytest.raises(InputError, match="which is no voice"):
        read_styles(VoiceFile(path))


def test_header_that_claims_all_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "claim.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("v.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 1, 256)}
        )
    with pytest.raises(InputError, match="which is no voice"):
        read_styles(VoiceFile(path))


@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64", "U4"])
def test_wrong_dtype(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "dtype.npy"
    np.save(path, np.zeros((510, 1, 256), dtype))
    with pytest.raises(InputError, match="not floats"):
        read_styles(VoiceFile(path))


def test_pickled_array_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "pickled.npy"
    harm = tmp_path / "harm"
    np.save(path, np.array([[Dangerous(str(harm))] * 256], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="holds object values, not floats"):
        read_styles(VoiceFile(path))
    assert not harm.exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite(tmp_path: Path, value: float) -> None:
    path = tmp_path / "nan.npy"
    table = np.zeros((510, 1, 256))
    table[3, 0, 7] = value
    np.save(path, table)
    with pytest.raises(InputError, match="not finite"):
        read_styles(VoiceFile(path))


def test_archive_without_voices(tmp_path: Path) -> None:
    path = tmp_path / "empty.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no arrays here")
    with pytest.raises(InputError, match="holds no voices"):
        read_styles(VoiceFile(path))


def test_entry_of_a_plain_file_is_refused(tmp_path: Path, styles: Styles) -> None:
    path = tmp_path / "mine.bin"
    styles.tofile(path)
    with pytest.raises(InputError, match="not an archive"):
        read_styles(VoiceFile(path, "af_heart"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from([".npy", ".npz", ".bin"]))
def test_damaged_files_are_input_errors(tmp_path: Path, styles: Styles, data: st.DataObject, suffix: str) -> None:
    """Cut a file short or overwrite some bytes: it is read as before, or refused, and nothing else."""
    path = tmp_path / f"damaged{suffix}"
    with path.open("wb") as stream:
        if suffix == ".npy":
            np.save(stream, styles[:2])
        else:
            np.savez_compressed(stream, v=styles[:2])
    content = bytearray(path.read_bytes())
    start = data.draw(st.integers(0, len(content) - 1))
    patch = data.draw(st.binary(max_size=8))
    content[start : start + len(patch)] = patch
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    try:
        read = read_styles(VoiceFile(path))
    except InputError as error:
        assert error.hint
    else:
        assert read.shape[1:] == (1, 256)
        assert np.isfinite(read).all()


class Dangerous:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.target, "w")
