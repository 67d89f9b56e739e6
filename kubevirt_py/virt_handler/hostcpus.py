"""Dedicated CPUs and locked memory on the host: what a pod has for itself, and QEMU's threads put on it."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from pathlib import Path

import anyio.to_thread

from kubevirt_py.render.machine.pinning import Pins, cpu_list
from kubevirt_py.virt_handler.qmp import Session

_NODES = Path("/sys/devices/system/node")
_REALTIME_PRIORITY = 1


def own_cells(pid: int, proc: Path = Path("/proc"), nodes: Path = _NODES) -> dict[int, tuple[int, ...]]:
    """The CPUs that a process may run on, by NUMA node of the host, those of one core side by side, as the threads of a
    guest's core are. Empty when they are all there are: then the kubelet gave it none of its own. Raises OSError when
    the process is gone.
    """
    lines = dict(line.split(":", 1) for line in (proc / str(pid) / "status").read_text().splitlines() if ":" in line)
    allowed = set(cpu_list(lines["Cpus_allowed_list"]))
    found, everything = {}, set()
    for folder in nodes.glob("node[0-9]*"):
        numbers = cpu_list((folder / "cpulist").read_text())
        everything |= set(numbers)
        if mine := [number for number in numbers if number in allowed]:
            found[int(folder.name.removeprefix("node"))] = tuple(sorted(mine, key=lambda number: _core(folder, number)))
    return found if everything - allowed else {}


def _core(node: Path, number: int) -> tuple[int, int]:
    """Sorts a CPU beside those that share its core; by its number alone where the kernel does not tell."""
    try:
        return min(cpu_list((node / f"cpu{number}/topology/thread_siblings_list").read_text())), number
    except (OSError, ValueError):
        return number, number


def host_threads(pid: int, proc: Path = Path("/proc")) -> dict[int, int]:
    """The host's ids of a process's threads by their ids inside its pod, which are the ones QEMU knows."""
    found = {}
    for task in (proc / str(pid) / "task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("NSpid:"):
                found[int(line.split()[-1])] = int(task.name)
    return found


def allow_locking(pid: int) -> None:
    """Let a process lock all of its memory, which its pod may not grant itself. Raises OSError when it is gone."""
    resource.prlimit(pid, resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


async def pin(session: Session, pid: int, pins: Pins) -> None:
    """Put each thread where it belongs, before the guest runs. Raises MonitorGone, MonitorError and OSError."""
    cpus = {int(one["cpu-index"]): int(one["thread-id"]) for one in await session.execute("query-cpus-fast")}
    threads = {str(one["id"]): int(one["thread-id"]) for one in await session.execute("query-iothreads")}
    await anyio.to_thread.run_sync(_place, pid, pins, cpus, threads)


def _place(pid: int, pins: Pins, cpus: Mapping[int, int], threads: Mapping[str, int]) -> None:
    ids = host_threads(pid)
    wanted = {ids[thread]: {pins.vcpus[index]} for index, thread in cpus.items() if index < len(pins.vcpus)}
    wanted |= {ids[threads[name]]: {cpu} for name, cpu in pins.io_threads.items() if name in threads}
    for thread in ids.values():
        os.sched_setaffinity(thread, wanted.get(thread, set(pins.emulator)))
    for index in pins.realtime:
        if index in cpus:
            os.sched_setscheduler(ids[cpus[index]], os.SCHED_FIFO, os.sched_param(_REALTIME_PRIORITY))
