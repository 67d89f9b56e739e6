"""Steers one guest: notes what its QEMU says and does what decide.guest_control says."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import msgspec

from kubevirt_py.api import names
from kubevirt_py.decide import guest_control, phases
from kubevirt_py.decide.guest_control import Command, Control
from kubevirt_py.decide.guest_state import (
    IO_ERROR,
    PANIC,
    POWERED_OFF,
    Outcome,
    outcome_of_shutdown,
    outcome_of_state,
)
from kubevirt_py.render.launcher_pod import guest_grace_s
from kubevirt_py.virt_handler import qmp
from kubevirt_py.virt_handler.hooks import Hooks
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.peers import sigterm_pending
from kubevirt_py.virt_handler.seqpacket import Connection

TICK_S = 5.0
REBOOT_S = 120.0
"""How long a guest may take to follow the power button of a soft reboot; what it does later is its own wish."""
WATCHDOG_NEWS_S = 60.0
"""Least time between two events about a guest's watchdog."""
CALM_S = 0.02
"""Least time between two looks at a guest, however many events it makes."""
STEP_S = 30.0

log = logging.getLogger(__name__)


class Steering:
    """One guest's run state, its way to its end, and who waits for that."""

    def __init__(
        self,
        hosted: Hosted,
        monitor: Monitor,
        is_incomplete: Callable[[], bool],
        end_by_agent: Callable[[float], Awaitable[bool]],
    ) -> None:
        self.run_state = ""
        self._is_incomplete = is_incomplete
        self._end_by_agent = end_by_agent
        self._woken = False
        self._agent_ends = False
        self._asking = anyio.CancelScope()
        self._hosted = hosted
        self._monitor = monitor
        self._poke = anyio.Event()
        self._stale = True
        self._hooks = Hooks(str(hosted.key))
        self._hook_answered_at: float | None = None
        self._stop_at: float | None = None
        self._powerdown_at: float | None = None
        self._quit_at: float | None = None
        self._ended_at: float | None = None
        self._io_errors = 0
        self._io_error_at: float | None = None
        self._watchdog_told_at = -WATCHDOG_NEWS_S

    def poke(self) -> None:
        """Something about this guest or its VMI changed: think again soon."""
        self._poke.set()

    def stop_for(self, hook: Connection) -> None:
        """A preStop hook asks for the guest's end and waits for it."""
        self._hooks.add(hook)
        self.poke()

    def expect_reboot(self) -> None:
        """The power button is about to be pressed: a shutdown that follows is to be a reboot."""
        self._hosted.record.rebooting_until = time.time() + max(REBOOT_S, self._hosted.record.grace_s)
        self._hosted.save()

    def close(self) -> None:
        """Hang up on those who wait."""
        self._hooks.close()

    async def run(self) -> None:
        """Think again at each change and every few seconds, until cancelled."""
        with self._monitor.listening(self.on_event):
            while True:
                again_s = TICK_S
                extra = {"vmi": str(self._hosted.key)}
                try:
                    with anyio.fail_after(STEP_S):
                        again_s = min(TICK_S, await self._step())
                except qmp.MonitorGone as error:
                    log.info("the monitor has gone", extra={**extra, "error": str(error)})
                    again_s = 1.0
                except (qmp.MonitorError, TimeoutError) as error:
                    log.warning("steering failed", extra={**extra, "error": str(error)})
                    again_s = 1.0
                await anyio.sleep(CALM_S)
                with anyio.move_on_after(again_s):
                    await self._poke.wait()
                self._poke = anyio.Event()

    def on_event(self, event: str, data: Mapping[str, Any]) -> None:
        """Notes what cannot be asked later, and leaves the rest to the next look."""
        if event == "SHUTDOWN" and not (self._rebooting and self._stop_at is None and data.get("guest")):
            self._end(outcome_of_shutdown(data, None))
        elif event == "GUEST_PANICKED":
            self._end(PANIC)
        elif event == "WATCHDOG":
            self._tell_of_watchdog(str(data.get("action"))[:16])
        elif event == "BLOCK_IO_ERROR":
            extra = {"vmi": str(self._hosted.key), "disk": str(data.get("device"))[:64]}
            log.warning("the guest's disk failed", extra=extra)
        self._stale = True
        self.poke()

    def _tell_of_watchdog(self, action: str) -> None:
        """Not more than once in a while, however often a guest lets it expire."""
        now = anyio.current_time()
        if now >= self._watchdog_told_at + WATCHDOG_NEWS_S:
            self._watchdog_told_at = now
            note = f"The guest's watchdog expired: {'poweroff' if action == 'pause' else action}"
            self._hosted.tell(names.WATCHDOG_EXPIRED, note, warning=True)

    def _end(self, outcome: Outcome) -> None:
        """The guest has ended; the first word about it stands, also after a restart of the agent."""
        if self._hosted.record.outcome is None:
            self._hosted.record.outcome = outcome
            self._ended_at = anyio.current_time()
            self._asking.cancel()
            self._hosted.save()
            self._hosted.changed()

    async def _step(self) -> float:
        await self._refresh()
        outcome = None if self._stale else outcome_of_state(self.run_state)
        if outcome is not None and not (self._rebooting and outcome is POWERED_OFF):
            self._end(outcome)
        await self.look_for_stop()
        if self._hosted.record.outcome is not None:
            if self._ended_at is None:
                self._ended_at = anyio.current_time()  # it ended in an earlier life of the agent
            await self.answer_hooks()
        following = guest_control.control(self._control())
        for command in following.commands:
            await self._perform(command)
        if following.commands:
            return 0.0 if following.again_s is None else following.again_s
        return TICK_S if following.again_s is None else following.again_s

    @property
    def _rebooting(self) -> bool:
        return time.time() < self._hosted.record.rebooting_until

    async def _refresh(self) -> None:
        if not self._stale or not self._monitor.connected:
            return
        self._stale = False
        before = self.run_state
        self.run_state = str((await self._monitor.execute("query-status")).get("status"))
        if self.run_state == before:
            return
        if self.run_state == IO_ERROR:
            now = anyio.current_time()
            if self._io_error_at is not None and now > self._io_error_at + guest_control.RETRY_IO_S[-1]:
                self._io_errors = 0  # it has run well since the last try
            self._io_error_at = now
        self._hosted.changed()

    async def look_for_stop(self) -> None:
        """Whether anybody wants the guest's end: its hook, the kubelet, or who deleted the VMI or the pod."""
        if self._stop_at is not None:
            return
        record, vmi, pod = self._hosted.record, self._hosted.vmi(), self._hosted.pod()
        wanted = bool(self._hooks) or sigterm_pending(record.pid)
        wanted = wanted or (pod is not None and pod.metadata.deletion_timestamp is not None)
        if vmi is None:
            wanted = wanted or await self._hosted.is_deleted()
        else:
            wanted = wanted or vmi.metadata.deletion_timestamp is not None or vmi.phase in phases.FINAL
        if wanted:
            self._stop_at = anyio.current_time()
            # A guest that is to end is not started again, even if it went off for a reboot a moment ago.
            outcome = outcome_of_state(self.run_state)
            if self._rebooting and outcome is not None:
                self._end(outcome)

    def _control(self) -> Control:
        record, vmi, pod = self._hosted.record, self._hosted.vmi(), self._hosted.pod()
        # Whoever deletes a VMI has its pod deleted, and then the kubelet calls the hook.
        going = [view for view in (vmi, pod) if view is not None and view.metadata.deletion_timestamp is not None]
        return Control(
            now=anyio.current_time(),
            run_state=self.run_state,
            reachable=self._monitor.connected,
            start_paused=record.start_paused,
            resumed=record.resumed,
            incomplete=self._is_incomplete(),
            stop_at=self._stop_at,
            destroy=vmi is not None and vmi.phase in phases.FINAL,
            grace_s=self._grace_s(),
            powerdown_at=self._powerdown_at,
            quit_at=self._quit_at,
            outcome=record.outcome,
            ended_at=self._ended_at,
            reported=vmi is None or vmi.phase in phases.FINAL,
            rebooting=self._rebooting,
            hook_expected=bool(going),
            hook_answered_at=self._hook_answered_at,
            sigterm=record.outcome is not None and sigterm_pending(record.pid),
            io_errors=self._io_errors,
            io_error_at=self._io_error_at,
        )

    def _grace_s(self) -> float:
        """The guest's own grace period as the VMI has it by now, for who stops a machine by force shortens it there; or
        what a shorter one of the pod's deletion leaves of it.
        """
        vmi, pod = self._hosted.vmi(), self._hosted.pod()
        given = pod.metadata.deletion_grace_period_seconds if pod is not None else None
        own = self._hosted.record.grace_s
        if vmi is not None and self._stop_at is not None:
            own = min(own, float(guest_grace_s(msgspec.json.decode(vmi.spec))))
        return own if given is None else min(own, max(0.0, given - 2.0))

    async def _perform(self, command: Command) -> None:
        log.info("command", extra={"vmi": str(self._hosted.key), "command": command.value})
        now = anyio.current_time()
        if command is Command.POWERDOWN:
            if self._powerdown_at is None:
                self._hosted.tell(names.SHUTTING_DOWN, "Signaled Graceful Shutdown")
            self._powerdown_at = now
            if not self._agent_ends:
                # Some systems ignore the button, or ask their user about it. It follows if this does not help.
                started = now if self._stop_at is None else self._stop_at
                with anyio.CancelScope() as self._asking:
                    self._agent_ends = await self._end_by_agent(started + self._grace_s() - now)
                if self._agent_ends or self._hosted.record.outcome is not None:
                    return
        elif command is Command.WAKE:
            self._woken = True
        elif command is Command.CONTINUE and self.run_state == IO_ERROR:
            self._io_errors += 1
            self._io_error_at = now
        elif command is Command.QUIT:
            await self._quit(now)
            return
        elif command is Command.KILL:
            signal.pidfd_send_signal(self._hosted.pidfd, signal.SIGKILL)
            return
        await self._monitor.execute(command.value)
        self._stale = True
        if command is Command.RESET and self._rebooting:
            self._hosted.record.rebooting_until = 0.0
            self._hosted.save()

    async def _quit(self, now: float) -> None:
        record = self._hosted.record
        if record.outcome is None:
            acpi = record.machine is None or record.machine.platform.acpi
            # SeaBIOS does not give a q35 board its power management back after a sleep: no button, no way to go off.
            could = acpi and not self._woken
            self._hosted.tell(names.DELETED, "Signaled Deletion")
            self._end(guest_control.quit_outcome(self._grace_s(), could, self.run_state))
            if self._hooks:
                return  # the hook is answered first, and the next look quits
        self._quit_at = now
        try:
            await self._monitor.execute("quit")
        except qmp.MonitorGone as error:
            log.info("QEMU did not answer quit", extra={"vmi": str(self._hosted.key), "error": str(error)})

    async def answer_hooks(self) -> None:
        """Tell the preStop hooks that wait that the guest is off."""
        if await self._hooks.answer():
            self._hook_answered_at = anyio.current_time()
