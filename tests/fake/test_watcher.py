"""Watcher and store against faults: whatever goes wrong, in the end they hold what the server holds."""

from __future__ import annotations

from random import Random

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubevirt_py.kube.errors import ApiError, Forbidden, NotFound, Throttled, Unreachable
from kubevirt_py.plan import Key
from kubevirt_py.reconcile.store import Selection, Store
from kubevirt_py.reconcile.testing import FakeApi, Fault, Server
from kubevirt_py.reconcile.watcher import INACTIVITY_S, Watcher
from tests.behaviour.kinds import WIDGET, Widget, widget

pytestmark = pytest.mark.looptime

A = Key("ns", "a")


def held(store: Store[Widget]) -> dict[Key, tuple[str, int]]:
    return {key: (w.metadata.resource_version, w.spec.size) for key in store.keys() if (w := store.get(key))}


def true_state(server: Server) -> dict[Key, tuple[str, int]]:
    objects = server.shelf(WIDGET).objects
    return {key: (o["metadata"]["resourceVersion"], o["spec"]["size"]) for key, o in objects.items()}


def make(server: Server, name: str, size: int = 1, **metadata: object) -> None:
    server.create(WIDGET, "ns", widget(Key("ns", name), size, **metadata))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("abcd"), st.integers(0, 5)),
        st.tuples(st.just("delete"), st.sampled_from("abcd")),
        st.tuples(st.sampled_from(["cut", "compact", "expire pages", "wait"])),
        st.tuples(st.just("fault"), st.sampled_from(["list", "watch"]), st.sampled_from(["500", "429", "reset"])),
    ),
    max_size=25,
)

ERRORS: dict[str, ApiError] = {
    "500": ApiError(500, "InternalError", "etcd is away"),
    "429": Throttled(429, "TooManyRequests", "slow down", (), 3.0),
    "reset": Unreachable("connection reset"),
}


@pytest.mark.parametrize("watch_list", [True, False], ids=["streamed", "listed"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=STEPS)
async def test_the_store_ends_up_equal_to_the_server(watch_list: bool, script: list[tuple[object, ...]]) -> None:
    server = Server()
    api = FakeApi(server, watch_list=watch_list)
    store = Store(WIDGET)
    told: dict[Key, Widget] = {}

    def listen(old: Widget | None, new: Widget | None) -> None:
        key = Key("ns", (new or old or Widget()).metadata.name)
        assert told.get(key) == old, "every difference is told once"
        if new is None:
            del told[key]
        else:
            told[key] = new

    store.subscribe(listen)
    async with anyio.create_task_group() as group:
        group.start_soon(Watcher(api, store, random=Random(1)).run)
        for step in script:
            await play(server, api, step)
        await anyio.sleep(200)
        assert held(store) == true_state(server)
        assert set(told) == set(store.keys())
        group.cancel_scope.cancel()


async def play(server: Server, api: FakeApi, step: tuple[object, ...]) -> None:
    match step:
        case ("write", str(name), int(size)):
            try:
                server.merge_patch(WIDGET, Key("ns", name), {"spec": {"size": size}}, subresource="")
            except NotFound:
                make(server, name, size)
        case ("delete", str(name)):
            if Key("ns", name) in server.shelf(WIDGET).objects:
                server.delete(WIDGET, Key("ns", name))
        case ("cut",):
            api.cut_watches()
        case ("compact",):
            server.compact(WIDGET)
        case ("expire pages",):
            api.expire_pages()
        case ("wait",):
            await anyio.sleep(20)
        case ("fault", "list" | "watch" as verb, str(error)):
            api.fail(Fault(verb, error=ERRORS[error]))
    await anyio.sleep(0.01)


async def test_a_silent_peer_is_noticed() -> None:
    """A watch that neither speaks nor ends is given up; what happened meanwhile is not lost."""
    server = Server()
    api = FakeApi(server)
    api.fail(Fault("watch", delay_s=100_000, skip=1))
    store = Store(WIDGET)
    async with anyio.create_task_group() as group:
        group.start_soon(Watcher(api, store).run)
        await anyio.sleep(1)
        assert store.synced
        api.cut_watches()  # it reconnects into the silent one
        await anyio.sleep(5)
        make(server, "a")
        await anyio.sleep(INACTIVITY_S - 10)
        assert store.get(A) is None
        await anyio.sleep(20)
        assert store.get(A) is not None
        group.cancel_scope.cancel()


async def test_bookmarks_move_a_quiet_store_along() -> None:
    server = Server()
    store = Store(WIDGET, Selection(labels="on=yes"))
    async with anyio.create_task_group() as group:
        group.start_soon(Watcher(FakeApi(server), store).run)
        await anyio.sleep(1)
        make(server, "a")
        await anyio.sleep(70)
        assert store.rv == server.rv
        group.cancel_scope.cancel()


@pytest.mark.parametrize("watch_list", [True, False])
async def test_one_bad_object_does_not_hide_the_others_nor_relist_for_ever(watch_list: bool) -> None:
    server = Server()
    api = FakeApi(server, watch_list=watch_list)
    make(server, "good")
    store, relists = Store(WIDGET), []
    async with anyio.create_task_group() as group:
        group.start_soon(Watcher(api, store, relisted=lambda: relists.append(1)).run)
        await anyio.sleep(1)
        make(server, "a")
        await anyio.sleep(1)
        server.merge_patch(WIDGET, A, {"spec": {"size": "many"}}, subresource="")
        await anyio.sleep(60)
        assert store.get(A) is None and "size" in store.unreadable[A]
        assert len(relists) == 2
        server.merge_patch(WIDGET, A, {"spec": {"size": "too many"}}, subresource="")
        server.merge_patch(WIDGET, Key("ns", "good"), {"spec": {"size": 7}}, subresource="")
        await anyio.sleep(60)
        good = store.get(Key("ns", "good"))
        assert good is not None and good.spec.size == 7
        assert len(relists) == 2
        server.merge_patch(WIDGET, A, {"spec": {"size": 3}}, subresource="")
        await anyio.sleep(1)
        assert store.get(A) is not None and not store.unreadable
        group.cancel_scope.cancel()


async def test_what_is_forbidden_is_said_and_asked_again() -> None:
    server = Server()
    api = FakeApi(server)
    make(server, "a")
    refused = Forbidden(403, "Forbidden", "widgets is forbidden")
    api.fail(Fault("watch", error=refused, times=3))
    store = Store(WIDGET)
    async with anyio.create_task_group() as group:
        group.start_soon(Watcher(api, store).run)
        await anyio.sleep(0.1)
        assert "forbidden" in store.trouble and not store.synced
        await anyio.sleep(60)
        assert store.trouble == "" and store.synced
        group.cancel_scope.cancel()


async def test_a_long_list_comes_in_pages() -> None:
    server = Server()
    api = FakeApi(server, watch_list=False)
    for number in range(1201):
        make(server, f"n{number}")
    store = Store(WIDGET)
    async with anyio.create_task_group() as group:
        group.start_soon(Watcher(api, store).run)
        await store.wait_synced()
        assert (len(store), api.lists) == (1201, 3)
        group.cancel_scope.cancel()
