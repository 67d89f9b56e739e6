"""What a node agent knows of one guest, as data, and what an end of QEMU means."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from kubevirt_py.api import names
from kubevirt_py.decide import phases
from kubevirt_py.plan import Document
from kubevirt_py.render.machine import Machine
from kubevirt_py.render.network.model import NetworkPlan

# States of QEMU (QMP RunState) that mean something here
PRELAUNCH = "prelaunch"
RUNNING = "running"
PAUSED = "paused"
IO_ERROR = "io-error"
DUMPING = "save-vm"
SHUTDOWN = "shutdown"
SUSPENDED = "suspended"
PANICKED = "guest-panicked"
INTERNAL_ERROR = "internal-error"
WATCHDOG = "watchdog"
"""The watchdog expired and asked for the end: QEMU's own end would leave no word of it."""

CRASHED_STATES = (PANICKED, INTERNAL_ERROR, WATCHDOG)


class Outcome(msgspec.Struct, frozen=True):
    """How a guest ended: the VMI's final phase, and why, for people; `reason` is one word for it, if there is one."""

    phase: str
    text: str
    reason: str = ""

    @property
    def clean(self) -> bool:
        return self.phase == phases.SUCCEEDED


POWERED_OFF = Outcome(phases.SUCCEEDED, "The VirtualMachineInstance was shut down.")
PANIC = Outcome(phases.FAILED, "The VirtualMachineInstance crashed: the guest panicked.", names.GUEST_PANICKED)
BROKEN = Outcome(phases.FAILED, "The VirtualMachineInstance crashed: QEMU met an internal error.")
VANISHED = Outcome(
    phases.FAILED,
    "The VirtualMachineInstance crashed: QEMU ended without a shutdown of the guest; the log of its pod may say why.",
)
FORCED = Outcome(phases.FAILED, "The VirtualMachineInstance was destroyed: the guest did not shut down in time.")
DESTROYED = Outcome(phases.SUCCEEDED, "The VirtualMachineInstance was stopped.")

WATCHED_OFF = Outcome(phases.FAILED, "The VirtualMachineInstance was powered off: its watchdog expired.")


def lacking(features: Collection[str]) -> Outcome:
    """A guest that is not begun, for its CPU would lack features that it requires."""
    missing = ", ".join(sorted(features))
    return Outcome(
        phases.FAILED,
        f"The VirtualMachineInstance cannot run on this node: cpu.features require {missing}, which it lacks.",
    )


_GUEST_REASONS = ("guest-shutdown", "guest-reset", "subsystem-reset", "host-qmp-system-reset")
"""A reset is an end only with rebootPolicy Terminate, whoever wants it."""


def outcome_of_shutdown(data: Mapping[str, Any], quit_outcome: Outcome | None) -> Outcome:
    """What QMP's SHUTDOWN event means. `quit_outcome` is ours when it was we who told QEMU to quit."""
    reason = str(data.get("reason") or "")
    if data.get("guest") and reason == "guest-panic":
        return PANIC
    if data.get("guest") or reason in _GUEST_REASONS:
        return POWERED_OFF
    if reason == "host-qmp-quit" and quit_outcome is not None:
        return quit_outcome
    return Outcome(
        phases.FAILED, f"The VirtualMachineInstance crashed: QEMU was ended ({reason or 'no reason given'})."
    )


def outcome_of_state(run_state: str) -> Outcome | None:
    """What a state of QEMU that stays until we act means, None for a guest that lives."""
    return {SHUTDOWN: POWERED_OFF, PANICKED: PANIC, INTERNAL_ERROR: BROKEN, WATCHDOG: WATCHED_OFF}.get(run_state)


class GuestInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent inside the guest says, cut to size: `os` as status.guestOSInfo, interfaces as QGA's."""

    version: str = ""
    commands: tuple[str, ...] = ()
    hostname: str = ""
    timezone: str = ""
    os: Document = {}
    interfaces: tuple[Document, ...] = ()


class Propagation(msgspec.Struct, frozen=True):
    """What came of setting keys and passwords in the guest; `message` tells what failed."""

    done: bool
    message: str = ""


class MemoryDump(msgspec.Struct, frozen=True, kw_only=True):
    """A dump of the guest's memory into a file of the claim behind `volume`. Times are RFC 3339, empty before them.

    `passed` tells that QEMU has been given the file; `trouble` why a dump that `ended` failed.
    """

    volume: str
    claim: str
    file: str
    started: str
    passed: bool = False
    ended: str = ""
    trouble: str = ""


class Plugged(msgspec.Struct, frozen=True, kw_only=True):
    """What comes and goes while the guest runs.

    `mounted` are volumes whose descriptors, or whose pods, are at hand, `held_volumes` those that QEMU may have.
    `troubles` tell what stands in the way, by device. `memory_bytes` is what the guest took of its pluggable memory,
    None if unknown.
    """

    mounted: frozenset[str] = frozenset()
    held_volumes: frozenset[str] = frozenset()
    troubles: dict[str, str] = {}
    memory_bytes: int | None = None


class GuestState(msgspec.Struct, frozen=True, kw_only=True):
    """One guest as its agent sees it now. `run_state` is empty until QEMU has told it once.

    `trouble` is what QEMU refused when it was set up, in its own words; empty once it is set up.
    """

    pod_uid: str
    machine: Machine
    machine_type: str
    network: NetworkPlan
    run_state: str = ""
    start_paused: bool = False
    exited: bool = False
    outcome: Outcome | None = None
    agent_connected: bool = False
    info: GuestInfo | None = None
    frozen: bool = False
    credentials: Propagation | None = None
    selinux_context: str = ""
    trouble: str = ""
    plugged: Plugged = Plugged()
    dump: MemoryDump | None = None

    @property
    def alive(self) -> bool:
        """Whether QEMU has said that the guest runs, or stands still and could run on."""
        return not self.exited and self.outcome is None and self.run_state not in ("", PRELAUNCH)

    @property
    def waits_for_user(self) -> bool:
        """Whether it stands before its first instruction because a user wants it so."""
        return not self.exited and self.outcome is None and self.run_state == PRELAUNCH and self.start_paused
