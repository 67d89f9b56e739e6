"""Following a guest's agent: it is heard of at once, and cannot keep the node busy by coming and going."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketStream

from kubevirt_py.virt_handler import agentwatch
from kubevirt_py.virt_handler.agentwatch import AgentWatch
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.records import Folder, Record
from tests.unit.virt_handler.agents import HONEST, agent, answering

UID = "0a1b2c3d-1111-4222-8333-444455556666"


class _Home:
    def __init__(self) -> None:
        self.changes = 0

    def changed(self, *_: Any) -> None:
        self.changes += 1


async def _set_up(_: Any) -> None:
    return


async def test_an_agent_that_comes_and_goes_costs_a_few_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agentwatch, "CALM_S", (0.0, 60.0))
    home, asked = _Home(), []

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        asked.append(request["execute"])
        await answering(HONEST)(stream, request)

    record = Record(namespace="default", name="vm", uid=UID, pod_uid="pod", pid=1, started=1)
    hosted = Hosted(record, Folder(tmp_path, UID), -1, home)  # type: ignore[arg-type]
    monitor = Monitor(hosted, _set_up)
    async with agent(tmp_path / "a", speak) as channel, anyio.create_task_group() as tasks:
        watch = AgentWatch(hosted, monitor, channel)
        tasks.start_soon(watch.run)
        appearance = watch.appearance
        while not monitor._listeners:
            await anyio.lowlevel.checkpoint()
        monitor._on_event("VSERPORT_CHANGE", {"id": "channel0", "open": True})
        with anyio.fail_after(10):
            await appearance.wait()
        assert watch.connected
        for number in range(200):
            monitor._on_event("VSERPORT_CHANGE", {"id": "channel0", "open": bool(number % 2)})
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert asked.count("guest-info") <= 2
        assert home.changes <= 3
        tasks.cancel_scope.cancel()


async def test_an_agent_that_is_back_is_there_though_it_is_not_asked_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agentwatch, "CALM_S", (0.0, 0.0, 3600.0))
    home = _Home()
    record = Record(namespace="default", name="vm", uid=UID, pod_uid="pod", pid=1, started=1)
    hosted = Hosted(record, Folder(tmp_path, UID), -1, home)  # type: ignore[arg-type]
    monitor = Monitor(hosted, _set_up)
    async with agent(tmp_path / "a", answering(HONEST)) as channel, anyio.create_task_group() as tasks:
        watch = AgentWatch(hosted, monitor, channel)
        tasks.start_soon(watch.run)
        while not monitor._listeners:
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        for is_open in (True, False):
            monitor._on_event("VSERPORT_CHANGE", {"id": "channel0", "open": is_open})
            with anyio.fail_after(10):
                while watch.connected is not is_open:
                    await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        told = home.changes
        for _ in range(100):
            for is_open in (True, False, True):
                monitor._on_event("VSERPORT_CHANGE", {"id": "channel0", "open": is_open})
        assert watch.connected
        assert home.changes == told + 1
        tasks.cancel_scope.cancel()


async def test_an_agent_that_was_too_busy_to_answer_is_asked_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agentwatch, "AGAIN_S", 0.01)
    record = Record(namespace="default", name="vm", uid=UID, pod_uid="pod", pid=1, started=1)
    hosted = Hosted(record, Folder(tmp_path, UID), -1, _Home())  # type: ignore[arg-type]
    monitor = Monitor(hosted, _set_up)
    asked = []

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        asked.append(request["execute"])
        if request["execute"] == "guest-info" and asked.count("guest-info") == 1:
            await stream.aclose()
        else:
            await answering(HONEST)(stream, request)

    async with agent(tmp_path / "a", speak) as channel, anyio.create_task_group() as tasks:
        watch = AgentWatch(hosted, monitor, channel)
        tasks.start_soon(watch.run)
        while not monitor._listeners:
            await anyio.lowlevel.checkpoint()
        monitor._on_event("VSERPORT_CHANGE", {"id": "channel0", "open": True})
        with anyio.fail_after(10):
            while watch.info is None:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
