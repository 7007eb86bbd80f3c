"""A build replaces its target when all is well, and otherwise leaves everything as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import ExitCode, InputError, KokoroTuiError, WorkError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.read_inventory import inventory_of, read_inventory
from tests.graph.plans import everything_at, random_plan
from tests.graph.single_ops import single_op
from tests.models import toy_kokoro, write

FP32, FP16, INT8, W8 = Precision
TOY = inventory_of(toy_kokoro(), Path("toy.onnx"), 0)
CONV = "/decoder/encode/Conv"
EARLIER = b"an earlier build"


@pytest.fixture
def target(toy_model: Path) -> Path:
    """An earlier result, beside the source."""
    path = toy_model.with_name("target.onnx")
    path.write_bytes(EARLIER)
    return path


def assert_untouched(source: Path, content: bytes, target: Path) -> None:
    """The source and the earlier target are as they were, and nothing else lies beside them."""
    assert source.read_bytes() == content
    assert target.read_bytes() == EARLIER
    assert sorted(path.name for path in source.parent.iterdir()) == sorted([source.name, target.name])


def test_a_build_replaces_its_target_and_nothing_else(toy_model: Path, target: Path) -> None:
    content = toy_model.read_bytes()
    report = build_model(toy_model, everything_at(TOY, W8), target)
    assert toy_model.read_bytes() == content
    assert report.output_path == target
    assert (report.original_bytes, report.final_bytes) == (len(content), target.stat().st_size)
    assert sorted(path.name for path in target.parent.iterdir()) == ["target.onnx", "toy.onnx"]


def test_the_report_counts_what_came_and_went(toy_model: Path, target: Path) -> None:
    pair = TOY.readers["bert.shared"]
    plan = PrecisionPlan({CONV: INT8, **dict.fromkeys(pair, W8)})
    report = build_model(toy_model, plan, target)
    assert report.added_ops == {
        "Mul": 2, "DequantizeLinear": 1, "Reshape": 1, "DynamicQuantizeLinear": 1, "ConvInteger": 1, "Cast": 1,
        "Add": 1,
    }  # fmt: skip
    assert report.removed_ops == {"Conv": 1}
    assert (report.nodes_before, report.nodes_after) == (len(TOY.main_nodes), len(TOY.main_nodes) + 7)


def test_progress_goes_from_nothing_to_all(toy_model: Path, target: Path) -> None:
    seen: list[tuple[str, float]] = []
    build_model(toy_model, PrecisionPlan({CONV: W8}), target, progress=lambda stage, share: seen.append((stage, share)))
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert (shares[0], seen[-1]) == (0.0, ("done", 1.0))
    assert [stage for stage, _ in seen] == ["read", "rewrite", "write", "check", "load", "done"]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"no such node": W8}, "the model has no node 'no such node'"),
        ({"/decoder/If": FP16}, "/decoder/If cannot be FP16: If has no half-precision form here"),
        ({"then": FP16}, "then cannot be FP16: it lies inside an If, Loop or Scan body"),
        ({"/encoder/CumSum": INT8}, "/encoder/CumSum cannot be INT8"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(
    choices: Mapping[str, Precision], message: str, toy_model: Path, target: Path
) -> None:
    content = toy_model.read_bytes()
    with pytest.raises(InputError, match=message):
        build_model(toy_model, PrecisionPlan(choices), target)
    assert_untouched(toy_model, content, target)


@pytest.mark.parametrize(
    ("bad", "words"), [(np.nan, "holds NaN or infinity"), (1e6, "holds 1e.06, more than FP16 can")]
)
def test_a_weight_that_does_not_fit_names_its_node(bad: float, words: str, tmp_path: Path, target: Path) -> None:
    model = toy_kokoro()
    tensor = next(t for t in model.graph.initializer if t.name == "encode.weight")
    values = numpy_helper.to_array(tensor).copy()
    values[3, 1, 1] = bad
    tensor.CopyFrom(numpy_helper.from_array(values, "encode.weight"))
    source = write(model, tmp_path / "toy.onnx")
    content = source.read_bytes()
    with pytest.raises(WorkError, match=f"encode.weight {words}.*, needed by {CONV}") as caught:
        build_model(source, PrecisionPlan({CONV: FP16}), target)
    assert caught.value.hint == "leave that node at FP32"
    assert_untouched(source, content, target)


class Stopped(BaseException):
    """What ends a build from inside, as an interrupt does."""


@pytest.mark.parametrize("stage", ["read", "rewrite", "write", "check", "load"])
@pytest.mark.parametrize("error", [WorkError("no", "hint"), Stopped(), MemoryError(), KeyboardInterrupt()])
def test_a_build_that_ends_early_leaves_the_earlier_target(
    stage: str, error: BaseException, toy_model: Path, target: Path
) -> None:
    content = toy_model.read_bytes()

    def stop(seen: str, share: float) -> None:
        if seen == stage:
            raise error

    with pytest.raises(type(error)):
        build_model(toy_model, PrecisionPlan({CONV: W8}), target, progress=stop)
    assert_untouched(toy_model, content, target)


def test_the_last_check_sees_the_finished_file_and_may_refuse_it(toy_model: Path, target: Path) -> None:
    content = toy_model.read_bytes()
    sizes = []

    def refuse(path: Path) -> None:
        sizes.append(path.stat().st_size)
        onnx.checker.check_model(str(path))
        raise WorkError("it does not sound", "try something else")

    with pytest.raises(WorkError, match="it does not sound"):
        build_model(toy_model, PrecisionPlan({CONV: W8}), target, accept=refuse)
    assert_untouched(toy_model, content, target)
    assert sizes == [build_model(toy_model, PrecisionPlan({CONV: W8}), target).final_bytes]


def test_targets_that_cannot_be_written_are_found_before_any_work(toy_model: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    for target, message in (
        (tmp_path / "absent" / "target.onnx", "cannot be written: No such file or directory"),
        (tmp_path, "is a folder"),
        (toy_model / "target.onnx", "cannot be written: Not a directory"),
        (toy_model, "is the model itself"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            build_model(toy_model, PrecisionPlan({CONV: W8}), target, progress=lambda stage, _: stages.append(stage))
        assert caught.value.exit_code is ExitCode.USAGE
    assert stages == []
    assert [path.name for path in tmp_path.iterdir()] == [toy_model.name]


def test_a_link_to_the_model_is_the_model(toy_model: Path) -> None:
    link = toy_model.with_name("link.onnx")
    os.link(toy_model, link)
    content = toy_model.read_bytes()
    with pytest.raises(InputError, match="is the model itself"):
        build_model(toy_model, PrecisionPlan({CONV: W8}), link)
    assert toy_model.read_bytes() == content


def test_a_missing_source_leaves_the_target(toy_model: Path, target: Path) -> None:
    toy_model.unlink()
    with pytest.raises(InputError, match="there is no file"):
        build_model(toy_model, PrecisionPlan(), target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_more_than_a_file_can_hold_is_refused_before_it_is_read(tmp_path: Path) -> None:
    model = single_op("MatMul", {"w": np.zeros((2, 3), np.float32)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.dims[:] = [30_000, 30_000]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="sparse.bin")
    with (tmp_path / "sparse.bin").open("wb") as handle:
        handle.truncate(4 * 30_000**2)
    source = write(model, tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"model\.onnx would give a file over 2 GiB"):
        build_model(source, PrecisionPlan(), tmp_path / "target.onnx")
    with pytest.raises(InputError, match="has more than 2 GiB of weights"):
        build_model(source, PrecisionPlan({"node": W8}), tmp_path / "target.onnx")
    assert not (tmp_path / "target.onnx").exists()


# The same bytes


@pytest.mark.parametrize("seed", range(4))
def test_the_same_plan_gives_the_same_bytes(seed: int, toy_model: Path) -> None:
    plan = random_plan(TOY, seed)
    contents = set()
    for name in ("one.onnx", "other.onnx"):
        build_model(toy_model, plan, toy_model.with_name(name))
        contents.add(toy_model.with_name(name).read_bytes())
    assert len(contents) == 1


def test_neither_order_nor_locks_change_the_bytes(toy_model: Path) -> None:
    plan = random_plan(TOY, 7)
    turned = PrecisionPlan(dict(reversed(list(plan.choices.items()))), frozenset({CONV}), plan.weight_type)
    one, other = (toy_model.with_name(name) for name in ("one.onnx", "other.onnx"))
    build_model(toy_model, plan, one)
    build_model(toy_model, turned, other)
    assert one.read_bytes() == other.read_bytes()


SCRIPT = """
import sys
from pathlib import Path
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.read_inventory import read_inventory
from tests.graph.plans import random_plan
source, target = Path(sys.argv[1]), Path(sys.argv[2])
build_model(source, random_plan(read_inventory(source), 11), target)
"""


def test_another_process_gives_the_same_bytes(toy_model: Path) -> None:
    contents = set()
    for seed in ("1", "2"):  # of the hashes, and so of the order of sets
        target = toy_model.with_name(f"{seed}.onnx")
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", SCRIPT, str(toy_model), str(target)], env=environment, check=True)
        contents.add(target.read_bytes())
    assert len(contents) == 1


# The real model


@pytest.fixture(scope="module")
def real_inventory(real_model: Path) -> Inventory:
    return read_inventory(real_model)


@pytest.mark.real
def test_the_same_plan_of_the_real_model_gives_the_same_bytes(
    real_model: Path, real_inventory: Inventory, tmp_path: Path
) -> None:
    plan = random_plan(real_inventory, 5, 0.4)
    for name in ("one.onnx", "other.onnx"):
        build_model(real_model, plan, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "other.onnx").read_bytes()


@pytest.mark.real
@pytest.mark.parametrize("precision", [FP16, W8, INT8])
def test_onnxruntime_loads_what_is_built_from_the_real_model(
    precision: Precision, real_model: Path, real_inventory: Inventory, tmp_path: Path
) -> None:
    from kokoro_tui.jobs.tasks import load_once

    planned = {
        k: p for k, p in everything_at(real_inventory, precision).choices.items() if k in real_inventory.candidate_keys
    }
    report = build_model(real_model, PrecisionPlan(planned), tmp_path / "built.onnx", accept=load_once)
    assert report.final_bytes < 0.6 * report.original_bytes


def test_errors_of_a_build_are_the_tools_own(toy_model: Path, target: Path) -> None:
    for source in (target, toy_model.parent):
        with pytest.raises(KokoroTuiError):
            build_model(source, PrecisionPlan(), toy_model.with_name("result.onnx"))
