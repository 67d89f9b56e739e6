"""The writer: order, no-ops, who owns what, what a refusal means, and reading what was written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from kubevirt_py.kube.errors import ApiError, Throttled, Unreachable
from kubevirt_py.plan import Action, Apply, Create, Delete, JsonPatch, Key, Kind, MergePatch, Plan, Require
from kubevirt_py.reconcile.floors import SETTLE_S, Floors
from kubevirt_py.reconcile.store import Selection, Store
from kubevirt_py.reconcile.testing import FakeApi, Fault
from kubevirt_py.reconcile.watcher import Watcher
from kubevirt_py.reconcile.writer import Fenced, Refused, Stale, Writer
from tests.behaviour.kinds import CONFIG_MAP, WIDGET, config_map, widget

pytestmark = pytest.mark.looptime

ROOT, CHILD = Key("ns", "root"), Key("ns", "child")


class Bench:
    """A writer with stores that follow the server."""

    def __init__(self, *selections: tuple[Kind[Any], Selection], lag_s: float = 0.0) -> None:
        self.api = FakeApi(watch_lag_s=lag_s)
        self.stores = [Store(kind, selection) for kind, selection in selections]
        self.may_write = True
        self.floors = Floors(self.of)
        self.writer = Writer(self.api, manager="us", stores=self.of, floors=self.floors, fence=lambda: self.may_write)

    def of(self, kind: Kind[Any]) -> list[Store[Any]]:
        return [store for store in self.stores if store.kind == kind]

    async def run(self, *actions: Action) -> int:
        return await self.writer.run(ROOT, Plan(actions))


@asynccontextmanager
async def bench(*selections: tuple[Kind[Any], Selection], lag_s: float = 0.0) -> AsyncIterator[Bench]:
    it = Bench(*selections, lag_s=lag_s)
    async with anyio.create_task_group() as group:
        for store in it.stores:
            group.start_soon(Watcher(it.api, store).run)
            await store.wait_synced()
        yield it
        group.cancel_scope.cancel()


ALL = Selection()


def child(data: str = "1", **metadata: Any) -> dict[str, Any]:
    return config_map(CHILD, {"a": data}, **metadata)


async def test_actions_run_in_order_and_stop_at_the_first_refusal() -> None:
    async with bench() as it:
        it.api.fail(Fault("merge_patch", error=ApiError(500, "InternalError", "webhook is away")))
        patch = MergePatch(CONFIG_MAP, CHILD, {"data": {"a": "2"}})
        with pytest.raises(Refused) as refused:
            await it.run(Create(CONFIG_MAP, child()), patch, Delete(CONFIG_MAP, CHILD, "uid-1"))
        failure = refused.value.failure
        assert (failure.action, failure.status, failure.message) == (patch, 500, "webhook is away")
        assert [write.verb for write in it.api.writes] == ["create"]
        assert CHILD in it.api.server.shelf(CONFIG_MAP).objects


async def test_what_a_plan_requires_must_be_there_and_is_no_write() -> None:
    async with bench() as it:
        needs = Require(CONFIG_MAP, Key("ns", "needed"))
        with pytest.raises(Refused) as refused:
            await it.run(needs, Create(CONFIG_MAP, child()))
        assert (refused.value.failure.action, refused.value.failure.status) == (needs, 404)
        assert it.api.writes == []
        it.api.server.create(CONFIG_MAP, "ns", config_map(Key("ns", "needed"), {}))
        assert await it.run(needs, Create(CONFIG_MAP, child())) == 1


async def test_nothing_is_sent_for_nothing() -> None:
    async with bench((CONFIG_MAP, ALL)) as it:
        empty: tuple[Action, ...] = (JsonPatch(CONFIG_MAP, CHILD, ()), MergePatch(CONFIG_MAP, CHILD, {}))
        assert await it.run(*empty) == 0
        apply, patch = Apply(CONFIG_MAP, child()), MergePatch(CONFIG_MAP, CHILD, {"data": {"b": "1"}})
        assert await it.run(apply) == 1
        await it.floors.settled(ROOT)
        assert await it.run(apply) == 0
        assert await it.run(patch) == 1
        await it.floors.settled(ROOT)
        assert await it.run(patch) == 0
        it.api.server.merge_patch(CONFIG_MAP, CHILD, {"data": {"a": "changed by another"}}, subresource="")
        await anyio.sleep(1)
        assert await it.run(apply) == 1, "the object moved: it is applied again"
        it.writer.forget(ROOT)
        await it.floors.settled(ROOT)
        assert await it.run(apply) == 1


async def test_a_create_that_meets_its_own_object_is_a_success() -> None:
    async with bench() as it:
        owner = it.api.server.create(WIDGET, "ns", widget(ROOT))
        uid = owner["metadata"]["uid"]
        reference = [{"apiVersion": "example.com/v1", "kind": "Widget", "name": "root", "uid": uid, "controller": True}]
        action = Create(CONFIG_MAP, child(ownerReferences=reference), owner_uid=uid)
        assert await it.run(action) == await it.run(action) == 1
        with pytest.raises(Refused, match="AlreadyExists"):
            await it.run(Create(CONFIG_MAP, child(), owner_uid="another"))
        with pytest.raises(Refused, match="AlreadyExists"):
            await it.run(Create(CONFIG_MAP, child()))


async def test_a_delete_of_what_is_gone_or_replaced_is_a_success() -> None:
    async with bench((CONFIG_MAP, ALL)) as it:
        assert await it.run(Delete(CONFIG_MAP, CHILD, "uid-9")) == 1
        it.api.server.create(CONFIG_MAP, "ns", child())
        assert await it.run(Delete(CONFIG_MAP, CHILD, "uid-9")) == 1
        assert CHILD in it.api.server.shelf(CONFIG_MAP).objects
        assert await it.floors.settled(ROOT)


async def test_a_failed_test_means_look_again() -> None:
    async with bench() as it:
        it.api.server.create(WIDGET, "ns", widget(ROOT))
        with pytest.raises(Stale):
            await it.run(JsonPatch(WIDGET, ROOT, ({"op": "test", "path": "/spec/size", "value": 9},)))
        with pytest.raises(Stale):
            await it.run(MergePatch(WIDGET, CHILD, {"spec": {"size": 1}}))


@pytest.mark.parametrize("error", [Unreachable("down"), Throttled(429, "TooManyRequests", "slow", (), 7.0)])
async def test_no_answer_is_not_a_refusal(error: ApiError) -> None:
    async with bench() as it:
        it.api.fail(Fault("create", error=error))
        with pytest.raises(type(error)):
            await it.run(Create(CONFIG_MAP, child()))


async def test_nothing_is_written_behind_the_fence() -> None:
    async with bench() as it:
        it.may_write = False
        with pytest.raises(Fenced):
            await it.run(Create(CONFIG_MAP, child()))
        assert it.api.writes == []


async def test_cancelling_does_not_tear_a_write() -> None:
    async with bench() as it:
        it.api.fail(Fault("create", delay_s=3))
        with anyio.move_on_after(1):
            await it.run(Create(CONFIG_MAP, child()), Delete(CONFIG_MAP, CHILD, "uid-1"))
        assert [write.verb for write in it.api.writes] == ["create"]


async def test_the_next_look_waits_for_what_was_written() -> None:
    async with bench((CONFIG_MAP, ALL), lag_s=2.0) as it:
        start = anyio.current_time()
        await it.run(Create(CONFIG_MAP, child()))
        assert it.stores[0].get(CHILD) is None
        assert await it.floors.settled(Key("ns", "other")), "other keys are not held up"
        assert it.stores[0].get(CHILD) is None
        assert await it.floors.settled(ROOT)
        made = it.stores[0].get(CHILD)
        assert made is not None
        await it.run(Delete(CONFIG_MAP, CHILD, made.metadata.uid))
        assert await it.floors.settled(ROOT)
        assert it.stores[0].get(CHILD) is None
        assert anyio.current_time() - start < 10


async def test_a_lingering_object_is_waited_for_by_version() -> None:
    async with bench((CONFIG_MAP, ALL), lag_s=1.0) as it:
        it.api.server.create(CONFIG_MAP, "ns", child(finalizers=["example.com/hold"]))
        await anyio.sleep(3)
        view = it.stores[0].get(CHILD)
        assert view is not None
        await it.run(Delete(CONFIG_MAP, CHILD, view.metadata.uid))
        assert await it.floors.settled(ROOT)
        view = it.stores[0].get(CHILD)
        assert view is not None and view.metadata.deletion_timestamp


async def test_what_a_store_does_not_select_is_not_waited_for() -> None:
    selections = (Selection(labels="on=yes"), Selection(namespace="other"), Selection(fields="data.a=9"))
    async with bench(*((CONFIG_MAP, selection) for selection in selections)) as it:
        start = anyio.current_time()
        await it.run(Create(CONFIG_MAP, child()))
        assert await it.floors.settled(ROOT)
        assert anyio.current_time() == start


async def test_what_leaves_a_selection_is_waited_for() -> None:
    async with bench((CONFIG_MAP, Selection(labels="on=yes")), lag_s=1.0) as it:
        it.api.server.create(CONFIG_MAP, "ns", child(labels={"on": "yes"}))
        await anyio.sleep(3)
        await it.run(MergePatch(CONFIG_MAP, CHILD, {"metadata": {"labels": {"on": "no"}}}))
        assert await it.floors.settled(ROOT)
        assert it.stores[0].get(CHILD) is None


async def test_the_wait_is_bounded() -> None:
    async with bench((CONFIG_MAP, ALL), lag_s=60.0) as it:
        start = anyio.current_time()
        await it.run(Create(CONFIG_MAP, child()))
        assert not await it.floors.settled(ROOT)
        assert anyio.current_time() - start == SETTLE_S
        assert await it.floors.settled(ROOT), "and forgotten then"
