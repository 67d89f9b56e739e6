"""virt-controller on a fake API server and virtual time: what it writes, and what is left wherever it is killed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

from kubevirt_py.api.kinds import NETWORK_DEFINITION, POD, VM, VMI
from kubevirt_py.reconcile.testing import FakeApi, crash_sweep, running, settle
from tests.fake import cluster
from tests.fake.cluster import VM_KEY, make_server, patient, summary, vm_document

pytestmark = pytest.mark.looptime

Settle = Callable[[], Awaitable[None]]


async def start(user: FakeApi, settled: Settle) -> None:
    await user.create(VM, "default", vm_document())
    await patient(settled)
    await cluster.bind(user)
    await patient(settled)
    await cluster.run_container(user)
    await cluster.report(user, "Running")
    await patient(settled)


async def start_after_a_refusal(user: FakeApi, settled: Settle) -> None:
    await user.create(VM, "default", vm_document())
    await patient(settled)
    await cluster.bind(user)
    await patient(settled)
    await cluster.refuse(user)
    await patient(settled)
    await cluster.bind(user)
    await patient(settled)
    await cluster.run_container(user)
    await cluster.report(user, "Running")
    await patient(settled)


async def power_off_and_run_again(user: FakeApi, settled: Settle) -> None:
    await start(user, settled)
    await cluster.report(user, "Succeeded")
    await cluster.end_container(user)
    await patient(settled)
    await cluster.bind(user)
    await patient(settled)
    await cluster.run_container(user)
    await cluster.report(user, "Running")
    await patient(settled)


async def stop(user: FakeApi, settled: Settle) -> None:
    await start(user, settled)
    await cluster.set_strategy(user, "Halted")
    await patient(settled)
    await cluster.report(user, "Succeeded")
    await cluster.end_container(user)
    await patient(settled)


async def remove(user: FakeApi, settled: Settle) -> None:
    await start(user, settled)
    await user.delete(VM, VM_KEY)
    await patient(settled)
    await cluster.end_container(user, exit_code=137)
    await patient(settled)


RAN = {
    **{"vm": "Running", "ready": True, "vmi": "Running", "pods": ["Running"], "crowded": []},
    **{"machine": cluster.BOARD, "kept": None},
}
RAN_AGAIN = RAN | {"machine": cluster.VERSION, "kept": cluster.VERSION}
STOPPED = {
    **{"vm": "Stopped", "ready": False, "vmi": None, "pods": [], "crowded": []},
    **{"machine": None, "kept": cluster.VERSION},
}
GONE = {"vm": None, "ready": None, "vmi": None, "pods": [], "crowded": [], "machine": None, "kept": None}


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("scenario", "expected"),
    [(start, RAN), (start_after_a_refusal, RAN), (power_off_and_run_again, RAN_AGAIN), (stop, STOPPED), (remove, GONE)],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_killed_between_any_two_writes_the_end_is_the_same(scenario: object, expected: object) -> None:
    ends = []

    def outcome(server: object) -> object:
        ends.append(summary(server))  # type: ignore[arg-type]
        return ends[-1]

    writes = await crash_sweep(make_server, cluster.controller, scenario, outcome)  # type: ignore[arg-type]
    assert ends[0] == expected
    assert len(ends) == 2 * writes + 1


async def test_a_start_takes_five_writes() -> None:
    server = make_server()
    user, ours = FakeApi(server), FakeApi(server)
    async with running(cluster.controller(ours)) as manager:
        await settle(manager)
        await user.create(VM, "default", vm_document())
        await settle(manager, within_s=0.1)
        await cluster.bind(user)
        await settle(manager, within_s=0.1)
        await cluster.run_container(user)
        before = len(user.writes)
        await cluster.report(user, "Running")
        agents = len(user.writes) - before
        await patient(lambda: settle(manager))
    assert summary(server) == RAN
    assert [(write.verb, write.kind.plural) for write in ours.writes if write.kind.plural != "events"] == [
        ("create", VMI.plural),
        ("create", POD.plural),
        ("json_patch", VMI.plural),
        ("merge_patch", VM.plural),
    ]
    assert len([write for write in ours.writes if write.kind.plural != "events"]) + agents <= 5


async def test_a_machine_waits_for_the_definition_of_its_network() -> None:
    """However long it was missing, its coming is noticed soon."""
    server = make_server()
    user = FakeApi(server)
    interfaces, multus = [{"name": "blue", "bridge": {}}], {"networkName": "blue"}
    domain = {"memory": {"guest": "64M"}, "devices": {"interfaces": interfaces}}
    async with running(cluster.controller(FakeApi(server))) as manager:
        await user.create(VM, "default", vm_document(domain=domain, networks=[{"name": "blue", "multus": multus}]))
        await anyio.sleep(3600)
        assert not server.shelf(POD).objects
        (told,) = [one for one in server.get(VM, VM_KEY)["status"]["conditions"] if one["type"] == "Synchronized"]
        assert (told["status"], told["reason"]) == ("False", "FailedCreate")
        assert told["message"].startswith("Failed to locate network attachment definition default/blue; create it")
        await user.create(NETWORK_DEFINITION, "default", {"metadata": {"name": "blue"}})
        await anyio.sleep(35)
        await cluster.bind(user)
        await patient(lambda: settle(manager))
        conditions = server.get(VMI, VM_KEY)["status"]["conditions"]
        assert "Synchronized" not in {one["type"] for one in conditions}


async def test_an_idle_vm_costs_nothing() -> None:
    server = make_server()
    user, ours = FakeApi(server), FakeApi(server)
    async with running(cluster.controller(ours)) as manager:
        await start(user, lambda: settle(manager))
        before = len(ours.writes)
        for _ in range(20):
            await patient(lambda: settle(manager))
        assert len(ours.writes) == before


async def test_two_controllers_make_one_pod() -> None:
    """A leader that is slow to die beside its successor."""
    server = make_server()
    user, first, second = FakeApi(server), FakeApi(server, watch_lag_s=0.3), FakeApi(server, watch_lag_s=0.3)
    async with running(cluster.controller(first)) as one, running(cluster.controller(second)) as other:
        await start(user, lambda: settle(one))
        await settle(other)
    assert summary(server) == RAN


async def test_dead_guest_of_a_lost_agent_fails_and_is_run_again() -> None:
    server = make_server()
    user, ours = FakeApi(server), FakeApi(server)
    async with running(cluster.controller(ours)) as manager:
        await start(user, lambda: settle(manager))
        await cluster.end_container(user, exit_code=137)
        await settle(manager)
        assert summary(server)["vmi"] == "Running", "the agent has not had its time to report"
        await patient(lambda: settle(manager))
        await patient(lambda: settle(manager))
        assert summary(server) == {
            "vm": "Starting",
            "ready": False,
            "vmi": "Scheduling",
            "pods": ["Pending"],
            "crowded": [],
            "machine": cluster.VERSION,
            "kept": cluster.VERSION,
        }


async def test_guests_that_never_run_are_held_back() -> None:
    server = make_server()
    user, ours = FakeApi(server), FakeApi(server)
    async with running(cluster.controller(ours)) as manager:
        await user.create(VM, "default", vm_document())
        await settle(manager)
        await cluster.bind(user)
        await settle(manager)
        await cluster.report(user, "Failed")
        await cluster.end_container(user, exit_code=1)
        await settle(manager)
        assert summary(server)["vm"] == "CrashLoopBackOff"
        vm = server.get(VM, VM_KEY)
        assert vm["status"]["startFailure"]["consecutiveFailCount"] == 1
        await patient(lambda: settle(manager))
        await patient(lambda: settle(manager))
        await patient(lambda: settle(manager))
        assert summary(server)["vm"] == "Starting"
