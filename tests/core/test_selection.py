"""One matcher for filter, preview, rules and locks; no pattern can hang it."""

from __future__ import annotations

from time import monotonic, process_time

import pytest

from kokoro_tui.core.selection import Matcher, SelectionError
from kokoro_tui.errors import ExitCode

NAMES = ("/decoder/generator/conv_post/Conv", "/encoder/bert/MatMul", "/encoder/bert/MatMul_1", "/größe/音/Mul")


@pytest.mark.parametrize(
    ("pattern", "hits"),
    [
        ("conv_post", NAMES[:1]),
        ("^/encoder.*MatMul$", NAMES[1:2]),
        ("bert", NAMES[1:3]),
        ("(?i)MATMUL", NAMES[1:3]),
        ("音|ö", NAMES[3:]),
        ("", NAMES),
        (r"\d", NAMES[2:3]),
        ("absent", ()),
    ],
)
def test_a_pattern_is_searched_anywhere_and_hits_keep_their_order(pattern: str, hits: tuple[str, ...]) -> None:
    assert Matcher.compile(pattern).select(iter(NAMES)) == hits


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("[a", r"invalid regular expression '\[a': unterminated character set at position 2"),
        ("*", r"nothing to repeat at position 0"),
        ("(a", r"missing \) at position 2"),
        ("a\\", r"bad escape .* at position 2"),
        ("a{99999999999999999999}", "repeat count too big"),
        (r"\N{NO SUCH NAME}", "undefined character name"),
        ("(" * 5000 + ")" * 5000, "invalid regular expression"),
    ],
)
def test_an_invalid_pattern_is_refused_with_its_position(pattern: str, complaint: str) -> None:
    with pytest.raises(SelectionError, match=complaint) as caught:
        Matcher.compile(pattern)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("pattern", ["(a+)+$", "((a+)?)+$", "(?:a?){100}a{100}$", "(?R)"])
def test_a_pattern_that_takes_too_long_is_stopped(pattern: str) -> None:
    names = ["/" + "a" * 200 + "!"] * 50
    started = monotonic()
    with pytest.raises(SelectionError, match="takes too long to match"):
        Matcher.compile(pattern).select(names)
    assert monotonic() - started < 5


def test_what_the_first_names_took_is_missing_for_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.4])  # at the start, and before the only name
    monkeypatch.setattr("kokoro_tui.core.selection.monotonic", lambda: next(clock))
    started = process_time()  # a busy machine does not lengthen it
    with pytest.raises(SelectionError, match="takes too long"):
        Matcher.compile("(a|aa)+$").select(["a" * 200 + "!"])
    assert process_time() - started < 0.35


def test_the_time_is_for_all_names_together() -> None:
    # A tenth of a second each: no single name exceeds the limit, a hundred of them would take ten seconds.
    names = ("a" * 25 + "!" for _ in range(10_000))
    started = monotonic()
    with pytest.raises(SelectionError, match=r"\(a\|aa\)"):
        Matcher.compile("(a|aa)+$").select(names)
    assert monotonic() - started < 5
