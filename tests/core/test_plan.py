"""The plan is a value: changing it gives another one, and equal decisions have equal digests."""

from __future__ import annotations

import pickle
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoro_tui.core.plan import MAX_UNDO, PlanHistory, PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision

FP32, FP16, INT8, W8 = Precision
KEYS = ("a", "b", "c", "d")
PLANS = st.builds(
    PrecisionPlan,
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(list(Precision))),
    st.frozensets(st.sampled_from(KEYS)),
    st.sampled_from(list(WeightType)),
)


def test_a_change_leaves_the_plan_before_it_as_it_was() -> None:
    before = PrecisionPlan().with_precision(["a"], W8)
    after = before.with_precision(["a", "b"], FP16)
    assert dict(before.choices) == {"a": W8}
    assert dict(after.choices) == {"a": FP16, "b": FP16}


@pytest.mark.parametrize("plan", [PrecisionPlan(), PrecisionPlan({"a": W8}), PrecisionPlan().with_precision("a", W8)])
def test_choices_cannot_be_written_to(plan: PrecisionPlan) -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        cast(dict[str, Any], plan.choices)["a"] = FP16


def test_a_plan_does_not_follow_the_dictionary_that_it_was_made_from() -> None:
    choices = {"a": W8}
    plan = PrecisionPlan(choices)
    choices["a"] = FP16
    assert plan.precision_of("a") is W8


def test_fp32_is_the_absence_of_a_choice() -> None:
    assert PrecisionPlan({"a": FP32, "b": W8}) == PrecisionPlan({"b": W8})
    assert PrecisionPlan({"a": W8}).with_precision(["a"], FP32) == PrecisionPlan()


def test_excluding_gives_fp32_and_a_lock_and_unlocking_takes_only_the_lock_off() -> None:
    plan = PrecisionPlan({"a": W8, "b": W8}).excluding(iter(["a"]))
    assert (plan.precision_of("a"), plan.locked) == (FP32, frozenset({"a"}))
    assert plan.precision_of("b") is W8
    unlocked = plan.unlocking(["a", "unknown"])
    assert (unlocked.precision_of("a"), unlocked.locked) == (FP32, frozenset())


def test_counts_are_of_the_keys_asked_for() -> None:
    plan = PrecisionPlan({"a": W8, "b": FP16, "elsewhere": INT8})
    assert plan.count(KEYS) == {FP32: 2, FP16: 1, INT8: 0, W8: 1}


@given(PLANS, PLANS)
def test_changed_keys_are_those_with_another_precision_or_lock(one: PrecisionPlan, other: PrecisionPlan) -> None:
    expected = {
        key
        for key in KEYS
        if one.precision_of(key) is not other.precision_of(key) or (key in one.locked) != (key in other.locked)
    }
    assert one.changed_keys(other) == other.changed_keys(one) == expected


@given(PLANS, PLANS)
def test_the_digest_tells_what_is_built(one: PrecisionPlan, other: PrecisionPlan) -> None:
    same_file = (one.choices, one.weight_type) == (other.choices, other.weight_type)
    assert (one.digest == other.digest) is same_file


def test_the_digest_depends_on_neither_order_nor_locks() -> None:
    forth = PrecisionPlan({"a": W8, "b": FP16})
    back = PrecisionPlan({"b": FP16, "a": W8}, frozenset({"a"}))
    assert forth.digest == back.digest
    assert len(forth.digest) == 16


@given(PLANS)
def test_a_plan_reaches_a_child_process_unchanged(plan: PrecisionPlan) -> None:
    copy = pickle.loads(pickle.dumps(plan))
    assert copy == plan
    assert copy.digest == plan.digest


def test_undo_and_redo_walk_the_same_plans() -> None:
    plans = [PrecisionPlan({"a": precision}) for precision in (FP16, INT8, W8)]
    history = PlanHistory(PrecisionPlan())
    for plan in plans:
        history = history.push(plan)
    seen = []
    for _ in range(4):
        seen.append(history.current)
        history = history.undo()
    assert seen == [*reversed(plans), PrecisionPlan()]
    assert history.undo() is history
    for plan in plans:
        history = history.redo()
        assert history.current == plan
    assert history.redo() is history


def test_a_change_after_undo_forgets_what_was_undone() -> None:
    history = PlanHistory(PrecisionPlan()).push(PrecisionPlan({"a": W8})).undo().push(PrecisionPlan({"b": W8}))
    assert history.future == ()
    assert history.undo().current == PrecisionPlan()


def test_the_same_plan_again_is_no_step() -> None:
    history = PlanHistory(PrecisionPlan({"a": W8})).undo()
    assert history.push(PrecisionPlan({"a": W8})) is history


def test_the_oldest_steps_are_forgotten() -> None:
    history = PlanHistory(PrecisionPlan())
    for index in range(MAX_UNDO + 50):
        history = history.push(PrecisionPlan({str(index): W8}))
    assert len(history.past) == MAX_UNDO
    assert history.undo().current == PrecisionPlan({str(MAX_UNDO + 48): W8})
