"""Choosing, reading and identifying weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.quantized_bundle import DequantizedWeight
from kokoro_tui.reference import weights as weights_module
from kokoro_tui.reference.weights import (
    Weights,
    WeightsSource,
    dither,
    parameters_sha256,
    read_torch_file,
    resolve_recorded_weights,
    resolve_weights,
)

BUNDLED_SHA256 = "215d16217db7f4f1f25dc4ca5786a27533b1fe85ae3e9a73b852e201a445b97a"


def coarse_weights() -> dict[str, DequantizedWeight]:
    """A per-channel weight, a per-tensor weight and one that was stored in float."""
    channels = np.array([[0.5], [2.0]], np.float32)
    return {
        "per_channel": DequantizedWeight(np.zeros((2, 4000), np.float32), channels),
        "per_tensor": DequantizedWeight(np.ones(4000, np.float32), np.full((), 0.1, np.float32)),
        "exact": DequantizedWeight(np.ones(4000, np.float32), np.zeros((), np.float32)),
    }


def test_dither_fills_the_step_around_each_weight() -> None:
    dithered = dither(coarse_weights())
    for row, step in zip(dithered["per_channel"], (0.5, 2.0), strict=True):
        assert -step / 2 <= row.min() < -0.49 * step
        assert 0.49 * step < row.max() <= step / 2
        assert abs(float(row.mean())) < 0.02 * step
    assert np.abs(dithered["per_tensor"] - 1).max() <= 0.0501
    np.testing.assert_array_equal(dithered["exact"], np.ones(4000, np.float32))
    assert {values.dtype for values in dithered.values()} == {np.dtype(np.float32)}


def test_dither_depends_on_the_seed_and_not_on_the_order() -> None:
    weights = coarse_weights()
    backwards = dict(reversed(weights.items()))
    assert parameters_sha256(dither(weights)) == parameters_sha256(dither(backwards))
    assert parameters_sha256(dither(weights)) != parameters_sha256(dither(weights, seed=1))


def test_the_checksum_sees_names_shapes_and_values_but_not_the_layout_in_memory() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    original = parameters_sha256({"a": values})
    assert parameters_sha256({"a": np.asfortranarray(values)}) == original
    assert parameters_sha256({"b": values}) != original
    assert parameters_sha256({"a": values.reshape(3, 2)}) != original
    assert parameters_sha256({"a": values + 1}) != original


def test_bundled_weights_are_the_same_on_every_machine(bundled_weights: Weights) -> None:
    assert bundled_weights.source == WeightsSource("bundled", BUNDLED_SHA256)


def test_auto_falls_back_to_the_bundle_and_says_so(monkeypatch: pytest.MonkeyPatch, bundled_weights: Weights) -> None:
    monkeypatch.setattr(weights_module, "fetch_from_hub", failing_with(WorkError("no hub", "wait")))
    monkeypatch.setattr(weights_module, "_bundled_weights", lambda: bundled_weights)
    chosen = resolve_weights("auto")
    assert (chosen.source.label, chosen.source.sha256) == ("bundled", BUNDLED_SHA256)
    assert chosen.source.note is not None
    assert chosen.source.note.startswith("no hub: using the bundled weights")


def test_hub_weights_are_never_replaced_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_module, "fetch_from_hub", failing_with(WorkError("no hub", "wait")))
    with pytest.raises(WorkError, match="no hub"):
        resolve_weights("hub")


def test_auto_takes_the_hub_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = save(tmp_path, {"bert": {"module.weight": torch.ones(2)}})
    monkeypatch.setattr(weights_module, "fetch_from_hub", lambda *_: path)
    chosen = resolve_weights("auto")
    assert (chosen.source.label, chosen.source.note) == ("hub", None)
    assert list(chosen.parameters) == ["bert.weight"]


def test_a_file_is_labelled_with_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, {"bert": {"weight": torch.ones(2), "position_ids": torch.arange(3)}})
    monkeypatch.chdir(tmp_path)
    chosen = resolve_weights("w.pth")
    assert chosen.source.label == str(tmp_path / "w.pth")
    assert list(chosen.parameters) == ["bert.weight"]


def test_recorded_weights_are_found_again_or_refused(tmp_path: Path) -> None:
    path = save(tmp_path, {"bert": {"weight": torch.ones(2)}})
    recorded = resolve_weights(str(path)).source
    again = resolve_recorded_weights(recorded.label, recorded.sha256)
    np.testing.assert_array_equal(again.parameters["bert.weight"], np.ones(2, np.float32))
    save(tmp_path, {"bert": {"weight": torch.zeros(2)}})
    with pytest.raises(InputError, match="made of other weights than"):
        resolve_recorded_weights(recorded.label, recorded.sha256)


def test_an_unknown_choice_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="there is no file hubb") as caught:
        resolve_weights("hubb")
    assert caught.value.hint == "--weights takes auto, hub, bundled or the path of a .pth file"


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"w\.pth holds no Kokoro weights"):
        read_torch_file(path)


@pytest.mark.parametrize("content", [[1, 2], {"bert": 3}, {"bert": {"weight": "text"}}])
def test_a_checkpoint_of_another_form_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match="holds no Kokoro weights"):
        read_torch_file(save(tmp_path, content))


def test_code_in_a_file_is_refused_and_never_runs(tmp_path: Path) -> None:
    trace = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(trace),)

    with pytest.raises(InputError, match="holds no Kokoro weights"):
        read_torch_file(save(tmp_path, {"bert": {"weight": Hostile()}}))
    assert not trace.exists()


def save(folder: Path, content: object) -> Path:
    """Write what ``torch.save`` makes of the content."""
    path = folder / "w.pth"
    torch.save(content, path)
    return path


def failing_with(error: Exception) -> Callable[..., Path]:
    """A function that raises the error, whatever it is given."""

    def fail(*_: object) -> Path:
        raise error

    return fail
