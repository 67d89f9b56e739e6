"""A guest asks for metrics of its host."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import anyio
import msgspec
import yaml

from kubevirt_py.plan import Key
from kubevirt_py.render.downwardmetrics import REFUSAL
from kubevirt_py.render.machine import Attachments, Facts, machine_from_vmi
from kubevirt_py.virt_handler.downwardmetrics import DownwardMetrics, host_metrics
from kubevirt_py.virt_handler.hosted import Hosted

SPEC = yaml.safe_load("{domain: {memory: {guest: 64Mi}, cpu: {cores: 2}, devices: {downwardMetrics: {}}}}")


def hosted(folder: Path, spec: dict[str, Any]) -> Hosted:
    machine = machine_from_vmi("default_vm", "uid", spec, Facts(kvm=False), Attachments())
    parts = SimpleNamespace(
        record=SimpleNamespace(machine=machine, pid=os.getpid()),
        folder=SimpleNamespace(socket=lambda name: str(folder / name)),
        key=Key("default", "vm"),
        vmi=lambda: SimpleNamespace(status={"nodeName": "node<1>"}),
    )
    return cast("Hosted", parts)


async def test_a_request_is_answered_and_another_refused(tmp_path: Path) -> None:
    listener = await anyio.create_unix_listener(tmp_path / "downward-metrics")
    async with listener, AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        tasks.start_soon(DownwardMetrics(hosted(tmp_path, SPEC)).run)
        with anyio.fail_after(20):
            guest = await stack.enter_async_context(await listener.accept())
            await guest.send(b"GET /metr")
            await guest.send(b"ics/XML\n\n")
            text = b""
            while not text.endswith(b"\n\n"):
                text += await guest.receive()
            found = {
                (metric.get("context"), metric.findtext("name")): metric.findtext("value")
                for metric in ElementTree.fromstring(text)
            }
            assert found["host", "HostName"] == "node<1>"
            assert found["vm", "ResourceProcessorLimit"] == "2"
            assert found["vm", "ResourceMemoryLimit"] == str(64 << 10)
            assert int(found["host", "FreePhysicalMemory"] or 0) > 0
            await guest.send(b"x" * 5000 + b"\n")
            assert (await guest.receive()).decode().startswith(REFUSAL[:7])
        tasks.cancel_scope.cancel()


async def test_a_guest_without_the_port_has_nobody_waiting(tmp_path: Path) -> None:
    spec = {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}}
    with anyio.fail_after(5):
        await DownwardMetrics(hosted(tmp_path, spec)).run()


def test_the_host_is_read_from_its_own_tables() -> None:
    found = host_metrics("n")
    assert found.memory_kib["MemTotal"] > found.memory_kib["MemFree"] > 0
    assert found.cpu_time_s > 0
    assert msgspec.structs.asdict(found)["name"] == "n"
