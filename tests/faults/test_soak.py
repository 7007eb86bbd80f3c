"""The terminal UI driven at random: it goes on, stays small, leaves nothing behind, and its log holds no error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from random import Random
from shutil import copy
from statistics import median
from time import monotonic, sleep

import pytest

from kokoro_tui.core.precision import Precision
from kokoro_tui.lint.targets import TARGET_NAMES
from kokoro_tui.store.paths import cache_folder, log_path, state_folder
from tests.audio.conftest import file_device
from tests.faults.budget import seconds, seeded
from tests.faults.processes import leaves_nothing_running
from tests.faults.terminal import Footprint, TerminalProgram
from tests.models import toy_kokoro, write
from tests.python_versions import needs_kokoro

_ESCAPE, _ENTER, _TAB, _UP, _DOWN, _PAGE_DOWN, _HOME = "\x1b", "\r", "\t", "\x1b[A", "\x1b[B", "\x1b[6~", "\x1b[H"
_ALL_OF_IT = "\x1b[F\x15"
"""Ends a field's text and takes it away."""
_KEYS = (
    "f", "i", "w", "x", "0", " ", "v", "/", "r", "u", "\x12", "o", "g", "a", "t", "b", "p", "n", "s", "l", "m", "y",
    "?", "d", "j", "J", "1", "2", "3", "9", "c", "z", _ESCAPE, _ESCAPE, _ENTER, _TAB, "\x1b[Z", "\x10", "\x7f",
    "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[H", "\x1b[F", "\x15", "conv", ".*", "(",
    "\x1b[200~[/x]\x1b[201~",
)  # fmt: skip
"""Keys, pieces of text and a paste; all but those that leave."""
_STAYING = """
from kokoro_tui.tui.app import KokoroTuiApp
from kokoro_tui.tui.screens.confirm import ConfirmScreen

async def ask(app):
    if not isinstance(app.screen, ConfirmScreen):
        app.push_screen(ConfirmScreen("Leave?", {"leave": "Leave", "stay": "Stay"}))

KokoroTuiApp.action_quit = ask
"""
"""Clicks on the key bar and the list of commands can leave too; they ask, and nothing comes of it."""
_SIZES = ((20, 5), (40, 12), (80, 24), (120, 40), (200, 60), (300, 100))
_TARGETS, _PRECISIONS, _THEMES = len(TARGET_NAMES), len(Precision), 4
_LONG_TEXT = (
    "The night train from the coast had been late since the autumn, and nobody on the platform looked up any more when "
    "the loudspeaker began to crackle. A woman with a cello case counted the lamps. Somewhere behind the sheds a dog "
    "barked twice, thought better of it, and lay down again in the warm dust beside the rails."
)
"""Longer than what random keys write: a quarter of a minute of sound."""
_PLANNING_SECONDS = 120.0
_RESUMED_EVERY = 120.0
"""How often trials are looked at, in seconds: a key in fifty stops them, and none takes as long, nor their start."""
_GROWTH = 1.05
"""Memory in the last fifth against that in the first one, at most and as a rule."""
_MORE_HANDLES = 4
"""How many more handles or threads the quietest moment of the last fifth may have."""
_WARM_UP_SECONDS = 300.0
"""How long the program is driven before its memory is watched: random keys come to more than is asked for first."""
_STEADY_SECONDS = 1800.0
"""Shorter runs say nothing about growth: their first fifth has not yet opened all that there is to open."""


def ask_for_everything(program: TerminalProgram) -> None:
    """All that there is to ask for, once, on the largest screen: what comes with the first request is no growth."""
    for size in _SIZES:
        program.resize(*size)
        sleep(0.4)
    for place in range(_THEMES):
        _type(program, "\x10", "theme", _ENTER, *[_DOWN] * place, _ENTER)
    for _ in range(_TARGETS):
        _fill_in(program, "T", "Where the plan is to run", _DOWN, _ENTER)
    _fill_in(program, "T", "Where the plan is to run", *[_UP] * (_TARGETS - 1), _ENTER)  # cpu, where all of it runs
    # The preview tells the size of every node at every precision.
    _fill_in(program, "r", "Regex action", ".*", *[_DOWN] * _PRECISIONS, _ESCAPE)
    _fill_in(program, "r", "Regex action", "resblocks", _ENTER)
    _build(program)
    _type(program, "p", _TAB, "z", "z", "D", "p", _ESCAPE, _ESCAPE)  # the picture of the sound fills the screen
    for said in ("Listen in a browser", "the listening page is closed"):
        _fill_in(program, "L", said, _ESCAPE)
    _fill_in(program, "m", "Planner", _ENTER)
    sleep(_PLANNING_SECONDS)
    _type(program, "x", _ESCAPE, _ESCAPE)


