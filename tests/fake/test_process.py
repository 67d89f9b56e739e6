"""A manager as a process: its web server, its metrics, its signals. On real time and real sockets."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import anyio

from kubevirt_py.kube.errors import Forbidden
from kubevirt_py.reconcile import LeaseSpec, Manager
from kubevirt_py.reconcile.testing import FakeApi, Fault, settle
from tests.behaviour.kinds import WIDGET
from tests.behaviour.manager import make_two

ANY_PORT = ("127.0.0.1", 0, None)

METRICS = """
workqueue_depth workqueue_adds_total workqueue_queue_duration_seconds_bucket workqueue_work_duration_seconds_bucket
workqueue_retries_total workqueue_unfinished_work_seconds workqueue_longest_running_processor_seconds
reconcile_total decide_errors_total stale_reads_total storms_total writes_per_reconcile_bucket
store_objects store_resource_version store_unreadable store_relists_total store_undecodable_total
events_dropped_total event_loop_lag_seconds virt_x_leading_status virt_x_ready_status
""".split()


class Probe:
    """Asks the web server of a manager."""

    def __init__(self, manager: Manager, session: aiohttp.ClientSession) -> None:
        self._manager = manager
        self._session = session

    async def get(self, path: str) -> tuple[int, str]:
        async with self._session.get(f"http://127.0.0.1:{self._manager.port}{path}") as response:
            return response.status, await response.text()


@asynccontextmanager
async def probed(manager: Manager, lease: LeaseSpec | None = None) -> AsyncIterator[Probe]:
    async with anyio.create_task_group() as group, aiohttp.ClientSession() as session:
        group.start_soon(partial(manager.serve, lease=lease, http=ANY_PORT))
        with anyio.fail_after(10):
            await manager.listening.wait()
        yield Probe(manager, session)
        manager.stop()


async def test_health_readiness_leadership() -> None:
    manager = Manager(FakeApi(), name="us", health=lambda: {"config-resource-version": 42})
    make_two(manager, "ns")
    async with probed(manager, LeaseSpec("ns", "us", "me")) as probe:
        await settle(manager, within_s=0)
        assert await probe.get("/healthz") == (200, '{"apiserver":{"connectivity":"ok"},"config-resource-version":42}')
        assert await probe.get("/readyz") == (200, '{"ready":true,"waitingFor":[]}')
        assert await probe.get("/leader") == (200, '{"apiserver":{"leader":"true"}}')
        assert (await probe.get("/other"))[0] == 404


async def test_not_ready_names_the_store_and_its_trouble() -> None:
    api = FakeApi()
    api.fail(Fault("watch", WIDGET, error=Forbidden(403, "Forbidden", "no widgets for you"), times=1000))
    manager = Manager(api, name="us")
    manager.store(WIDGET)
    async with probed(manager) as probe:
        with anyio.fail_after(10):
            await api.faulted.wait()
            await anyio.wait_all_tasks_blocked()
        status, body = await probe.get("/readyz")
        assert status == 503 and "widgets.example.com" in body and "no widgets for you" in body
        assert (await probe.get("/healthz"))[0] == 200
        assert (await probe.get("/leader"))[1] == '{"apiserver":{"leader":"false"}}'


async def test_every_series_is_there_from_the_start() -> None:
    manager = Manager(FakeApi(), name="virt-x", metrics_prefix="team_")
    make_two(manager, "ns")
    async with probed(manager) as probe:
        await settle(manager, within_s=0)
        _, text = await probe.get("/metrics")
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert {f"team_{name}" for name in METRICS} <= names
    for result in ("success", "stale", "refused"):
        assert f'team_reconcile_total{{controller="make-two",result="{result}"}} 0.0' in text
    assert 'team_store_objects{kind="configmaps"} 0.0' in text
    assert "team_virt_x_leading_status 1.0" in text


async def test_a_signal_is_the_orderly_end() -> None:
    api = FakeApi()
    manager = Manager(api, name="us")
    make_two(manager, "ns")
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(partial(manager.run, lease=LeaseSpec("ns", "us", "me")))
            await settle(manager, within_s=0)
            os.kill(os.getpid(), signal.SIGTERM)
    assert not manager.leading
    assert [write.verb for write in api.writes][-1] == "json_patch", "the lease is given back"
