"""Backoff, storm guard, conditions, finalizers, metadata, sources: a few lines each."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from kubevirt_py.jsonpatch import apply_patch
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile.backoff import Backoff
from kubevirt_py.reconcile.conditions import merge_conditions, without_condition
from kubevirt_py.reconcile.finalizer import add_finalizer, remove_finalizer
from kubevirt_py.reconcile.meta import Owner, is_kind, key_of, meta_of, version_number
from kubevirt_py.reconcile.source import BACKGROUND, DELETION, USER, connect_root, mapped, owns
from kubevirt_py.reconcile.store import Store
from kubevirt_py.reconcile.storm import HOLD_S, LIMIT, StormGuard
from tests.behaviour.kinds import CONFIG_MAP, POD, WIDGET, ConfigMap, Metadata, Widget
from tests.behaviour.kinds import Owner as ViewOwner

A = Key("ns", "a")


def test_backoff_grows_to_its_cap_and_spreads() -> None:
    backoff = Backoff(0.05, 300.0, Random(1))
    for failures, most in ((0, 0.05), (1, 0.1), (5, 1.6), (13, 300.0), (10_000, 300.0)):
        delays = [backoff.delay_s(failures) for _ in range(200)]
        assert 0 <= min(delays) < most * 0.1
        assert most * 0.9 < max(delays) <= most


def test_a_storm_is_named_and_held_until_it_is_over() -> None:
    guard = StormGuard()
    noisy = [guard.ran(A, "pods" if number % 3 else "user", number * 0.03) for number in range(LIMIT + 2)]
    assert [name for name in noisy if name] == ["pods"]
    assert guard.not_before(A) == pytest.approx((LIMIT + 1) * 0.03 + HOLD_S)
    now = 40.5
    while now < 58:
        guard.ran(A, "pods", now)
        now += 10
    guard.ran(A, "pods", 75.0)
    assert guard.not_before(A) == 85.0, "still as busy as it may be"
    guard.ran(A, "user", 140.0)
    assert guard.not_before(A) == 0.0


def test_other_keys_are_not_held() -> None:
    guard = StormGuard()
    for number in range(LIMIT + 1):
        guard.ran(A, "pods", number * 0.03)
    assert guard.not_before(A) > 0.0
    assert guard.not_before(Key("ns", "b")) == 0.0
    guard.forget(A)
    assert guard.not_before(A) == 0.0


def condition(kind: str, status: str, since: str = "", **more: str) -> Document:
    return {"type": kind, "status": status, **({"lastTransitionTime": since} if since else {}), **more}


def test_the_transition_time_moves_with_the_status_only() -> None:
    old = [condition("Ready", "True", "t0", reason="Old"), condition("Other", "True", "t1")]
    merged = merge_conditions(old, [condition("Ready", "True", reason="New"), condition("Late", "False")], "t9")
    assert merged == [
        condition("Ready", "True", "t0", reason="New"),
        condition("Other", "True", "t1"),
        condition("Late", "False", "t9"),
    ]
    assert merge_conditions(old, [condition("Ready", "False")], "t9")[0]["lastTransitionTime"] == "t9"
    assert merge_conditions(old, [condition("Ready", "True", reason="Old")], "t9") == old
    assert without_condition(old, "Ready") == old[1:]


@pytest.mark.parametrize("present", [[], ["x"], ["x", "y"]])
def test_a_finalizer_comes_and_goes(present: list[str]) -> None:
    document: Document = {"metadata": {"finalizers": present} if present else {}}
    more = apply_patch(document, list(add_finalizer(WIDGET, A, present, "mine").ops))
    assert more["metadata"]["finalizers"] == [*present, "mine"]
    less = apply_patch(more, list(remove_finalizer(WIDGET, A, more["metadata"]["finalizers"], "mine").ops))
    assert less["metadata"]["finalizers"] == present
    assert add_finalizer(WIDGET, A, ["mine"], "mine").ops == ()
    assert remove_finalizer(WIDGET, A, ["x"], "mine").ops == ()


def test_metadata_of_structs_and_of_dicts() -> None:
    owner = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "u", "controller": True}
    document = {"metadata": {"name": "a", "namespace": "ns", "uid": "1", "ownerReferences": [owner]}}
    assert key_of(document) == key_of(Widget(Metadata(name="a", namespace="ns"))) == A
    assert [o.uid for o in meta_of(document).owner_references] == ["u"]


def test_an_owner_is_recognised_in_any_version_of_its_group() -> None:
    assert is_kind(Owner("example.com/v1beta1", "Widget"), WIDGET)
    assert not is_kind(Owner("other.com/v1", "Widget"), WIDGET)
    assert not is_kind(Owner("v1", "Widget"), WIDGET)
    assert is_kind(Owner("v1", "Pod"), POD)


def test_versions_are_numbers_or_nothing() -> None:
    assert (version_number("17"), version_number(""), version_number("a-1")) == (17, 0, 0)


class Wakes(list[Any]):
    def __call__(self, key: Key, after_s: float = 0.0, priority: int = USER, why: str = "") -> None:
        self.append((key, priority, why))


def test_the_root_wakes_itself_deletions_first_and_old_objects_last() -> None:
    store, wakes = Store(WIDGET), Wakes()
    connect_root(store, wakes)
    store.replace({A: Widget(Metadata("a", "ns", "u", "1"))}, {}, 1)
    store.put(A, Widget(Metadata("a", "ns", "u", "2")), 2)
    store.put(A, Widget(Metadata("a", "ns", "u", "3", deletion_timestamp="now")), 3)
    store.drop(A, 4)
    assert [priority for _, priority, _ in wakes] == [BACKGROUND, USER, DELETION, DELETION]
    assert {key for key, _, _ in wakes} == {A}


def owned(rv: int, owner: str, **more: Any) -> ConfigMap:
    reference = ViewOwner("example.com/v1", "Widget", owner, f"uid-{owner}", controller=True)
    return ConfigMap(Metadata("child", "ns", "c", str(rv), owner_references=(reference,)), **more)


def test_a_child_wakes_its_old_and_its_new_owner() -> None:
    store, wakes = Store(CONFIG_MAP), Wakes()
    owns(store).connect(WIDGET, wakes)
    child = Key("ns", "child")
    store.replace({}, {}, 1)
    store.put(child, owned(2, "a"), 2)
    store.put(child, owned(3, "b"), 3)
    assert [key.name for key, _, _ in wakes[:1]] == ["a"]
    assert {key.name for key, _, _ in wakes[1:]} == {"a", "b"}
    assert {why for _, _, why in wakes} == {"configmaps"}


def test_a_mapped_source_wakes_what_it_says() -> None:
    store, wakes = Store(CONFIG_MAP), Wakes()
    mapped(store, lambda view: [Key("ns", name) for name in view.data]).connect(None, wakes)
    store.put(A, ConfigMap(Metadata("a", "ns", "u", "1"), {"x": "", "y": ""}), 1)
    assert {key.name for key, _, _ in wakes} == {"x", "y"}
    with pytest.raises(ValueError, match="owns"):
        owns(store).connect(None, wakes)


def test_a_mapping_that_fails_on_one_object_wakes_for_the_others() -> None:
    store, wakes = Store(CONFIG_MAP), Wakes()
    mapped(store, lambda view: [Key("ns", view.data["to"])]).connect(None, wakes)
    for name, data in (("bad", {}), ("good", {"to": "x"})):
        store.put(Key("ns", name), ConfigMap(Metadata(name, "ns", name, "1"), data), 1)
    assert [key.name for key, _, _ in wakes] == ["x"]