def open_dialogs(program: TerminalProgram) -> None:
    """Every dialog above the longest table, which is filtered and listed anew, when everything else is there."""
    program.resize(*_SIZES[-1])
    _type(program, "a", _PAGE_DOWN, _PAGE_DOWN, _HOME, "/", "conv", _ESCAPE, _ESCAPE, _ESCAPE)
    for keys in ("?", "c", "d", "e", "l", "m", "r", "s", "y", "/", "B", "R", "T", "\x10", "o", "g", "n", "g", "a"):
        _type(program, keys, _ESCAPE)


def stack_dialogs(program: TerminalProgram) -> None:
    """Commands over the largest dialogs, drawn in every size: each keeps what it draws."""
    for dialog in ("m", "c", "y"):
        _type(program, dialog, "\x10")
        for size in (*_SIZES, _SIZES[-1]):
            program.resize(*size)
            sleep(0.5)
        _type(program, *[_ESCAPE] * 3)


def resume_trials(program: TerminalProgram) -> None:
    """Let trials run again, from wherever the keys have led."""
    _type(program, *[_ESCAPE] * 4, "t", _ENTER)


def hear_build(program: TerminalProgram, voice: str, held: Footprints) -> None:
    """Build and analyse the sound, from wherever the keys have led; ``held`` gets what the program holds meanwhile.

    The keys may have led to a plan whose sound is not finite, and to a text that nobody can say.
    """

    def is_heard() -> bool:
        held.append(program.footprint())
        sleep(0.1)  # as often as while it is driven, lest the wait count for more than its time
        return b"built, " in program.drawn

    program.resize(*_SIZES[-1])
    for _ in range(3):
        _type(program, *[_ESCAPE] * 5)
        _fill_in(program, "l", "Load a recipe", "w8", _ENTER)
        said = (_ALL_OF_IT, f"\x1b[200~{_LONG_TEXT}\x1b[201~", _TAB, _ALL_OF_IT, voice, _ENTER)
        _fill_in(program, "d", "Sentences and voices", *said)
        program.forget()
        for _ in range(10):
            program.send("b")  # a dialog that is closing takes keys with it; while a build is running, b does nothing
            with suppress(AssertionError):
                program.waits(is_heard, 30.0)
                return
    raise AssertionError("nothing is heard")


def _build(program: TerminalProgram) -> None:
    """Build until it is done; a dialog that is closing takes keys with it."""
    before = set(cache_folder().rglob("candidate-*.json"))
    for _ in range(30):
        program.send("b")
        with suppress(AssertionError):
            program.waits(lambda: set(cache_folder().rglob("candidate-*.json")) > before, 10.0)
            break
    else:
        raise AssertionError("it does not build")
    sleep(2.0)  # it is level-matched and drawn


def _fill_in(program: TerminalProgram, key: str, title: str, *keys: str) -> None:
    """Open a dialog, whatever is still open above the table, and type into it."""
    for _ in range(10):
        program.forget()
        program.send(key)
        with suppress(AssertionError):
            program.shows(title, 5.0)
            break
        _type(program, _ESCAPE, _ESCAPE)
    else:
        raise AssertionError(f"{title} does not open")
    sleep(0.4)  # it takes keys once it is filled
    _type(program, *keys)


def _type(program: TerminalProgram, *keys: str) -> None:
    """Keys at the speed of a person; an escape and a letter at once would be another key."""
    for key in keys:
        program.send(key)
        sleep(0.4)


def act(program: TerminalProgram, random: Random) -> None:
    """One thing that a person or a terminal might do."""
    kind = random.random()
    if kind < 0.86:
        program.send(random.choice(_KEYS))
    elif kind < 0.94:
        column, row = random.randrange(1, 120), random.randrange(1, 40)
        button = random.choice((0, 0, 2, 64, 65))
        program.send(f"\x1b[<{button};{column};{row}M\x1b[<{button};{column};{row}m")
    elif kind < 0.975:
        program.resize(*random.choice(_SIZES))
    elif kind < 0.978:
        for _ in range(6):  # out of all dialogs, marks and filters, where most of the keys do something
            program.send(_ESCAPE)
            sleep(0.1)
    elif kind < 0.982:
        program.send("t")
        sleep(0.3)  # enter goes to the dialog once it is there: all trials, pause, or go on
        program.send(_ENTER)
    elif kind < 0.99:
        program.send("\x10theme\r")
    else:
        program.suspend_and_resume()


