"""What is heard in a comparison tells nothing but its sound."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random

import numpy as np
import pytest

from kokoro_tui.audio.levels import loudness_energy
from kokoro_tui.audio.wav import read_wav
from kokoro_tui.audio.waveform import Waveform, WaveformError
from kokoro_tui.listening.material import (
    abx_tracks,
    make_comparable,
    preference_tracks,
    prepare_pair,
    write_blind_files,
)
from kokoro_tui.listening.session import AbxSession, Preference, PreferenceSession, Side


def noise(seed: int, samples: int, level: float = 0.1) -> Waveform:
    """Noise of a level."""
    return (np.random.default_rng(seed).standard_normal(samples) * level).astype(np.float32)


def test_a_pair_is_equally_loud_in_step_and_equally_long() -> None:
    sound = noise(1, 24_000)
    late = np.concatenate([np.zeros(700, np.float32), sound * 0.25])
    pair = prepare_pair("text", "voice", sound, late)
    assert pair.a.size == pair.b.size == 24_700
    np.testing.assert_allclose(pair.a, pair.b, atol=1e-6)
    np.testing.assert_array_equal(pair.a[:700], 0)


def test_several_are_brought_together() -> None:
    sound = noise(2, 12_000)
    early, late = sound[500:], np.concatenate([np.zeros(900, np.float32), sound])
    tracks = make_comparable([sound, early * 3, late / 2])
    assert {track.size for track in tracks} == {12_900}
    for track in tracks[1:]:
        np.testing.assert_allclose(track[2000:12_000], tracks[0][2000:12_000], atol=0.01)
    energies = [loudness_energy(track[2000:12_000]) for track in tracks]
    assert energies == pytest.approx([energies[0]] * 3, rel=0.1)


def test_a_broken_rendering_is_refused() -> None:
    with pytest.raises(WaveformError, match="holds NaN"):
        make_comparable([noise(1, 100), np.full(100, np.nan, np.float32)])


def test_x_is_a_copy_of_one_of_both() -> None:
    pairs = [prepare_pair("t", "v", noise(seed, 3000), noise(seed + 1, 3000)) for seed in (10, 20)]
    session = AbxSession(20, 2, Random(3))
    seen = []
    while not session.finished:
        a, b, x = abx_tracks(session, pairs)
        pair = pairs[session.clip]
        np.testing.assert_array_equal(a, pair.a)
        np.testing.assert_array_equal(b, pair.b)
        seen.append(Side.A if np.array_equal(x, pair.a) else Side.B)
        assert seen[-1] is Side.A or np.array_equal(x, pair.b)
        assert not any(np.shares_memory(x, other) for other in (a, b, pair.a, pair.b))
        assert len({track.size for track in (a, b, x)}) == 1
        session.answer(Side.A)
    assert [trial.x for trial in session.result().trials] == seen
    assert set(seen) == set(Side)


def test_first_and_second_are_both_in_random_order() -> None:
    pairs = [prepare_pair("t", "v", noise(1, 3000), noise(2, 3000))]
    session = PreferenceSession(20, random=Random(3))
    seen = []
    while not session.finished:
        first, second = preference_tracks(session, pairs)
        seen.append(Side.A if np.array_equal(first, pairs[0].a) else Side.B)
        np.testing.assert_array_equal(second, pairs[0].b if seen[-1] is Side.A else pairs[0].a)
        session.answer(Preference.NEITHER)
    assert [trial.first for trial in session.result().trials] == seen


def test_files_tell_nothing_by_name_size_time_or_checksum(tmp_path: Path) -> None:
    a, b = noise(1, 5000), noise(2, 5000)
    paths = write_blind_files(tmp_path, 3, {"A": a, "B": b, "X": a})
    assert [path.name for path in paths] == ["trial-3-A.wav", "trial-3-B.wav", "trial-3-X.wav"]
    assert len({path.stat().st_size for path in paths}) == 1
    assert len({path.stat().st_mtime_ns for path in paths}) == 1
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}) == 3
    for path, track in zip(paths, (a, b, a), strict=True):
        samples, rate = read_wav(path)
        assert rate == 24_000
        np.testing.assert_allclose(samples, track, atol=1.1e-6)
