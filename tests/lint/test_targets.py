"""Naming a target and a release."""

from __future__ import annotations

import pytest

from kokoro_tui.errors import InputError
from kokoro_tui.lint.targets import TARGET_NAMES, find_target, find_targets


def test_without_names_all_six_are_meant() -> None:
    assert tuple(target.name for target in find_targets(())) == TARGET_NAMES
    assert tuple(target.name for target in find_targets(("cuda", "CPU", "cuda"))) == ("cuda", "cpu")


@pytest.mark.parametrize(
    ("word", "release", "title"),
    [
        ("cpu", "1.32", "CPU"),
        ("cpu@1.20", "1.20", "CPU 1.20"),
        ("wasm@1.24.3", "1.24", "WASM 1.24"),
        (" CPU@1.17 ", "1.17", "CPU 1.17"),
        ("cpu@2.5", "1.32", "CPU 1.32"),
        ("cuda", "1.31", "CUDA"),
    ],
)
def test_a_release_stands_behind_an_at_sign(word: str, release: str, title: str) -> None:
    target = find_target(word)
    assert (target.release, target.title) == (release, title)


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("cdua", "there is no target 'cdua'", "did you mean 'cuda'?"),
        ("", "there is no target ''", "known are cpu, cuda"),
        ("cpu@1.16", "there is no release '1.16' of cpu", "from 1.17 to 1.32"),
        ("cpu@new", "there is no release 'new' of cpu", "cpu@1.24"),
        ("cpu@1", "there is no release '1' of cpu", "cpu@1.24"),
        ("cuda@1.20", "cuda is known in one release only, 1.31", "cpu@1.20"),
    ],
)
def test_wrong_names_say_what_is_right(word: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        find_target(word)
    assert hint in caught.value.hint


def test_what_a_release_can_read() -> None:
    assert (find_target("cpu@1.17").limits.opset, find_target("cpu@1.17").limits.ir) == (20, 9)
    assert (find_target("cpu@1.24").limits.opset, find_target("cpu@1.24").limits.ir) == (25, 13)


def test_every_accelerator_falls_back_to_the_cpu() -> None:
    fallbacks = {target.name: target.fallback and target.fallback.name for target in find_targets(())}
    assert fallbacks == {"cpu": None, "wasm": None, "cuda": "cpu", "coreml": "cpu", "webgpu": "cpu", "nnapi": "cpu"}