def drive(program: TerminalProgram, table: Path, longest: float, random: Random) -> Iterator[float]:
    """One thing after the other for a while, with trials running; yields the seconds that have passed."""
    started = resumed = monotonic()
    rows = -1
    while (elapsed := monotonic() - started) < longest:
        if monotonic() - resumed > _RESUMED_EVERY:
            before, rows = rows, table.read_bytes().count(b"\n")
            if rows == before:
                resume_trials(program)
            resumed = monotonic()
        act(program, random)
        sleep(random.choice((0.0, 0.01, 0.05, 0.3)))
        assert program.process.poll() is None, f"it ended with {program.process.returncode} after {elapsed:.0f} s"
        yield elapsed


Footprints = list[Footprint]


def soak(model: Path, folder: Path, voice: str, longest: float, random: Random) -> tuple[Footprints, Footprints]:
    """Drive the program, then take its terminal away; returns what it held in its first and in its last fifth."""
    table = folder / "quantization-trials.csv"
    # Trials of a sentence are through after five minutes; those of a long text last for most of an hour.
    text = _LONG_TEXT if longest >= _STEADY_SECONDS else "Six sleek swans."
    program = TerminalProgram([str(model), "--text", text, "--voice", voice], folder, prelude=_STAYING)
    early: Footprints = []
    late: Footprints = []
    try:
        program.shows("MiB")
        program.send("b")
        program.shows("tab switches", 300.0)
        program.send("p" + _ESCAPE)
        sleep(1.0)  # an escape and a letter at once are another key
        program.send("t")
        program.shows("Not now")
        program.send(_ENTER)
        program.waits(table.exists, 120.0)
        if longest >= _STEADY_SECONDS:
            ask_for_everything(program)
            resume_trials(program)  # the planner has stopped them
            _type(program, "p", _ESCAPE)
            stack_dialogs(program)
            open_dialogs(program)
            stack_dialogs(program)
            open_dialogs(program)  # what the first left for the garbage collector is found or taken again
        open_dialogs(program)
        # Analysing the sound takes most, for a moment: both fifths begin with that, lest chance decide which has it.
        if longest >= _STEADY_SECONDS:
            for _ in drive(program, table, _WARM_UP_SECONDS, random):
                pass
            hear_build(program, voice, early)
        for elapsed in drive(program, table, longest, random):
            if elapsed < longest / 5:
                early.append(program.footprint())
            elif elapsed > longest * 4 / 5:
                if not late and longest >= _STEADY_SECONDS:
                    hear_build(program, voice, late)
                late.append(program.footprint())
        program.hang_up()
        program.process.wait(10)
        leaves_nothing_running(program.process.pid)
    finally:
        program.kill()
    rows = table.read_text().count("\n") - 1
    print(f"{rows} trials")
    assert rows > 0
    return early, late


def check(early: Footprints, late: Footprints, longest: float) -> None:
    """The log is clean, and the program has not grown."""
    log = log_path().read_text(errors="replace") if log_path().exists() else ""
    assert "Traceback" not in log, log[-4000:]
    assert "uncaught" not in log
    for name, held in (("first", early), ("last", late)):
        memory, descriptors, threads = zip(*map(astuple, held), strict=True)
        print(f"{name} fifth: {max(memory) / 2**20:.1f} MiB at most, {median(memory) / 2**20:.1f} as a rule")
        print(f"  handles {min(descriptors)} to {max(descriptors)}, threads {min(threads)} to {max(threads)}")
    if longest >= _STEADY_SECONDS:
        # What is taken for a moment must not hide what stays.
        for figure in (max, median):
            assert figure(f.bytes for f in late) <= figure(f.bytes for f in early) * _GROWTH
        # Work that goes on takes some and gives them back; what is lost is missing at the quietest moment too.
        assert min(f.descriptors for f in late) <= min(f.descriptors for f in early) + _MORE_HANDLES
        assert min(f.threads for f in late) <= min(f.threads for f in early) + _MORE_HANDLES
    assert any((state_folder() / "sessions").iterdir()), "the session that lost its terminal is offered again"


@pytest.fixture(autouse=True)
def null_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Playback runs through PortAudio, on a device that takes everything."""
    config = tmp_path / "asound.conf"
    config.write_text(file_device(Path("/dev/null")))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))


@needs_kokoro
def test_a_small_model(tmp_path: Path, voice: str) -> None:
    model = write(toy_kokoro(), tmp_path / "toy.onnx")
    longest = seconds(25, 600)
    check(*soak(model, tmp_path, voice, longest, seeded("soak")), longest)


@pytest.mark.real
@needs_kokoro
def test_the_real_model(tmp_path: Path, voice: str, real_model: Path) -> None:
    model = tmp_path / "kokoro.onnx"  # of its own, so that no other test finds its trials
    copy(real_model, model)
    longest = seconds(20, 3600)
    check(*soak(model, tmp_path, voice, longest, seeded("real soak")), longest)
