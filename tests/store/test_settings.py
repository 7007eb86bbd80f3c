"""Settings survive hand editing in both directions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from kokoro_tui.errors import InputError
from kokoro_tui.store.atomic import WriteError
from kokoro_tui.store.settings import Settings, SortOrder, load_settings, save_settings

FULL = Settings(
    theme="nord", sort=SortOrder("mel_distance", descending=False), text='Say "hi".', voice="af_heart", target="webgpu",
    keys={"build": "ctrl+b,f5", "filter": "slash"},
)  # fmt: skip


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "made" / "config.toml"
    monkeypatch.setenv("KOKORO_TUI_CONFIG", str(path))
    return path


def write(config: Path, text: str) -> None:
    config.parent.mkdir(exist_ok=True)
    config.write_text(text, encoding="utf-8")


def test_without_a_file_everything_has_its_default(config: Path) -> None:
    assert load_settings() == (Settings(), ())
    assert Settings().sort == SortOrder("size", descending=True)
    assert not config.exists()


def test_settings_come_back(config: Path) -> None:
    save_settings(FULL)
    assert load_settings() == (FULL, ())
    save_settings(Settings())
    assert load_settings() == (Settings(), ())


def test_what_the_user_wrote_stays(config: Path) -> None:
    write(config, '# mine\ntheme = "nord"  # dark\nplugin = 3\n\n[keys]\n# two of them\nbuild = ["b", "f5"]\n')
    settings, notes = load_settings()
    assert settings == Settings(theme="nord", keys={"build": "b,f5"})
    assert len(notes) == 1
    assert "unknown key 'plugin'" in notes[0]
    save_settings(Settings(theme="dracula", voice="jf_alpha", keys={"build": "b,f5", "export": "x"}))
    assert config.read_text() == (
        '# mine\ntheme = "dracula"  # dark\nplugin = 3\nvoice = "jf_alpha"\n\n'
        '[keys]\n# two of them\nbuild = ["b", "f5"]\nexport = "x"\n'
    )


def test_saving_what_is_there_touches_nothing(config: Path) -> None:
    write(config, "theme='nord'")
    before = config.stat()
    save_settings(Settings(theme="nord"))
    assert (config.stat().st_mtime_ns, config.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize("text", ["theme = nord", "[[", "theme = " + "[" * 100_000, "\x00"])
def test_a_broken_file_gives_defaults_and_a_note_and_is_never_overwritten(config: Path, text: str) -> None:
    write(config, text)
    settings, notes = load_settings()
    assert settings == Settings()
    assert len(notes) == 1
    assert "is not valid TOML" in notes[0]
    with pytest.raises(InputError, match="the settings are not saved"):
        save_settings(FULL)
    assert config.read_text() == text


def test_a_file_that_is_no_text_gives_defaults_and_a_note(config: Path) -> None:
    config.parent.mkdir()
    config.write_bytes(b"\xff\xfe")
    assert load_settings()[0] == Settings()
    assert "is not UTF-8 text" in load_settings()[1][0]


@pytest.mark.parametrize(
    ("text", "expected", "wrong"),
    [
        ("theme = 5\nvoice = 'v'", Settings(voice="v"), "theme"),
        ("sort = 'size'", Settings(), "sort"),
        ("[sort]\ncolumn = 'name'\ndescending = 'no'", Settings(), "sort"),
        ("keys = 1", Settings(), "keys"),
        ("[keys]\nbuild = 1\nexport = 'x'", Settings(keys={"export": "x"}), "keys.build"),
        ("[keys]\nbuild = []", Settings(), "keys.build"),
    ],
)
def test_a_wrong_value_is_passed_over_with_a_note(config: Path, text: str, expected: Settings, wrong: str) -> None:
    write(config, text)
    settings, notes = load_settings()
    assert settings == expected
    assert notes == (f"{config}: {wrong} has a wrong value and is passed over",)
    save_settings(FULL)
    assert load_settings()[0] == FULL


def test_half_a_sort_order_takes_the_default_for_the_other_half(config: Path) -> None:
    write(config, "[sort]\ncolumn = 'name'")
    assert load_settings() == (Settings(sort=SortOrder("name", descending=True)), ())


def test_an_unwritable_place_is_said(config: Path) -> None:
    config.parent.write_text("in the way")
    with pytest.raises(WriteError, match="cannot be created"):
        save_settings(FULL)


def test_what_another_window_has_saved_meanwhile_stays(config: Path) -> None:
    save_settings(Settings(theme="nord"))
    here = there = load_settings()[0]
    save_settings(replace(there, theme="dracula"), there)
    save_settings(replace(here, voice="jf_alpha"), here)
    assert load_settings()[0] == Settings(theme="dracula", voice="jf_alpha")


def test_two_windows_that_save_at_once_lose_nothing(config: Path) -> None:
    names = ("theme", "text", "voice", "target")

    def save(name: str) -> None:
        for number in range(20):
            before, after = (_with(dict.fromkeys([name], str(n))) for n in (number - 1, number))
            save_settings(after, before)

    threads = [Thread(target=save, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert load_settings()[0] == _with(dict.fromkeys(names, "19"))


def _with(values: dict[str, Any]) -> Settings:
    return replace(Settings(), **values)
