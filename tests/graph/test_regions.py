"""FP16 regions in built models: fewer casts, the same sound, single nodes untouched."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from kokoro_tui.audio.distance import compare
from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import resolve
from kokoro_tui.core.regions import HalfRegions
from kokoro_tui.core.rewrite import Rewriter
from kokoro_tui.engine.session import SpeechModel
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.payloads import Payloads
from kokoro_tui.graph.read_inventory import read_inventory, read_light
from kokoro_tui.graph.verify import verify_against_plan
from kokoro_tui.speech.utterance import prepare
from kokoro_tui.store.presets import read_preset
from kokoro_tui.workbench import Workbench
from tests.core.test_regions import BETWEEN, both, chain
from tests.graph.single_ops import normal, run
from tests.models import write
from tests.python_versions import needs_kokoro

FP32, FP16, INT8, W8 = Precision


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(chain(), tmp_path / "chain.onnx")


def test_casts_stand_at_the_borders_of_a_region_only(source: Path) -> None:
    report = build_model(source, both(), source.with_name("built.onnx"))
    assert report.added_ops == {"Cast": 2}
    built = onnx.load(str(source.with_name("built.onnx")))
    casts = {node.input[0]: node.output[0] for node in built.graph.node if node.op_type == "Cast"}
    assert casts == {"x": "x__fp16", "second_output_0__fp16": "second_output_0"}


def test_a_region_computes_what_the_float_nodes_computed(source: Path) -> None:
    build_model(source, both(), source.with_name("built.onnx"))
    x = normal(1, 7, 32, seed=3)
    (exact,), (found,) = run(source, x=x), run(source.with_name("built.onnx"), x=x)
    assert 0 < np.abs(found - exact).max() < 0.003 * np.abs(exact).max()


def test_values_of_a_region_are_declared_as_what_they_are(source: Path) -> None:
    before = {value.name for value in onnx.load(str(source)).graph.value_info}
    build_model(source, both(), source.with_name("built.onnx"))
    built = onnx.load(str(source.with_name("built.onnx")))
    types = {value.name: value.type.tensor_type.elem_type for value in built.graph.value_info}
    assert types["leaky_output_0__fp16"] == onnx.TensorProto.FLOAT16
    assert len(types) == len(before)
    onnx.shape_inference.infer_shapes(built, check_type=True, strict_mode=True)


def test_a_follower_that_stayed_behind_is_named(source: Path) -> None:
    target = source.with_name("built.onnx")
    build_model(source, PrecisionPlan({"first": FP16}), target)
    with pytest.raises(WorkError, match="does not match the plan") as caught:
        verify_against_plan(target, read_inventory(source), both())
    assert all(f"{key} is not FP16" in caught.value.message for key in BETWEEN[:5])


def test_a_model_that_changes_while_it_is_read_is_refused(toy_model: Path) -> None:
    light = read_light(toy_model)
    assert light.left_out
    payloads = Payloads(toy_model, light.left_out)
    payloads.ensure_unchanged()
    name = next(iter(light.left_out))
    tensor = next(t for t in light.model.graph.initializer if t.name == name)
    toy_model.write_bytes(toy_model.read_bytes()[: light.left_out[name].start + 10])
    with pytest.raises(InputError, match=r"toy\.onnx changed while it was read"):
        payloads.floats(tensor)
    with pytest.raises(InputError, match=r"toy\.onnx changed while it was read"):
        payloads.ensure_unchanged()


# The real model


@pytest.fixture(scope="module")
def real_inventory(real_model: Path) -> Inventory:
    return read_inventory(real_model)


def casts(inventory: Inventory, plan: PrecisionPlan) -> Counter[str]:
    """Names of all casts that a plan adds, with how often they are written."""
    rewriter = Rewriter.of(inventory, plan)
    found = Counter[str]()
    for name in (*(value.name for value in inventory.inputs), *inventory.producers):
        info = inventory.producers.get(name)
        producer = None if info is None else rewriter.planned(info, plan)
        keys = inventory.readers.get(name, ())
        readers = [rewriter.planned(inventory.by_key[key], plan) for key in keys]
        found.update(node.outputs[0] for node in rewriter.value_nodes(name, producer=producer, readers=readers))
    return found


@pytest.mark.real
def test_the_fp16_preset_needs_fewer_than_three_hundred_casts(real_inventory: Inventory) -> None:
    plan = resolve(read_preset("fp16"), real_inventory, None)
    islands, spread = casts(real_inventory, plan), casts(real_inventory, HalfRegions(real_inventory).spread(plan))
    assert (islands.total() > 500, spread.total() < 300) == (True, True)
    assert max(spread.values()) == 1


@needs_kokoro
@pytest.mark.real
def test_regions_sound_as_good_as_islands(real_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies between FP16 nodes and follows them loses nothing that node-by-node casting would keep."""
    bench = Workbench.open(real_model)
    plan, signature, clip = (
        bench.resolve(read_preset("fp16")),
        bench.require_signature(),
        prepare("Six sleek swans.")[0],
    )
    original = SpeechModel(real_model, signature).run(clip)

    def distance(name: str) -> float:
        build_model(real_model, plan, tmp_path / name)
        model = SpeechModel(tmp_path / name, signature)
        return compare(original.waveform, model.run(clip, durations=original.durations).waveform).mel_distance

    regions = distance("regions.onnx")
    monkeypatch.setattr(HalfRegions, "spread", lambda regions, plan: plan)
    islands = distance("islands.onnx")
    assert (tmp_path / "islands.onnx").stat().st_size > (tmp_path / "regions.onnx").stat().st_size  # more Casts
    assert regions <= max(1.05 * islands, islands + 0.005)


@pytest.mark.real
def test_no_group_of_the_real_model_has_followers_when_it_is_tried_alone(real_inventory: Inventory) -> None:
    regions = HalfRegions(real_inventory)
    groups = {real_inventory.group_of[key].members for key in real_inventory.candidate_keys}
    assert len(groups) == 309
    assert all(regions.followers(PrecisionPlan(dict.fromkeys(members, FP16))) == () for members in groups)
