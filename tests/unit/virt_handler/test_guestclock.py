"""The clock of a guest that runs on after a pause."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from anyio.abc import SocketStream

from kubevirt_py.api.views import HostedInstance
from kubevirt_py.virt_handler import guestclock, guestcommands
from kubevirt_py.virt_handler.agentwatch import AgentWatch
from kubevirt_py.virt_handler.guestclock import GuestClock
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.records import Folder, Record
from tests.unit.virt_handler.agents import agent, answering

UID = "0a1b2c3d-1111-4222-8333-444455556666"


class _Home:
    def __init__(self, spec: dict[str, Any]) -> None:
        self.shown = HostedInstance(spec=msgspec.Raw(msgspec.json.encode(spec)))

    def vmi(self, *_: Any) -> HostedInstance:
        return self.shown


@pytest.mark.parametrize("offset_s", [0, 86400])
async def test_it_is_set_once_the_agent_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset_s: int) -> None:
    monkeypatch.setattr(guestclock, "AGAIN_S", 0.01)
    monkeypatch.setattr(guestcommands, "SET_TIME_S", 0.05)
    set_to: list[int] = []
    told = anyio.Event()

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        if request["execute"] == "guest-set-time":
            set_to.append(request["arguments"]["time"])
            if len(set_to) == 1:
                return  # it only begins to run
            told.set()
        await answering({"guest-set-time": {}})(stream, request)

    record = Record(namespace="default", name="vm", uid=UID, pod_uid="pod", pid=1, started=1)
    spec = {"domain": {"clock": {"utc": {"offsetSeconds": offset_s}}}}
    hosted = Hosted(record, Folder(tmp_path, UID), -1, _Home(spec))  # type: ignore[arg-type]

    async def set_up(_: Any) -> None:
        return

    monitor = Monitor(hosted, set_up)
    async with agent(tmp_path / "a", speak) as channel, anyio.create_task_group() as tasks:
        watch = AgentWatch(hosted, monitor, channel)
        tasks.start_soon(GuestClock(hosted, monitor, channel, watch).run)
        await anyio.wait_all_tasks_blocked()
        monitor._on_event("RESUME", {})  # a guest that begins has no agent yet
        await anyio.wait_all_tasks_blocked()
        assert set_to == []
        watch.connected = True
        monitor._on_event("RESUME", {})
        with anyio.fail_after(10):
            await told.wait()
        tasks.cancel_scope.cancel()
    assert set_to[-1] / 1e9 == pytest.approx(time.time() + offset_s, abs=5)
