"""Calibration: the ranges are those of the values that the model really holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.rewrite import calibrated_values
from kokoro_tui.engine.calibrate import calibrate, calibration_identity
from kokoro_tui.engine.session import NOISE_SEED, create_session, feeds_of
from kokoro_tui.engine.signature import Signature, recognise
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.harness import expose_noise
from kokoro_tui.graph.read_inventory import read_inventory
from tests.graph.plans import everything_at
from tests.trials.conftest import clip

CLIPS = (clip(5, 17, 42, 80), clip(99, 120, 3))
REQUEST = Calibration(WeightType.QINT8, samples=2)


def signature_of(path: Path) -> Signature:
    found = recognise(read_inventory(path))
    assert found is not None
    return found


def values_of(path: Path) -> tuple[str, ...]:
    inventory = read_inventory(path)
    return calibrated_values(inventory, everything_at(inventory, Precision.INT8, REQUEST))


def test_ranges_are_the_extremes_over_all_clips(toy_model: Path) -> None:
    values, signature = values_of(toy_model), signature_of(toy_model)
    assert len(values) == len(set(values)) > 15
    found = calibrate(toy_model, signature, CLIPS, values, REQUEST)
    assert replace(found, ranges={}) == REQUEST
    assert tuple(found.ranges) == values

    model = onnx.load(str(toy_model))
    noise = expose_noise(model)
    watched = [name for name in values if name not in {value.name for value in model.graph.input}]
    types = {value.name: value for value in model.graph.value_info}
    model.graph.output.extend(types[name] for name in watched)
    session = create_session(model.SerializeToString())
    runs = [session.run(watched, feeds_of(said, signature, noise, NOISE_SEED)) for said in CLIPS]
    for name, arrays in zip(watched, zip(*runs, strict=True), strict=True):
        extremes = (min(float(a.min()) for a in arrays), max(float(a.max()) for a in arrays))
        assert found.ranges[name] == extremes, name
    styles = np.stack([said.style for said in CLIPS])
    assert found.ranges["style"] == (float(styles.min()), float(styles.max()))


def test_calibrating_twice_gives_the_same_ranges_and_progress_ends_at_one(toy_model: Path) -> None:
    told: list[float] = []
    values, signature = values_of(toy_model), signature_of(toy_model)
    first = calibrate(toy_model, signature, CLIPS, values, REQUEST, progress=lambda stage, share: told.append(share))
    assert calibrate(toy_model, signature, CLIPS, values[::-1], REQUEST).ranges == first.ranges
    assert told == [0.0, 0.5, 1.0]


def test_ids_outside_the_vocabulary_and_values_that_are_not_finite_are_errors(toy_model: Path, tmp_path: Path) -> None:
    signature = signature_of(toy_model)
    with pytest.raises(InputError, match="token id 500 is outside"):
        calibrate(toy_model, signature, [clip(500)], ["style"], REQUEST)
    model = onnx.load(str(toy_model))
    model.graph.node.insert(0, helper.make_node("Log", ["style"], ["endless"]))
    (tmp_path / "log.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WorkError, match="endless is not finite on the calibration clips"):
        calibrate(tmp_path / "log.onnx", signature, CLIPS, ["style", "endless"], REQUEST)


def test_the_identity_follows_everything_that_ranges_depend_on_but_the_model() -> None:
    first = calibration_identity(CLIPS, REQUEST)
    assert first == calibration_identity(CLIPS, replace(REQUEST, ranges={"style": (0.0, 1.0)}))
    others = {
        calibration_identity(CLIPS[:1], REQUEST),
        calibration_identity(CLIPS, Calibration()),
        calibration_identity(CLIPS, REQUEST, seed=1),
        calibration_identity([replace(CLIPS[0], speed=1.5), CLIPS[1]], REQUEST),
        calibration_identity([replace(CLIPS[0], style=CLIPS[0].style + 1), CLIPS[1]], REQUEST),
    }
    assert len({first, *others}) == 6
