"""Patches hold only for the object they were decided on."""

from __future__ import annotations

from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevirt_py.api.views import Condition
from kubevirt_py.decide import conditions, patches

VALUES = st.none() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
STATUS = st.dictionaries(st.text(alphabet="ab/~", min_size=1, max_size=2), VALUES.filter(lambda v: v is not None))
WANTED = st.dictionaries(st.text(alphabet="ab/~", min_size=1, max_size=2), VALUES)


@given(STATUS, WANTED)
def test_patch_brings_old_to_new_and_touches_nothing_else(old: dict[str, Any], new: dict[str, Any]) -> None:
    ops = patches.status_patch(old, new, "7")
    before = {"metadata": {"resourceVersion": "7"}, **({"status": old} if old else {})}
    result = jsonpatch.apply_patch(before, list(ops)).get("status", {})
    expected = {name: value for name, value in {**old, **new}.items() if value is not None}
    assert result == expected
    assert patches.status_patch(result, new, "7") == ()


def test_patch_of_a_changed_object_fails() -> None:
    ops = patches.status_patch({"phase": "Pending"}, {"phase": "Scheduled"}, "7")
    changed = {"metadata": {"resourceVersion": "8"}, "status": {"phase": "Pending"}}
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(changed, list(ops))


def test_finalizers_are_dropped_by_slot() -> None:
    ops = patches.guarded("7", patches.finalizer_ops(("a", "b", "c"), {"a", "c", "absent"}))
    document = {"metadata": {"resourceVersion": "7", "finalizers": ["a", "b", "c"]}}
    assert jsonpatch.apply_patch(document, list(ops))["metadata"]["finalizers"] == ["b"]


def test_condition_keeps_its_transition_time_while_its_status_stays() -> None:
    old = (Condition("Ready", "False", "A", "", "t0"), Condition("Paused", "True", "", "", "t0"))
    changes = {"Ready": Condition("Ready", "False", "B"), "Paused": None, "New": Condition("New", "True")}
    assert conditions.documents(conditions.merged(old, changes, "t1")) == [
        {"type": "Ready", "status": "False", "reason": "B", "lastTransitionTime": "t0"},
        {"type": "New", "status": "True", "lastTransitionTime": "t1"},
    ]
    turned = conditions.merged(old, {"Ready": Condition("Ready", "True")}, "t1")
    assert turned[0].last_transition_time == "t1" and turned[1] is old[1]
