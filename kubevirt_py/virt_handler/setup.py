"""What a QEMU that was just started still lacks, and what an agent that connects may have missed."""

from __future__ import annotations

import os
from pathlib import Path

import anyio.to_thread

from kubevirt_py.decide.guest_state import lacking
from kubevirt_py.render.machine import Machine
from kubevirt_py.render.machine.cpu import Cpu
from kubevirt_py.virt_handler.descriptors import listening
from kubevirt_py.virt_handler.hostcpus import pin
from kubevirt_py.virt_handler.qmp import Session
from kubevirt_py.virt_handler.records import Folder, Record

AGENT_CHARDEV = "agent"


async def set_up(session: Session, record: Record, folder: Folder) -> bool:
    """Finish the machine if nobody has yet; returns whether the agent in the guest has its port open.

    Raises MonitorGone and MonitorError as the session does; what was done already may be done again.
    """
    if not record.ready and record.machine is not None:
        if record.machine.pins is not None:
            await pin(session, record.pid, record.machine.pins)
        await _finish(session, record.machine, folder)
        if missing := await _missing(session, record.machine.cpu):
            record.outcome = lacking(missing)
        board = str(await session.execute("qom-get", {"path": "/machine", "property": "type"}))
        record.machine_type = board.removesuffix("-machine")
        record.selinux_context = await anyio.to_thread.run_sync(selinux_context, record.pid)
        record.ready = True
        folder.save(record)
    chardevs = await session.execute("query-chardev")
    return any(one.get("label") == AGENT_CHARDEV and one.get("frontend-open") for one in chardevs)


def selinux_context(pid: int) -> str:
    """The SELinux context of a process; empty where the node does not use SELinux."""
    if not Path("/sys/fs/selinux/enforce").exists():
        return ""
    try:
        return Path(f"/proc/{pid}/attr/current").read_text().rstrip("\0\n")[:256]
    except OSError:
        return ""


async def _missing(session: Session, cpu: Cpu) -> set[str]:
    """Required features that QEMU left out, for it only warns of them: KVM may withhold what the node promised."""
    if not cpu.required:
        return set()
    (first, *_) = await session.execute("query-cpus-fast")
    left_out = await session.execute("qom-get", {"path": first["qom-path"], "property": "unavailable-features"})
    return set(left_out).intersection(cpu.required)


async def _finish(session: Session, machine: Machine, folder: Folder) -> None:
    """What can be said over QMP only: VNC's listening socket, links that start down, how often the balloon reports."""
    if machine.graphics is not None:
        fd = listening(folder.socket("vnc"))
        try:
            await session.pass_descriptor("vnc-listen", fd)
        finally:
            os.close(fd)
        address = {"type": "fd", "str": "vnc-listen"}
        await session.execute("display-update", {"type": "vnc", "addresses": [address]})
    if machine.devices.balloon is not None and machine.devices.balloon_stats_s:
        period = {"property": "guest-stats-polling-interval", "value": machine.devices.balloon_stats_s}
        await session.execute("qom-set", {"path": "/machine/peripheral/balloon0", **period})
    for nic in machine.nics:
        if not nic.link_up:
            await session.execute("set_link", {"name": f"nic.{nic.name}", "up": False})
