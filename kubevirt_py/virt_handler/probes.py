"""Probes that the kubelet runs by way of the stub and that the agent in the guest answers.

Which program runs is read from the VMI, not taken from the caller. What cannot be known fails a readiness probe and
passes a liveness probe: no evidence is no evidence of death.
"""

from __future__ import annotations

import msgspec

from kubevirt_py.decide.guest_state import DUMPING, IO_ERROR, PAUSED, PRELAUNCH, SUSPENDED
from kubevirt_py.plan import Document
from kubevirt_py.virt_handler import guestcommands
from kubevirt_py.virt_handler.guest import Guest
from kubevirt_py.virt_handler.guestagent import AgentError, AgentSilent

LIVENESS = "livenessProbe"
READINESS = "readinessProbe"
OUTPUT_CHARACTERS = 4096
STILL = {
    PRELAUNCH: "the guest has not begun",
    PAUSED: "the guest is paused",
    IO_ERROR: "the guest is paused, for one of its disks failed",
    DUMPING: "the guest stands still while its memory is dumped",
    SUSPENDED: "the guest sleeps",
}
"""Why a guest in this state of QEMU answers nobody."""


def unknown(name: str, why: str) -> Document:
    """The answer when there is no evidence."""
    return {"code": 0 if name == LIVENESS else 1, "output": why}


async def answer(guest: Guest, name: str) -> Document:
    """The outcome of one of a VMI's probes: {"code": 0 for success, "output": text}."""
    vmi = guest.hosted.vmi()
    probe = msgspec.json.decode(vmi.spec).get(name) if vmi is not None and name in (LIVENESS, READINESS) else None
    if not probe:
        return unknown(name, "the VMI has no such probe, or is not known yet")
    if still := STILL.get(guest.run_state):
        return unknown(name, still)
    deadline_s = float(probe.get("timeoutSeconds") or 1)
    try:
        if "guestAgentPing" in probe:
            await guestcommands.ping(guest.channel, deadline_s)
            return {"code": 0, "output": ""}
        if guest.freezer.frozen:
            return unknown(name, "the guest is frozen and runs no programs")
        result = await guestcommands.run(guest.channel, probe["exec"]["command"], deadline_s)
    except AgentError as error:
        if guest.freezer.frozen:
            # A frozen guest's agent does answer, but not while it freezes or thaws.
            return unknown(name, f"the guest is being frozen or thawed: {error}")
        if isinstance(error, AgentSilent) and guest.channel.busy:
            return unknown(name, f"the guest's agent is at other work of ours: {error}")
        return {"code": 1, "output": f"the guest agent: {error}"}
    text = (result.output + result.errors).decode(errors="replace")
    return {"code": min(result.code, 255), "output": text[:OUTPUT_CHARACTERS]}
