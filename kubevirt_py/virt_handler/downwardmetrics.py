"""Answers a guest that asks for metrics of its host on its port of the channel controller.

The guest is hostile: a request has a greatest length, and there is one answer in a while however often it asks.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread

from kubevirt_py.render.downwardmetrics import REFUSAL, REQUEST, GuestMetrics, HostMetrics, metrics_xml
from kubevirt_py.render.machine.devices import METRICS
from kubevirt_py.virt_handler.hosted import Hosted

MAX_REQUEST = 256
LEAST_S = 0.2
"""Between two answers."""
SEND_S = 5.0
AGAIN_S = 2.0

log = logging.getLogger(__name__)


class DownwardMetrics:
    """One guest's port, if it has one."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted

    async def run(self) -> None:
        """Serve until cancelled; return at once for a guest without the port."""
        machine = self._hosted.record.machine
        if machine is None or not machine.devices.downward_metrics:
            return
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

    async def _serve(self, stream: anyio.abc.SocketStream) -> None:
        asked = b""
        while True:
            asked = (asked + await stream.receive(MAX_REQUEST))[-MAX_REQUEST:]
            *lines, asked = asked.split(b"\n")
            requests = [line.decode(errors="replace").strip() for line in lines if line.strip()]
            if not requests:
                continue
            line = requests[-1]
            answer = await anyio.to_thread.run_sync(self._answer) if line == REQUEST else REFUSAL
            with anyio.fail_after(SEND_S):
                await stream.send(answer.encode())
            await anyio.sleep(LEAST_S)

    def _answer(self) -> str:
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
        return metrics_xml(host_metrics(name), guest) + "\n\n"


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
