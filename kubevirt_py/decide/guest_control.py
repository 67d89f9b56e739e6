"""What virt-handler does next with one guest's QEMU: (what is wanted, what is) -> commands.

Times are seconds of a monotonic clock. Every command may be given again without harm.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from kubevirt_py.decide.guest_state import (
    CRASHED_STATES,
    DESTROYED,
    FORCED,
    IO_ERROR,
    PAUSED,
    PRELAUNCH,
    SHUTDOWN,
    SUSPENDED,
    Outcome,
)

RESIGNAL_S = 5.0
"""A guest that boots misses the power button; it is pressed again."""
KILL_AFTER_S = 5.0
"""From `quit` to SIGKILL."""
REPORT_S = 5.0
"""How long QEMU is kept after the guest's end, for the API to learn the outcome before the pod ends."""
HOOK_S = 2.0
"""How long the preStop hook may take to come, and after its answer the kubelet's SIGTERM."""
WAKE_S = 1.0
"""From waking a guest that sleeps to the next look at it."""
RETRY_IO_S = (10.0, 20.0, 40.0, 80.0, 160.0, 180.0)


class Command(Enum):
    CONTINUE = "cont"
    POWERDOWN = "system_powerdown"
    WAKE = "system_wakeup"
    RESET = "system_reset"
    QUIT = "quit"
    KILL = "kill"


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """`*_at` are moments, None for never. `reported` says that the API knows of the end (or needs not).

    `incomplete` tells of hotpluggable volumes that the guest is to boot with and that are not there yet.
    """

    now: float
    run_state: str
    reachable: bool
    start_paused: bool = False
    resumed: bool = False
    incomplete: bool = False
    stop_at: float | None = None
    destroy: bool = False
    grace_s: float = 30.0
    powerdown_at: float | None = None
    quit_at: float | None = None
    outcome: Outcome | None = None
    ended_at: float | None = None
    reported: bool = False
    rebooting: bool = False
    hook_expected: bool = False
    hook_answered_at: float | None = None
    sigterm: bool = False
    io_errors: int = 0
    io_error_at: float | None = None


class Next(msgspec.Struct, frozen=True):
    """Commands in order, and after how many seconds to think again (None: when something happens)."""

    commands: tuple[Command, ...] = ()
    again_s: float | None = None


WAIT = Next()


def control(c: Control) -> Next:
    """The table, most final row first."""
    if c.quit_at is not None:
        return _after(c.quit_at + KILL_AFTER_S, c.now, Command.KILL)
    if c.run_state == SHUTDOWN and c.rebooting and c.stop_at is None:
        return Next((Command.RESET, Command.CONTINUE))
    if c.outcome is not None:
        return _clear_away(c)
    if c.stop_at is not None:
        return _stop(c)
    if not c.reachable:
        return WAIT
    if c.run_state == PRELAUNCH and c.incomplete:
        return WAIT
    if c.run_state == PRELAUNCH:
        return Next((Command.CONTINUE,)) if c.resumed or not c.start_paused else WAIT
    if c.run_state == IO_ERROR:
        delay = RETRY_IO_S[min(c.io_errors, len(RETRY_IO_S) - 1)]
        return _after((c.io_error_at if c.io_error_at is not None else c.now) + delay, c.now, Command.CONTINUE)
    return WAIT


def _clear_away(c: Control) -> Next:
    """The guest has ended and QEMU stands still: let the API know first, and a preStop hook end, then quit."""
    ended = c.ended_at if c.ended_at is not None else c.now
    since = c.hook_answered_at if c.hook_answered_at is not None else ended if c.hook_expected else None
    if since is not None and not c.sigterm and c.now < since + HOOK_S:
        return Next(again_s=0.05)
    if c.reported:
        return Next((Command.QUIT,))
    return _after(ended + REPORT_S, c.now, Command.QUIT)


def _stop(c: Control) -> Next:
    """The button first, again and again; then, at the end of the grace period, quit. Who sleeps does not hear it."""
    assert c.stop_at is not None
    deadline = c.stop_at + c.grace_s
    if c.destroy or c.grace_s <= 0 or c.now >= deadline or c.run_state in (PRELAUNCH, *CRASHED_STATES):
        return Next((Command.QUIT,))
    due = c.stop_at if c.powerdown_at is None else c.powerdown_at + RESIGNAL_S
    if c.now < due or not c.reachable:
        return Next(again_s=max(0.05, min(due if c.now < due else c.now + 1.0, deadline) - c.now))
    if c.run_state == SUSPENDED:
        return Next((Command.WAKE,), again_s=min(WAKE_S, deadline - c.now))
    commands = (Command.POWERDOWN,)
    if c.run_state in (PAUSED, IO_ERROR):
        return Next((Command.CONTINUE, *commands), again_s=min(RESIGNAL_S, deadline - c.now))
    return Next(commands, again_s=min(RESIGNAL_S, deadline - c.now))


def _after(due: float, now: float, command: Command) -> Next:
    return Next((command,)) if now >= due else Next(again_s=due - now)


def quit_outcome(grace_s: float, acpi: bool, run_state: str) -> Outcome:
    """What it means that we ended QEMU: a failure only if the guest could have shut down and did not."""
    could = acpi and grace_s > 0 and run_state not in (PRELAUNCH, SUSPENDED)
    return FORCED if could else DESTROYED
