"""The store: indexes follow, subscribers hear each difference, waiters wake in time."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevirt_py.plan import Key
from kubevirt_py.reconcile.store import Store
from tests.behaviour.kinds import WIDGET, Metadata, Widget, WidgetSpec

A, B = Key("ns", "a"), Key("ns", "b")


def view(key: Key, rv: int, size: int = 0, uid: str = "") -> Widget:
    meta = Metadata(name=key.name, namespace=key.namespace, uid=uid or f"uid-{key.name}", resource_version=str(rv))
    return Widget(meta, WidgetSpec(size))


def by_size(widget: Widget) -> list[str]:
    return [str(widget.spec.size)]


def test_put_get_drop() -> None:
    store = Store(WIDGET)
    store.put(A, view(A, 5), 5)
    assert (store.get(A), store.rv, len(store), store.synced) == (view(A, 5), 5, 1, False)
    store.drop(A, 6)
    assert (store.get(A), store.rv, store.all()) == (None, 6, ())


def test_the_version_never_goes_back() -> None:
    store = Store(WIDGET)
    store.mark(9)
    store.put(A, view(A, 5), 5)
    assert store.rv == 9


def test_replace_emits_what_changed_while_we_were_blind() -> None:
    store = Store(WIDGET)
    same, old, gone = view(Key("ns", "same"), 1), view(A, 2), view(B, 3)
    store.replace({Key("ns", "same"): same, A: old, B: gone}, {}, 4)
    heard: list[tuple[Widget | None, Widget | None]] = []
    store.subscribe(lambda before, after: heard.append((before, after)))
    new = view(A, 7)
    store.replace({Key("ns", "same"): same, A: new}, {}, 8)
    assert heard == [(gone, None), (old, new)]


def test_an_object_made_again_under_the_same_name_is_a_change() -> None:
    store = Store(WIDGET)
    store.replace({A: view(A, 5, uid="one")}, {}, 5)
    heard: list[tuple[Widget | None, Widget | None]] = []
    store.subscribe(lambda before, after: heard.append((before, after)))
    store.put(A, view(A, 5, uid="two"), 5)
    assert len(heard) == 1


def test_subscribers_can_tell_the_first_fill() -> None:
    store = Store(WIDGET)
    synced: list[bool] = []
    store.subscribe(lambda _old, _new: synced.append(store.synced))
    store.replace({A: view(A, 1)}, {}, 1)
    store.put(B, view(B, 2), 2)
    assert synced == [False, True]


def test_an_unreadable_object_is_absent_with_a_reason() -> None:
    store = Store(WIDGET)
    store.put(A, view(A, 1), 1)
    store.spoil(A, "size is not a number", 2)
    assert (store.get(A), store.unreadable) == (None, {A: "size is not a number"})
    store.put(A, view(A, 3), 3)
    assert store.unreadable == {}


def test_an_index_has_one_meaning() -> None:
    store = Store(WIDGET, indexes={"size": by_size})
    store.add_index("size", by_size)
    with pytest.raises(ValueError, match="another index named size"):
        store.add_index("size", lambda _widget: ["1"])


def test_an_index_added_late_knows_what_was_there() -> None:
    store = Store(WIDGET)
    store.put(A, view(A, 1, size=3), 1)
    store.add_index("size", by_size)
    assert store.by("size", "3") == (view(A, 1, size=3),)


def test_an_index_that_fails_on_one_object_serves_the_others() -> None:
    store = Store(WIDGET, indexes={"inverse": lambda widget: [str(1 / widget.spec.size)]})
    store.put(A, view(A, 1, size=0), 1)
    store.put(B, view(B, 2, size=1), 2)
    assert store.by("inverse", "1.0") == (view(B, 2, size=1),)
    assert len(store) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2) | st.none()), max_size=30))
def test_an_index_always_equals_a_scan(script: list[tuple[str, int | None]]) -> None:
    store = Store(WIDGET, indexes={"size": by_size})
    for rv, (name, size) in enumerate(script, start=1):
        key = Key("ns", name)
        if size is None:
            store.drop(key, rv)
        else:
            store.put(key, view(key, rv, size), rv)
        for wanted in range(3):
            scan = sorted((w for w in store.all() if w.spec.size == wanted), key=lambda w: w.metadata.name)
            assert list(store.by("size", str(wanted))) == scan


@pytest.mark.looptime
async def test_waiters_wake_when_their_version_is_reached() -> None:
    store = Store(WIDGET)
    reached: list[int] = []

    async def wait(rv: int) -> None:
        await store.reached(rv)
        reached.append(rv)

    async with anyio.create_task_group() as group:
        for rv in (7, 3, 5):
            group.start_soon(wait, rv)
        await anyio.sleep(1)
        store.mark(4)
        await anyio.sleep(1)
        assert reached == [3]
        store.put(A, view(A, 8), 8)
    assert sorted(reached) == [3, 5, 7]


@pytest.mark.looptime
async def test_a_departure_is_by_uid() -> None:
    store = Store(WIDGET)
    store.put(A, view(A, 1, uid="one"), 1)
    await store.without(A, "another")
    with anyio.move_on_after(1) as scope:
        await store.without(A, "one")
    assert scope.cancelled_caught
    async with anyio.create_task_group() as group:
        group.start_soon(store.without, A, "one")
        await anyio.sleep(1)
        store.put(A, view(A, 2, uid="two"), 2)
