"""Leader election, on virtual time."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest

from kubevirt_py.kube.errors import Unreachable
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile.lease import LEASE, Election, LeaseLost, LeaseSpec
from kubevirt_py.reconcile.testing import FakeApi, Fault, Server, virtual_now

pytestmark = pytest.mark.looptime

KEY = Key("ns", "virt-x")


def election(server: Server, identity: str) -> tuple[Election, FakeApi]:
    api = FakeApi(server)
    return Election(api, LeaseSpec("ns", "virt-x", identity), virtual_now), api


def stored(server: Server) -> Document:
    spec: Document = server.get(LEASE, KEY)["spec"]
    return spec


@pytest.mark.parametrize("times", [{"duration_s": 10}, {"renew_s": 2.0}, {"renew_s": 2.3, "retry_s": 2.0}])
async def test_unsafe_times_are_refused(times: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"duration > renew > 1\.2 x retry"):
        LeaseSpec("ns", "virt-x", "me", **times)


async def test_the_first_takes_it_and_keeps_it() -> None:
    server = Server()
    one, _ = election(server, "one")
    await one.acquire()
    assert one.held()
    before = stored(server)
    with anyio.move_on_after(100):
        await one.keep()
    assert one.held()
    after = stored(server)
    assert after["renewTime"] > before["renewTime"]
    assert (after["acquireTime"], after["leaseTransitions"]) == (before["acquireTime"], 0)


async def test_another_waits_for_the_whole_duration_by_its_own_clock() -> None:
    server = Server()
    one, _ = election(server, "one")
    two, _ = election(server, "two")
    await one.acquire()
    await anyio.sleep(60)
    start = anyio.current_time()
    with anyio.fail_after(30):
        await two.acquire()
    assert 15 <= anyio.current_time() - start <= 18, "the record was old, but had only just been seen"
    assert (stored(server)["holderIdentity"], stored(server)["leaseTransitions"]) == ("two", 1)
    assert not one.held()


async def test_never_two_at_once() -> None:
    server = Server()
    elections = [election(server, name)[0] for name in ("one", "two", "three")]
    holders: list[int] = []

    async def live(mine: Election) -> None:
        while True:
            await mine.acquire()
            with anyio.move_on_after(7):
                await mine.keep()
            # Silent for a while, as a frozen process would be; then the next one gets its turn.
            await anyio.sleep(20)

    async with anyio.create_task_group() as group:
        for mine in elections:
            group.start_soon(live, mine)
        for _ in range(3000):
            await anyio.sleep(0.1)
            holders.append(sum(mine.held() for mine in elections))
        group.cancel_scope.cancel()
    assert max(holders) == 1
    assert server.get(LEASE, KEY)["spec"]["leaseTransitions"] >= 3


async def test_a_released_lease_is_taken_at_once() -> None:
    server = Server()
    one, _ = election(server, "one")
    two, _ = election(server, "two")
    await one.acquire()
    await one.release()
    assert not one.held()
    start = anyio.current_time()
    await two.acquire()
    assert anyio.current_time() - start < 1


async def test_an_api_server_that_is_away_too_long_costs_the_lease() -> None:
    one, api = election(Server(), "one")
    await one.acquire()
    start = anyio.current_time()
    api.fail(Fault("json_patch", LEASE, error=Unreachable("down"), times=99))
    api.fail(Fault("get", LEASE, error=Unreachable("down"), times=99))
    with pytest.raises(LeaseLost):
        await one.keep()
    assert 10 <= anyio.current_time() - start <= 13
    assert not one.held()


async def test_a_call_that_hangs_is_given_up_and_the_fence_falls_in_time() -> None:
    one, api = election(Server(), "one")
    await one.acquire()
    start = anyio.current_time()
    api.fail(Fault("json_patch", LEASE, delay_s=1000, times=99))
    with pytest.raises(LeaseLost):
        await one.keep()
    assert anyio.current_time() - start <= 15
    assert not one.held()


async def test_a_short_outage_is_survived_and_so_is_a_lost_answer() -> None:
    one, api = election(Server(), "one")
    await one.acquire()
    api.fail(Fault("json_patch", LEASE, error=Unreachable("reset"), after_commit=True))
    api.fail(Fault("json_patch", LEASE, error=Unreachable("down"), times=2, skip=2))
    with anyio.move_on_after(60):
        await one.keep()
    assert one.held()


async def test_a_lease_taken_by_force_is_lost() -> None:
    server = Server()
    one, _ = election(server, "one")
    await one.acquire()
    server.merge_patch(LEASE, KEY, {"spec": {"holderIdentity": "thief"}}, subresource="")
    with pytest.raises(LeaseLost), anyio.fail_after(5):
        await one.keep()


async def test_the_record_is_what_other_tools_expect() -> None:
    server = Server()
    one, _ = election(server, "one")
    await one.acquire()
    lease = msgspec.convert(server.get(LEASE, KEY), LEASE.view)
    assert lease.spec.holder_identity == "one" and lease.spec.lease_duration_seconds == 15
    assert lease.spec.acquire_time is not None and lease.spec.acquire_time.endswith("Z")
