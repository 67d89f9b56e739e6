"""Dedicated CPUs, real time, huge pages and NUMA cells, with a real QEMU: where its threads and its memory are."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubevirt_py.render.machine import Attachments, DiskFile, Facts, Machine, argv, machine_from_vmi
from kubevirt_py.render.machine.pinning import Pins
from kubevirt_py.virt_handler import hostcpus, qmp
from kubevirt_py.virt_handler.descriptors import listening
from tests.host.agentlab import needs_qemu
from tests.host.hugepages import huge_pages

CPUS = sorted(os.sched_getaffinity(0))
pytestmark = [needs_qemu, pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")]

UID = "0a1b2c3d-0000-4000-8000-000000000002"
SPEC = {
    "domain": {
        "cpu": {
            "cores": 1,
            "dedicatedCpuPlacement": True,
            "isolateEmulatorThread": True,
            "realtime": {},
            "numa": {"guestMappingPassthrough": {}},
        },
        "ioThreadsPolicy": "shared",
        "memory": {"guest": "64Mi", "hugepages": {"pageSize": "2Mi"}},
        "devices": {
            "autoattachGraphicsDevice": False,
            "autoattachSerialConsole": False,
            "disks": [{"name": "root", "disk": {"bus": "virtio"}}],
        },
    }
}


@pytest.fixture
def machine() -> Machine:
    files = Attachments(disks={"root": DiskFile(format="raw", size_bytes=1 << 20)})
    return machine_from_vmi("default_vm", UID, SPEC, Facts(kvm=False, cells={0: tuple(CPUS[:2])}), files)


@pytest.fixture
def qemu(machine: Machine, tmp_path: Path) -> Iterator[int]:
    """Its process; the monitor listens at `qmp`."""
    (tmp_path / "root").write_bytes(bytes(1 << 20))
    fds = {name: listening(str(tmp_path / name)) for name in ("qmp", "agent")}
    fds["disk.root"] = os.open(tmp_path / "root", os.O_RDWR)
    line = [re.sub(r"@fd:([\w.]+)@", lambda match: str(fds[match[1]]), arg) for arg in argv(machine)]
    with huge_pages(32), subprocess.Popen(line, pass_fds=tuple(fds.values())) as process:
        for fd in fds.values():
            os.close(fd)
        yield process.pid
        process.kill()


def threads_of(pid: int) -> set[int]:
    return {int(thread) for thread in os.listdir(f"/proc/{pid}/task")}


def memory_of(pid: int) -> str:
    return Path(f"/proc/{pid}/numa_maps").read_text()


async def test_threads_and_memory_are_where_they_belong(machine: Machine, qemu: int, tmp_path: Path) -> None:
    first, second = CPUS[:2]
    pins = Pins(vcpus=(first,), emulator=(second,), io_threads={"pool0": second}, realtime=(0,))
    assert machine.pins == pins
    async with qmp.monitor(str(tmp_path / "qmp"), lambda *_: None) as session:
        await hostcpus.pin(session, qemu, pins)
        (vcpu,) = (one["thread-id"] for one in await session.execute("query-cpus-fast"))
        (served,) = (one["thread-id"] for one in await session.execute("query-iothreads"))
        (cell,) = await session.execute("query-memdev")
    others = threads_of(qemu) - {vcpu}
    assert os.sched_getaffinity(vcpu) == {first}
    assert os.sched_getscheduler(vcpu) == os.SCHED_FIFO
    assert served in others
    assert {frozenset(os.sched_getaffinity(thread)) for thread in others} == {frozenset({second})}
    assert {os.sched_getscheduler(thread) for thread in others} == {os.SCHED_OTHER}
    assert (cell["size"], cell["prealloc"]) == (64 << 20, True)
    assert re.search(r"/memfd:memory-backend-memfd\S* huge .*N0=32 kernelpagesize_kB=2048", memory_of(qemu))
