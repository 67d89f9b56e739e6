"""Controllers against the fake API server: failures, priorities, storms, crashes, leadership, shutdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from kubevirt_py.kube.errors import ApiError, Forbidden, Throttled, Unreachable
from kubevirt_py.plan import Create, Event, Failure, Key, MergePatch, Plan
from kubevirt_py.reconcile import EVERYTHING, LeaseLost, LeaseSpec, Manager, Terminal, mapped, ticker
from kubevirt_py.reconcile.events import EVENT
from kubevirt_py.reconcile.lease import LEASE
from kubevirt_py.reconcile.storm import HOLD_S, LIMIT
from kubevirt_py.reconcile.testing import (
    FakeApi,
    Fault,
    Server,
    contents,
    crash_sweep,
    running,
    settle,
    virtual_now,
)
from tests.behaviour.kinds import CONFIG_MAP, GADGET, WIDGET, Widget, config_map, widget
from tests.behaviour.manager import make_two

pytestmark = pytest.mark.looptime

A = Key("ns", "a")


def sample(manager: Manager, metric: str, /, **labels: str) -> float:
    """The value of a metric."""
    value = manager.metrics.registry.get_sample_value(metric, labels)
    assert value is not None, f"no sample {metric} {labels}"
    return value


def looking_at(
    manager: Manager, decide: Callable[[tuple[Widget, Failure | None]], Plan], name: str = "c", **more: Any
) -> None:
    """A controller of widgets that decides on the widget and the last failure."""
    widgets = manager.store(WIDGET)
    manager.add(name, root=widgets, decide=decide, snapshot=lambda key, failure: (widgets[key], failure), **more)


async def test_a_refusal_reaches_the_next_plan_and_is_tried_again() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    refused = Forbidden(403, "Forbidden", "exceeded quota")
    api.fail(Fault("create", CONFIG_MAP, error=refused, times=3))
    failures: list[str] = []
    child = Create(CONFIG_MAP, config_map(Key("ns", "child"), {}))

    def decide(seen: tuple[Widget, Failure | None]) -> Plan:
        root, failure = seen
        failures.append(failure.message if failure else "")
        phase = "Blocked" if failure else "Ready"
        patch = () if root.status.phase == phase else (MergePatch(WIDGET, A, {"status": {"phase": phase}}, "status"),)
        made = Key("ns", "child") in api.server.shelf(CONFIG_MAP).objects
        return Plan((*patch, child) if failure or not made else patch)

    looking_at(manager, decide)
    api.server.create(WIDGET, "ns", widget(A))
    async with running(manager):
        await settle(manager, within_s=60)
    assert "exceeded quota" in failures and failures[-1] == ""
    assert api.server.get(WIDGET, A)["status"] == {"phase": "Ready"}
    assert sample(manager, "kubevirt_reconcile_total", controller="c", result="refused") == 3
    assert sample(manager, "kubevirt_workqueue_retries_total", name="c") == 3


async def test_a_refusal_that_is_only_reported_is_tried_again_with_backoff() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    api.fail(Fault("create", CONFIG_MAP, error=Forbidden(403, "Forbidden", "exceeded quota"), times=1000))
    child = Create(CONFIG_MAP, config_map(Key("ns", "child"), {}))
    looking_at(manager, lambda seen: Plan() if seen[1] else Plan((child,)))
    api.server.create(WIDGET, "ns", widget(A))
    async with running(manager):
        await anyio.sleep(60)
    refused = sample(manager, "kubevirt_reconcile_total", controller="c", result="refused")
    assert 3 <= refused <= 20


async def test_a_bug_in_decide_is_counted_and_hurts_nobody_else() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    good = Key("ns", "good")

    def decide(seen: tuple[Widget, Failure | None]) -> Plan:
        root, _ = seen
        if root.metadata.name == "a" and root.spec.size == 1:
            raise ZeroDivisionError
        ready = root.status.phase == "Ready"
        key = Key("ns", root.metadata.name)
        return Plan() if ready else Plan((MergePatch(WIDGET, key, {"status": {"phase": "Ready"}}, "status"),))

    looking_at(manager, decide)
    for key in (A, good):
        api.server.create(WIDGET, "ns", widget(key))
    async with running(manager):
        await anyio.sleep(30)
        assert api.server.get(WIDGET, good)["status"] == {"phase": "Ready"}
        errors = sample(manager, "kubevirt_decide_errors_total", controller="c")
        assert 5 <= errors <= 25, "it is tried again, ever more rarely"
        api.server.merge_patch(WIDGET, A, {"spec": {"size": 2}}, subresource="")
        await settle(manager)
        assert api.server.get(WIDGET, A)["status"] == {"phase": "Ready"}


async def test_throttling_is_obeyed_exactly() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    api.fail(Fault("create", CONFIG_MAP, error=Throttled(429, "TooManyRequests", "slow", (), 17.0)))
    tried: list[float] = []

    def decide(_seen: tuple[Widget, Failure | None]) -> Plan:
        tried.append(anyio.current_time())
        return Plan((Create(CONFIG_MAP, config_map(Key("ns", "child"), {})),)) if len(tried) < 3 else Plan()

    looking_at(manager, decide)
    api.server.create(WIDGET, "ns", widget(A))
    async with running(manager):
        await settle(manager, within_s=20)
    assert tried[1] - tried[0] == pytest.approx(17.0, abs=0.1)
    assert sample(manager, "kubevirt_workqueue_retries_total", name="c") == 0


async def test_again_and_the_hourly_look() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    looks: list[float] = []

    def decide(_seen: tuple[Widget, Failure | None]) -> Plan:
        looks.append(anyio.current_time())
        return Plan(again_s=10 if len(looks) < 3 else None)

    looking_at(manager, decide)
    api.server.create(WIDGET, "ns", widget(A))
    async with running(manager):
        await anyio.sleep(25)
        assert [round(look - looks[0]) for look in looks] == [0, 10, 20]
        await anyio.sleep(4000)
        assert len(looks) == 4


async def test_a_users_edit_overtakes_the_first_fill() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    order: list[str] = []

    async def reconcile(key: Key) -> None:
        order.append(key.name)
        await anyio.sleep(1)

    manager.add_reconciler("slow", root=manager.store(WIDGET), reconcile=reconcile, workers=1)
    for number in range(20):
        api.server.create(WIDGET, "ns", widget(Key("ns", f"n{number:02}")))
    async with running(manager):
        await anyio.sleep(3.5)
        api.server.merge_patch(WIDGET, Key("ns", "n15"), {"spec": {"size": 2}}, subresource="")
        await settle(manager)
    assert order.index("n15") == 4
    assert sorted(order) == [f"n{number:02}" for number in range(20)]


async def test_a_key_that_wakes_itself_is_held_back() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    looks: list[float] = []

    def decide(_seen: tuple[Widget, Failure | None]) -> Plan:
        looks.append(anyio.current_time())
        return Plan(again_s=0.02)

    looking_at(manager, decide)
    api.server.create(WIDGET, "ns", widget(A))
    async with running(manager):
        await anyio.sleep(LIMIT * 0.02 + 3 * HOLD_S)
    assert LIMIT <= len(looks) <= LIMIT + 6
    assert looks[-1] - looks[-2] == pytest.approx(HOLD_S, abs=0.2)
    assert sample(manager, "kubevirt_storms_total", controller="c") == 1


async def test_giving_up_waits_for_a_change() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    runs: list[Key] = []

    async def reconcile(key: Key) -> None:
        runs.append(key)
        raise Terminal("this cannot work")

    manager.add_reconciler("c", root=manager.store(WIDGET), reconcile=reconcile)
    api.server.create(WIDGET, "ns", widget(A))
    async with running(manager):
        await anyio.sleep(600)
        assert len(runs) == 1
        api.server.merge_patch(WIDGET, A, {"spec": {"size": 2}}, subresource="")
        await settle(manager)
    assert len(runs) == 2


async def test_an_imperative_reconciler_hears_of_what_is_gone() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    widgets = manager.store(WIDGET)
    seen: list[bool] = []

    async def reconcile(key: Key) -> None:
        seen.append(widgets.get(key) is not None)

    manager.add_reconciler("c", root=widgets, reconcile=reconcile)
    api.server.create(WIDGET, "ns", widget(A))
    async with running(manager):
        await settle(manager)
        api.server.delete(WIDGET, A)
        await settle(manager)
    assert seen == [True, False]


async def test_without_a_root_the_one_key_runs_at_start_by_clock_and_by_sources() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    runs: list[Key] = []

    async def reconcile(key: Key) -> None:
        runs.append(key)

    wake = [ticker(30), mapped(manager.store(WIDGET), lambda _view: [EVERYTHING])]
    manager.add_reconciler("c", root=None, reconcile=reconcile, wake=wake)
    async with running(manager):
        await anyio.sleep(65)
        assert runs == [EVERYTHING] * 3
        api.server.create(WIDGET, "ns", widget(A))
        await settle(manager)
        manager.queue("c").wake(A)
        await settle(manager)
    assert runs == [EVERYTHING] * 4 + [A]


async def test_a_run_that_hangs_is_ended() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    runs: list[Key] = []

    async def reconcile(key: Key) -> None:
        runs.append(key)
        if len(runs) == 1:
            await anyio.sleep_forever()

    manager.add_reconciler("c", root=manager.store(WIDGET), reconcile=reconcile)
    api.server.create(WIDGET, "ns", widget(A))
    async with running(manager):
        await anyio.sleep(62)
    assert len(runs) == 2
    assert sample(manager, "kubevirt_reconcile_total", controller="c", result="timeout") == 1


async def test_events_follow_success_only_and_do_not_repeat_for_nothing() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    about = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "ns", "name": "child", "uid": "u"}
    api.fail(Fault("create", CONFIG_MAP, error=ApiError(500, "InternalError", "no")))
    made = Key("ns", "child")

    def decide(_seen: tuple[Widget, Failure | None]) -> Plan:
        if made in api.server.shelf(CONFIG_MAP).objects:
            return Plan()
        return Plan((Create(CONFIG_MAP, config_map(made, {})),), (Event(about, "Made", "a child"),))

    looking_at(manager, decide)
    api.server.create(WIDGET, "ns", widget(A))
    async with running(manager):
        await settle(manager, within_s=5)
    (event,) = api.server.shelf(EVENT).objects.values()
    assert (event["reason"], event["reportingController"], "series" in event) == ("Made", "us", False)


# Whole lives


async def live(user: FakeApi, settled: Callable[[], Any]) -> None:
    """A user makes, changes and removes widgets."""
    one, two = Key("ns", "one"), Key("ns", "two")
    await user.create(WIDGET, "ns", widget(one, size=1))
    await settled()
    await user.create(WIDGET, "ns", widget(two, size=2))
    await user.delete(CONFIG_MAP, Key("ns", "one-1"))
    await settled()
    await user.delete(WIDGET, one)
    await settled()


async def test_killed_at_any_write_the_end_is_the_same() -> None:
    def build(api: FakeApi) -> Manager:
        manager = Manager(api, name="make-two", clock=virtual_now)
        make_two(manager, "ns")
        return manager

    def outcome(server: Server) -> tuple[Any, int]:
        return contents(server, WIDGET, CONFIG_MAP), server.created["configmaps", "ns"]

    writes = await crash_sweep(Server, build, live, outcome)
    assert writes == 12


async def test_a_bad_network_changes_nothing_either() -> None:
    server = Server()
    api = FakeApi(server, watch_lag_s=0.5)
    for number, error in enumerate((Unreachable("reset"), ApiError(500, "InternalError", "etcd"), Unreachable("x"))):
        api.fail(Fault("create", error=error, after_commit=number != 1, skip=number))
    api.fail(Fault("merge_patch", error=Unreachable("reset"), after_commit=True))
    api.fail(Fault("json_patch", error=Unreachable("reset"), after_commit=True, times=2))
    api.fail(Fault("delete", error=Unreachable("reset"), after_commit=True))
    manager = Manager(api, name="make-two", clock=virtual_now)
    make_two(manager, "ns")
    async with running(manager):
        await live(FakeApi(server), lambda: settle(manager, within_s=10))
    assert server.created["configmaps", "ns"] == 5, "two for each, and one again that the user removed"
    assert sorted(key.name for key in server.shelf(CONFIG_MAP).objects) == ["two-1", "two-2"]


async def test_an_idle_controller_writes_nothing() -> None:
    api = FakeApi()
    manager = Manager(api, name="make-two", clock=virtual_now)
    make_two(manager, "ns")
    for number in range(20):
        api.server.create(WIDGET, "ns", widget(Key("ns", f"w{number}")))
    async with running(manager):
        await settle(manager)
        before = len(api.writes)
        assert before == 20 * 4
        await anyio.sleep(4_000)
        assert len(api.writes) == before
        api.cut_watches()
        api.server.compact(WIDGET)
        await settle(manager)
    assert len(api.writes) == before


# Leading


def spec(identity: str) -> LeaseSpec:
    return LeaseSpec("ns", "us", identity)


async def test_a_leader_that_loses_its_lease_stops_writing_and_ends() -> None:
    server = Server()
    api = FakeApi(server)
    manager = Manager(api, name="make-two", clock=virtual_now)
    make_two(manager, "ns")

    async def trouble() -> None:
        await anyio.sleep(5)
        server.merge_patch(LEASE, Key("ns", "us"), {"spec": {"holderIdentity": "thief"}}, subresource="")
        await anyio.sleep(3)
        server.create(WIDGET, "ns", widget(A))

    with pytest.raises(ExceptionGroup) as ended:
        async with anyio.create_task_group() as group:
            group.start_soon(trouble)
            await manager.serve(lease=spec("one"))
    assert ended.group_contains(LeaseLost, depth=None)
    assert not manager.leading
    assert server.get(LEASE, Key("ns", "us"))["spec"]["holderIdentity"] == "thief", "a lost lease is not given back"
    assert all(write.kind == LEASE for write in api.writes)


async def test_a_standby_is_warm_and_idle() -> None:
    server = Server()
    leader, standby = (Manager(FakeApi(server), name="make-two", clock=virtual_now) for _ in range(2))
    for manager in (leader, standby):
        make_two(manager, "ns")
    server.create(WIDGET, "ns", widget(A))
    async with running(leader, lease=spec("one")):
        await settle(leader)
        async with running(standby, lease=spec("two")):
            await anyio.sleep(60)
            assert (leader.leading, standby.leading) == (True, False)
            assert all(store.synced for store in standby.stores)
            assert standby.queue("make-two").queue.depth == 1
            assert all(write.kind != CONFIG_MAP for write in standby.api.writes)  # type: ignore[attr-defined]


# The end


async def test_stopping_lets_runs_finish_and_gives_the_lease_back() -> None:
    server = Server()
    manager = Manager(FakeApi(server), name="us", clock=virtual_now)
    finished: list[Key] = []

    async def reconcile(key: Key) -> None:
        await anyio.sleep(10)
        finished.append(key)

    manager.add_reconciler("c", root=manager.store(WIDGET), reconcile=reconcile, workers=1)
    for name in ("a", "b"):
        server.create(WIDGET, "ns", widget(Key("ns", name)))
    async with running(manager, lease=spec("one")):
        await anyio.sleep(5)
        manager.stop()
    assert finished == [A], "the one that ran, and no other"
    assert server.get(LEASE, Key("ns", "us"))["spec"]["holderIdentity"] == ""


async def test_stopping_does_not_wait_for_ever() -> None:
    manager = Manager(FakeApi(), name="us", clock=virtual_now)
    manager.add_reconciler("c", root=None, reconcile=lambda _key: anyio.sleep(50), deadline_s=60)
    async with running(manager):
        await anyio.sleep(1)
        start = anyio.current_time()
        manager.stop()
    assert 24 < anyio.current_time() - start < 30


async def test_stopping_before_the_stores_are_filled() -> None:
    api = FakeApi()
    api.fail(Fault("watch", error=Unreachable("down"), times=1000))
    manager = Manager(api, name="us", clock=virtual_now)
    manager.store(WIDGET)
    async with running(manager):
        await anyio.sleep(10)
    assert not manager.leading


async def test_events_are_sent_before_the_end() -> None:
    api = FakeApi()
    manager = Manager(api, name="us", clock=virtual_now)
    async with running(manager):
        await anyio.sleep(1)
        about = {"apiVersion": "v1", "kind": "Node", "name": "node1", "uid": "n"}
        for number in range(5):
            manager.emit(Event(about, "Late", str(number)))
    assert len(api.server.shelf(EVENT).objects) == 5


def test_wiring_mistakes_are_said() -> None:
    manager = Manager(FakeApi(), name="us")
    assert manager.store(GADGET) is manager.store(GADGET)
    assert manager.store(GADGET) is not manager.store(GADGET, namespace="ns")
    looking_at(manager, lambda _seen: Plan())
    with pytest.raises(ValueError, match="already a controller named c"):
        looking_at(manager, lambda _seen: Plan())
