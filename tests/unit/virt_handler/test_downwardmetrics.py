"""A guest asks for metrics of its host, floods its port, and reads them from its disk."""

from __future__ import annotations

import fcntl
import math
import os
import stat
import struct
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import anyio
import anyio.lowlevel
import msgspec
import pytest
import yaml
from anyio.abc import ByteStream

from kubevirt_py.plan import Key
from kubevirt_py.render.downwardmetrics import REFUSAL, disk_writes
from kubevirt_py.render.machine import Attachments, Facts, machine_from_vmi
from kubevirt_py.virt_handler import downwardmetrics
from kubevirt_py.virt_handler.downwardmetrics import DownwardMetrics, host_metrics, make_disk
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.records import Folder

SPEC = yaml.safe_load("{domain: {memory: {guest: 64Mi}, cpu: {cores: 2}, devices: {downwardMetrics: {}}}}")


def hosted(folder: Path, spec: dict[str, Any]) -> Hosted:
    machine = machine_from_vmi("default_vm", "uid", spec, Facts(kvm=False), Attachments())
    parts = SimpleNamespace(
        record=SimpleNamespace(machine=machine, pid=os.getpid()),
        folder=SimpleNamespace(path=folder, socket=lambda name: str(folder / name)),
        key=Key("default", "vm"),
        vmi=lambda: SimpleNamespace(status={"nodeName": "node<1>"}),
    )
    return cast("Hosted", parts)


async def test_a_request_is_answered_and_another_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downwardmetrics, "LEAST_S", 0.02)
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


class Endless:
    """A guest that never stops writing: each look finds as much as it takes."""

    def __init__(self, words: bytes) -> None:
        self.words = words
        self.looks = 0
        self.answers = 0

    async def receive(self, max_bytes: int = 65536) -> bytes:
        self.looks += 1
        await anyio.lowlevel.checkpoint()
        return (self.words * max_bytes)[:max_bytes]

    async def send(self, item: bytes) -> None:
        self.answers += 1


@pytest.mark.parametrize("words", [b"x", b"\n", b"x\n", b"GET /metrics/XML\n\n", b"\0\xff\n"])
async def test_cve_2024_31420_a_flood_waits_in_the_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    """However much comes and whatever it is, one look is all it gets before the pause: here a pause without end."""
    monkeypatch.setattr(downwardmetrics, "LEAST_S", math.inf)
    guest = Endless(words)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(DownwardMetrics(hosted(tmp_path, SPEC))._serve, cast("ByteStream", guest))
        with anyio.fail_after(20):
            await anyio.wait_all_tasks_blocked()
            while words.startswith(b"GET") and not guest.answers:  # a thread reads the host's tables
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
        assert (guest.looks, guest.answers <= 1) == (1, True)
        tasks.cancel_scope.cancel()


async def test_cve_2024_31420_a_guest_that_floods_and_never_reads_takes_nothing_from_another(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        ends = []
        for name in ("hostile", "honest"):
            (tmp_path / name).mkdir()
            listener = await anyio.create_unix_listener(tmp_path / name / "downward-metrics")
            await stack.enter_async_context(listener)
            tasks.start_soon(DownwardMetrics(hosted(tmp_path / name, SPEC)).run)
            with anyio.fail_after(20):
                ends.append(await stack.enter_async_context(await listener.accept()))
        hostile, honest = ends

        async def flood() -> None:
            while True:
                await hostile.send(b"GET /metrics/XML\n\n" * 4096)

        tasks.start_soon(flood)
        with anyio.fail_after(20):
            for _ in range(3):
                await honest.send(b"GET /metrics/XML\n\n")
                text = b""
                while not text.endswith(b"\n\n"):
                    text += await honest.receive()
        tasks.cancel_scope.cancel()


def look(path: Path) -> tuple[bytes, bool, bytes]:
    """The signature, whether what was read is whole, and the body: as a reader of vhostmd's disks takes them."""
    data = path.read_bytes()
    assert len(data) == 256 << 10
    signature, busy, checksum, length = struct.unpack_from(">4siii", data)
    body = data[16 : 16 + length]
    return signature, busy == 0 and checksum == sum(body), body


def on_disk(path: Path) -> ElementTree.Element:
    """The metrics of a disk that nobody writes to now."""
    signature, whole, body = look(path)
    assert (signature, whole) == (b"mvbd", True)
    return ElementTree.fromstring(body)


def is_filled(path: Path) -> bool:
    """Whether there are metrics; a reader that came while they were written comes again."""
    _, whole, body = look(path)
    return whole and len(ElementTree.fromstring(body)) > 0


async def test_the_disk_is_written_anew_and_only_by_us(tmp_path: Path) -> None:
    spec = yaml.safe_load("{domain: {memory: {guest: 64Mi}, devices: {}}}")
    reader = make_disk(cast("Folder", SimpleNamespace(path=tmp_path)))
    disk = tmp_path / "downward-metrics.img"
    try:
        assert stat.S_IMODE(disk.stat().st_mode) == 0o600
        assert fcntl.fcntl(reader, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        assert len(on_disk(disk)) == 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(DownwardMetrics(hosted(tmp_path, spec)).run)
            with anyio.fail_after(20):
                while not is_filled(disk):
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        names = [metric.findtext("name") for metric in on_disk(disk)]
        assert os.pread(reader, 256 << 10, 0) == disk.read_bytes()
        assert "HostName" in names and names.count("TotalCPUTime") == 2
    finally:
        os.close(reader)


def test_a_disk_is_marked_while_it_is_written() -> None:
    writes = disk_writes("<metrics/>")
    assert [offset for offset, _ in writes] == [0, 16, 0]
    assert [data[4:8] for offset, data in writes if not offset] == [b"\0\0\0\1", bytes(4)]
    with pytest.raises(ValueError, match="do not fit"):
        disk_writes("x" * (256 << 10))


async def test_a_guest_with_neither_has_nobody_waiting(tmp_path: Path) -> None:
    spec = {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}}
    with anyio.fail_after(5):
        await DownwardMetrics(hosted(tmp_path, spec)).run()


def test_the_host_is_read_from_its_own_tables() -> None:
    found = host_metrics("n")
    assert found.memory_kib["MemTotal"] > found.memory_kib["MemFree"] > 0
    assert found.cpu_time_s > 0
    assert msgspec.structs.asdict(found)["name"] == "n"
