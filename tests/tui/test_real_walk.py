"""The main job on the real model, through the keys that a user presses."""

from __future__ import annotations

from pathlib import Path

import pytest

from kokoro_tui.tui.app import KokoroTuiApp
from kokoro_tui.tui.audition import AuditionResult
from kokoro_tui.tui.candidates import Candidates
from tests.make_screenshots import NAMES, SIZE, Walk


@pytest.mark.real
async def test_open_tune_export_and_hear(real_model: Path, tmp_path: Path) -> None:
    shots: list[str] = []
    app = KokoroTuiApp(real_model)
    async with app.run_test(size=SIZE) as pilot:
        seen = await Walk(pilot, tmp_path / "optimized.onnx", shots.append).run()
    assert tuple(shots) == NAMES
    assert seen["rows"] == 463
    assert seen["filtered"] == ["/decoder/generator/conv_post/Conv"]
    assert seen["excluded"] == ["/decoder/generator/conv_post/Conv"]
    assert "140 nodes hit" in str(seen["preview"])
    assert "72 nodes would change" in str(seen["preview"])
    step = seen["after regex"]
    assert isinstance(step, tuple)
    before, after, bar = step
    assert before == seen["original"] == seen["undone"]
    assert after == seen["redone"] < before
    assert f"{after / 2**20:.2f} MiB  \N{MINUS SIGN}11.1 %" in bar
    assert seen["estimated"] == seen["exported"]
    audition = seen["audition"]
    assert isinstance(audition, AuditionResult)
    assert audition.original_wav is not None
    assert audition.candidate_wav is not None
    assert audition.original_wav.stat().st_size > 100_000
    assert audition.candidate_wav.stat().st_size > 100_000
    assert audition.figures is not None
    worst = seen["worst"]
    assert isinstance(worst, tuple)
    assert worst[1] - worst[0] == pytest.approx(0.5)
    assert 0 < audition.figures.mel_distance < 1
    candidates = seen["candidates"]
    assert isinstance(candidates, Candidates)
    found = [candidate for _, candidate in candidates]
    assert [candidate.name for candidate in found] == ["plan 1", "preset w8", "preset q8f16"]
    for candidate in found:
        assert candidate.result is not None
        assert candidate.result.final_bytes == candidate.estimated_bytes
    distances = [candidate.result.figures.mel_distance for candidate in found]  # type: ignore[union-attr]
    assert distances[0] == audition.figures.mel_distance, "what was built before is not built again"
    assert 0.2 < distances[1] < distances[2] < 0.7
    assert seen["blind test"] == "9"
