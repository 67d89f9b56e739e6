"""Gives a guest metrics of its host: on its port of the channel controller when it asks, on its disk every few seconds.

The guest is hostile: of its port little is read at a time and seldom, however much it sends, and its disk is a file
of ours that QEMU may only read.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread

from kubevirt_py.render.downwardmetrics import (
    DISK_BYTES,
    NOTHING,
    REFUSAL,
    REQUEST,
    GuestMetrics,
    HostMetrics,
    disk_writes,
    metrics_xml,
)
from kubevirt_py.render.machine.devices import METRICS
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.records import Folder

MAX_REQUEST = 256
LEAST_S = 0.2
"""Between two looks at the port."""
SEND_S = 5.0
AGAIN_S = 2.0
REFRESH_S = 5.0
"""Between two writes of the disk, as upstream."""
DISK = "downward-metrics.img"

log = logging.getLogger(__name__)


def make_disk(folder: Folder) -> int:
    """Make a guest's disk of metrics anew; returns a descriptor that can only read. Nobody else may open the file."""
    path = folder.path / DISK
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, DISK_BYTES)
        _write(fd, NOTHING)
    finally:
        os.close(fd)
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _write(fd: int, xml: str) -> None:
    for offset, data in disk_writes(xml):
        os.pwrite(fd, data, offset)


class DownwardMetrics:
    """One guest's port and disk, as far as it has them."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted

    async def run(self) -> None:
        """Serve until cancelled; return at once for a guest that has neither."""
        machine = self._hosted.record.machine
        async with anyio.create_task_group() as tasks:
            if machine is not None and machine.devices.downward_metrics:
                tasks.start_soon(self._follow_port)
            if (self._hosted.folder.path / DISK).exists():
                tasks.start_soon(self._follow_disk)

    async def _follow_port(self) -> None:
        while True:
            try:
                async with await anyio.connect_unix(self._hosted.folder.socket(METRICS)) as stream:
                    await self._serve(stream)
            except (
                OSError,
                TimeoutError,
                anyio.EndOfStream,
                anyio.ClosedResourceError,
                anyio.BrokenResourceError,
            ) as error:
                log.info("the port of metrics", extra={"vmi": str(self._hosted.key), "error": repr(error)})
            await anyio.sleep(AGAIN_S)

    async def _follow_disk(self) -> None:
        while True:
            try:
                await anyio.to_thread.run_sync(self._refresh)
            except OSError as error:
                log.warning("the disk of metrics", extra={"vmi": str(self._hosted.key), "error": repr(error)})
            await anyio.sleep(REFRESH_S)

    async def _serve(self, stream: anyio.abc.ByteStream) -> None:
        """What a guest sends faster than this reads waits in the guest."""
        asked = b""
        while True:
            asked = (asked + await stream.receive(MAX_REQUEST))[-MAX_REQUEST:]
            *lines, asked = asked.split(b"\n")
            requests = [line.decode(errors="replace").strip() for line in lines if line.strip()]
            if requests:
                known = requests[-1] == REQUEST
                answer = f"{await anyio.to_thread.run_sync(self._report)}\n\n" if known else REFUSAL
                with anyio.fail_after(SEND_S):
                    await stream.send(answer.encode())
            await anyio.sleep(LEAST_S)

    def _refresh(self) -> None:
        fd = os.open(self._hosted.folder.path / DISK, os.O_RDWR | os.O_CLOEXEC)
        try:
            _write(fd, self._report())
        finally:
            os.close(fd)

    def _report(self) -> str:
        record, vmi = self._hosted.record, self._hosted.vmi()
        assert record.machine is not None
        name = str(vmi.status.get("nodeName") or "") if vmi is not None else ""
        memory = record.machine.memory.current_kib
        guest = GuestMetrics(
            cpus=record.machine.cpu.count,
            cpu_time_s=process_seconds(record.pid),
            memory_kib=memory,
            limit_kib=memory,
        )
        return metrics_xml(host_metrics(name), guest)


def host_metrics(name: str, proc: Path = Path("/proc")) -> HostMetrics:
    """This host now."""
    busy = (proc / "stat").read_text().split("\n", 1)[0].split()[1:9]
    idle = sum(map(int, busy[3:5]))
    return HostMetrics(
        name=name,
        cpus=os.cpu_count() or 1,
        time_s=int(time.time()),
        cpu_time_s=(sum(map(int, busy)) - idle) / os.sysconf("SC_CLK_TCK"),
        memory_kib=_table(proc / "meminfo"),
        pages=_table(proc / "vmstat"),
    )


def process_seconds(pid: int, proc: Path = Path("/proc")) -> float:
    """CPU time that a process has used. Raises OSError when it is gone."""
    fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _table(path: Path) -> dict[str, int]:
    """`name: number ...` or `name number`, a line each."""
    rows = (line.replace(":", " ").split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
